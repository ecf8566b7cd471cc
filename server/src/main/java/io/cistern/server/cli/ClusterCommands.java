package io.cistern.server.cli;

import io.cistern.block.CisternException;
import io.cistern.block.Size;
import io.cistern.server.config.Durations;
import io.cistern.volume.ClusterPolicy;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

@Command(
        name = "cluster",
        description = "Shows and sets how the cluster mends itself and spreads what it holds.",
        subcommands = {ClusterCommands.Show.class, ClusterCommands.Set.class},
        footer = {"", "Example:", "  cistern cluster show"})
final class ClusterCommands extends BaseCommand.Group {

    private static String text(ClusterPolicy p) {
        StringBuilder out = new StringBuilder();
        Texts.line(
                out,
                "rebuild after",
                Durations.format(p.rebuildAfterSeconds() * 1000L) + " of silence");
        Texts.line(out, "balance", p.balance() ? "on" : "off");
        Texts.line(
                out,
                "copy bandwidth",
                p.copyBytesPerSecond() == 0
                        ? "not bounded"
                        : Size.format(p.copyBytesPerSecond()) + "/s");
        return out.toString();
    }

    @Command(
            name = "show",
            description = "Shows the settings.",
            footer = {"", "Example:", "  cistern cluster show -o json"})
    static final class Show extends BaseCommand {
        @Override
        void execute() {
            ClusterPolicy policy = admin().policy();
            print(policy, text(policy));
        }
    }

    @Command(
            name = "set",
            description = "Changes settings, effective at once; what is not named stays.",
            footer = {
                "",
                "Examples:",
                "  cistern cluster set --rebuild-after 30m",
                "  cistern cluster set --balance off --copy-bandwidth 50MiB"
            })
    static final class Set extends BaseCommand {
        enum Switch {
            on,
            off
        }

        @Option(
                names = "--rebuild-after",
                paramLabel = "TIME",
                description =
                        "How long a node may be silent before its replicas are built anew elsewhere, 5s to 720h. At first: 10m")
        private @Nullable String rebuildAfter;

        @Option(
                names = "--balance",
                paramLabel = "on|off",
                description =
                        "Whether replicas and leaders are spread over the nodes. At first: on")
        private @Nullable Switch balance;

        @Option(
                names = "--copy-bandwidth",
                paramLabel = "SIZE",
                converter = Converters.Bytes.class,
                description =
                        "Most bytes a second that one copy of a replica may send, 0 for no bound. At first: 0")
        private @Nullable Long bandwidth;

        @Override
        void execute() {
            if (rebuildAfter == null && balance == null && bandwidth == null) {
                throw wrong("name at least one setting; 'cistern cluster set --help' lists them");
            }
            ClusterPolicy now = admin().policy();
            ClusterPolicy changed =
                    admin().setPolicy(
                                    new ClusterPolicy(
                                            rebuildAfter == null
                                                    ? now.rebuildAfterSeconds()
                                                    : seconds(rebuildAfter),
                                            balance == null ? now.balance() : balance == Switch.on,
                                            bandwidth == null
                                                    ? now.copyBytesPerSecond()
                                                    : bandwidth));
            print(changed, text(changed));
        }

        private int seconds(String time) {
            try {
                return (int) Math.min(Integer.MAX_VALUE, Durations.parse(time).toSeconds());
            } catch (CisternException e) {
                throw wrong(String.valueOf(e.getMessage()));
            }
        }
    }
}
