package io.cistern.volume;

import io.cistern.storage.Command.Limits;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/// Disk images in and out: raw, and qcow2 versions 2 and 3.
///
/// Methods block until the work is done, without a deadline; interrupting the thread ends them.
/// Running ones show in [ClusterStatus#work]. Holes stay holes both ways.
public interface Images {
    /// Looks at an image without reading its data.
    ///
    /// @throws io.cistern.block.CisternException NOT_FOUND, IO, INVALID (not an image, truncated,
    ///   corrupt, or with a feature that is not supported: a backing file, an external data file,
    ///   encryption)
    ImageInfo inspect(Path file);

    /// Creates a volume from an image. Where the import fails, no volume remains.
    ///
    /// @param format null to find out
    VolumeInfo importImage(ImportRequest request, @Nullable Format format, Progress progress);

    /// Writes a volume or snapshot to a new file; on failure no file remains.
    ///
    /// @param source `VOLUME` or `VOLUME@SNAPSHOT`. A volume in use is read as it changes: export a
    ///   snapshot for one instant
    /// @throws io.cistern.block.CisternException ALREADY_EXISTS where the file exists
    void exportImage(String source, Path file, Format format, Progress progress);

    enum Format {
        RAW,
        QCOW2
    }

    /// @param sizeBytes 0 for the image's own size, rounded up to 512; else at least that
    record ImportRequest(String volume, Path file, long sizeBytes, int replicas, Limits limits) {
        public static ImportRequest of(String volume, Path file) {
            return new ImportRequest(volume, file, 0, 0, Limits.NONE);
        }
    }

    /// @param dataBytes bytes of the image that are not holes, as far as the format tells
    record ImageInfo(Format format, long sizeBytes, long dataBytes, String detail) {}
}
