package io.cistern.server.cli;

import io.cistern.block.Size;
import io.cistern.volume.ClusterAdmin.VerifyReport;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/// Scrub and verify.
final class CheckCommands {
    private CheckCommands() {}

    @Command(
            name = "scrub",
            description =
                    "Reads and checks everything stored, in the background, and mends what is damaged.",
            footer = {"", "Example:", "  cistern scrub vm1", "  cistern status"})
    static final class Scrub extends BaseCommand {
        @Parameters(paramLabel = "VOLUME", arity = "0..1", description = "Default: every volume")
        private @Nullable String volume;

        @Override
        void execute() {
            admin().scrub(volume);
            String what = volume == null ? "every volume" : volume;
            print(
                    Map.of("scrubbing", what),
                    "scrubbing "
                            + what
                            + " in the background; 'cistern status' shows how far it is");
        }
    }

    @Command(
            name = "verify",
            description =
                    "Reads everything from every replica, compares it, the file systems' rows and the disks' books, and mends what differs from a majority.",
            footer = {"", "Example:", "  cistern verify", "  cistern verify vm1"})
    static final class Verify extends BaseCommand {
        @Parameters(paramLabel = "VOLUME", arity = "0..1", description = "Default: every volume")
        private @Nullable String volume;

        @Override
        public Integer call() {
            VerifyReport report;
            try (ProgressLine line = new ProgressLine("verify", spec().commandLine().getErr())) {
                report = admin().verify(volume, line);
            }
            print(report, text(report));
            if (!report.clean()) {
                List<String> different = report.differences();
                spec().commandLine()
                        .getErr()
                        .println(
                                different.isEmpty()
                                        ? "cistern: not everything could be compared: "
                                                + report.unasked().getFirst()
                                        : "cistern: the replicas differ: " + different.getFirst());
                return Cli.FAILED;
            }
            return Cli.DONE;
        }

        @Override
        void execute() {
            call();
        }

        private static String text(VerifyReport r) {
            StringBuilder out = new StringBuilder();
            r.mismatches().forEach(m -> out.append(m).append('\n'));
            r.notes().forEach(note -> out.append(note).append('\n'));
            out.append(
                    "%d volumes and shares, %s of data read, %d damaged blocks, %d repaired: %s%n"
                            .formatted(
                                    r.volumes(),
                                    Size.format(r.bytesRead()),
                                    r.damagedBlocks(),
                                    r.repairedBlocks(),
                                    !r.differences().isEmpty()
                                            ? "replicas differ"
                                            : r.unasked().isEmpty() && r.notes().isEmpty()
                                                    ? "all replicas agree"
                                                    : "what was compared agrees"));
            return out.toString();
        }
    }
}
