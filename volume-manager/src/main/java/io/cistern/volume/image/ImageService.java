package io.cistern.volume.image;

import io.cistern.volume.ClusterAdmin;
import io.cistern.volume.ClusterClient;
import io.cistern.volume.Images;
import io.cistern.volume.Progress;
import io.cistern.volume.VolumeInfo;
import java.nio.file.Path;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// Images.
public final class ImageService implements Images {
    /// Lists running work.
    @FunctionalInterface
    public interface Runner {
        <T> T run(String kind, String what, Progress heard, Function<Progress, T> body);
    }

    public ImageService(ClusterAdmin admin, ClusterClient client, Runner runner) {}

    @Override
    public ImageInfo inspect(Path file) {
        throw new IllegalStateException();
    }

    @Override
    public VolumeInfo importImage(ImportRequest request, @Nullable Format format, Progress p) {
        throw new IllegalStateException();
    }

    @Override
    public void exportImage(String source, Path file, Format format, Progress progress) {
        throw new IllegalStateException();
    }
}
