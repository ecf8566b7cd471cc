package io.cistern.server.cli;

import io.cistern.block.Size;
import io.cistern.server.Logging;
import io.cistern.storage.Command.Limits;
import io.cistern.volume.Images;
import io.cistern.volume.Images.Format;
import io.cistern.volume.Images.ImportRequest;
import io.cistern.volume.Progress;
import io.cistern.volume.VolumeInfo;
import io.cistern.volume.node.RemoteCluster;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// Import and export of images. The data goes between this process and the nodes, not over REST, so
/// the files are read and written with the rights of whoever runs the command.
final class ImageCommands {
    private ImageCommands() {}

    /// What both commands share.
    abstract static class ImageCommand extends BaseCommand {
        abstract void work(Images images, Progress progress);

        abstract String verb();

        @Override
        void execute() {
            Logging.quiet();
            String name = "cli-" + ProcessHandle.current().pid();
            LocalDriver.ClusterFile cluster = LocalDriver.describe(admin());
            try (RemoteCluster remote = RemoteCluster.connect(cluster.client(), name);
                    ProgressLine line = new ProgressLine(verb(), spec().commandLine().getErr())) {
                work(remote.images(), line);
            }
        }
    }

    @Command(
            name = "import",
            description = "Creates a volume from a disk image, raw or qcow2.",
            footer = {"", "Example:", "  cistern volume import golden debian.qcow2"})
    static final class Import extends ImageCommand {
        @Parameters(index = "0", paramLabel = "NAME")
        private @Nullable String name;

        @Parameters(index = "1", paramLabel = "FILE")
        private @Nullable Path file;

        @Option(names = "--format", paramLabel = "raw|qcow2", description = "Default: found out")
        private @Nullable Format format;

        @Option(
                names = "--size",
                paramLabel = "SIZE",
                converter = Converters.Bytes.class,
                description = "At least the image's size, the default")
        private @Nullable Long size;

        @Option(
                names = "--replicas",
                paramLabel = "N",
                description = "1, 3 or 5, or 2 where there is a witness")
        private int replicas;

        @Override
        String verb() {
            return "import";
        }

        @Override
        void work(Images images, Progress progress) {
            ImportRequest request =
                    new ImportRequest(
                            given(name),
                            given(file).toAbsolutePath(),
                            size == null ? 0 : size,
                            replicas,
                            Limits.NONE);
            VolumeInfo v = images.importImage(request, format, progress);
            print(v, "created volume " + v.name() + ", " + Size.format(v.sizeBytes()));
        }
    }

    @Command(
            name = "export",
            description = "Writes a volume or a snapshot to a new file.",
            footer = {"", "Example:", "  cistern volume export vm1@monday vm1.qcow2"})
    static final class Export extends ImageCommand {
        @Parameters(index = "0", paramLabel = "NAME[@SNAP]")
        private @Nullable String source;

        @Parameters(index = "1", paramLabel = "FILE")
        private @Nullable Path file;

        @Option(
                names = "--format",
                paramLabel = "raw|qcow2",
                description = "Default: qcow2 where FILE ends with .qcow2, else raw")
        private @Nullable Format format;

        @Override
        String verb() {
            return "export";
        }

        @Override
        void work(Images images, Progress progress) {
            Path target = given(file).toAbsolutePath();
            Format chosen = format;
            if (chosen == null) {
                boolean qcow2 = target.toString().toLowerCase(Locale.ROOT).endsWith(".qcow2");
                chosen = qcow2 ? Format.QCOW2 : Format.RAW;
            }
            images.exportImage(given(source), target, chosen, progress);
            print(
                    Map.of("source", given(source), "file", target.toString(), "format", chosen),
                    "wrote " + source + " to " + target);
        }
    }
}
