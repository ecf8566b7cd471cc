package io.cistern.server.cli;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.server.config.ConfigFile;
import io.cistern.volume.NodeConfig;
import io.cistern.volume.node.Rescue;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

@Command(
        name = "rescue",
        description = {
            "DISASTER ONLY: makes a cluster of what this one node holds and gives up all other nodes for good.",
            "For the day on which most nodes are lost and will not come back; writes that only they had are lost.",
            "The node must be stopped. Read docs/howto/disaster.md first."
        },
        footer = {"", "Example:", "  cistern node rescue --config /etc/cistern/node.toml"})
final class RescueCommand extends BaseCommand {
    @Option(
            names = "--config",
            paramLabel = "FILE",
            required = true,
            description = "The surviving node's configuration")
    private @Nullable Path file;

    @Option(
            names = "--confirm",
            paramLabel = "SENTENCE",
            description = "The sentence that is asked for, where nobody is there to type it")
    private @Nullable String confirmed;

    @Override
    void execute() {
        NodeConfig config = ConfigFile.read(given(file)).node();
        Rescue.Found found = Rescue.look(config);
        String sentence = "give up all but " + found.node();
        String typed = confirmed;
        if (typed == null) {
            warn(spec().commandLine().getErr(), found, sentence);
            typed = line();
        }
        if (!typed.strip().equals(sentence)) {
            throw new CisternException(
                    ErrorCode.INVALID, "nothing was changed: that was not '" + sentence + "'");
        }
        String id = Rescue.run(config);
        print(
                Map.of("node", found.node(), "clusterId", id, "groups", found.groups()),
                "node "
                        + found.node()
                        + " is cluster "
                        + id
                        + " now; start it, check the volumes, then add nodes. Nodes of the old cluster have to be emptied before they can join.");
    }

    private static void warn(PrintWriter err, Rescue.Found found, String sentence) {
        err.println(
                """
                *** THIS GIVES UP ALL OTHER NODES OF CLUSTER %s FOR GOOD ***
                - What is not on node %s is lost. It holds replicas of: %s.
                - Writes that were acknowledged by the lost nodes alone are lost: file systems and
                  databases on the volumes may have to be repaired, or restored from a backup.
                - The other nodes can never come back with what they hold. Make sure that they are
                  off: where a majority of them runs, they go on as the old cluster.
                If most of the nodes can still be started, start them instead.
                To go on, type: %s
                """
                        .formatted(
                                found.clusterId(),
                                found.node(),
                                String.join(", ", found.groups()),
                                sentence));
        err.flush();
    }

    private static String line() {
        try {
            String line =
                    new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))
                            .readLine();
            return line == null ? "" : line;
        } catch (IOException e) {
            throw new CisternException(ErrorCode.IO, "cannot read what was typed: " + e, e);
        }
    }
}
