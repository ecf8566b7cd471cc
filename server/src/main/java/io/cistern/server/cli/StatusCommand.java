package io.cistern.server.cli;

import io.cistern.block.Size;
import io.cistern.volume.ClusterStatus;
import io.cistern.volume.ClusterStatus.Capacity;
import io.cistern.volume.ClusterStatus.GroupInfo;
import io.cistern.volume.ClusterStatus.ReplicaInfo;
import io.cistern.volume.ClusterStatus.WorkInfo;
import java.util.Locale;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;

@Command(
        name = "status",
        description =
                "Health, nodes, capacity, groups, volumes, what is degraded and why, running work.",
        footer = {"", "Example:", "  cistern status -o json | jq .health"})
final class StatusCommand extends BaseCommand {
    /// A follower lacks a few entries at any moment.
    private static final long NOTABLE_ENTRIES = 100;

    @Override
    void execute() {
        ClusterStatus status = admin().status();
        print(status, text(status));
    }

    static String text(ClusterStatus s) {
        StringBuilder out = new StringBuilder();
        Texts.line(out, "health", Texts.word(s.health()));
        s.reasons().forEach(r -> out.append("  ").append(r).append('\n'));
        s.notes().forEach(note -> Texts.line(out, "note", note));
        Capacity c = s.capacity();
        Texts.line(
                out,
                "capacity",
                Size.format(c.freeBytes())
                        + " free of "
                        + Size.format(c.totalBytes())
                        + ", all replicas counted"
                        + (c.provisionedBytes() == 0
                                ? ""
                                : "; volumes may grow to " + Size.format(c.provisionedBytes())));
        out.append('\n').append(Texts.nodes(s.nodes()));
        out.append('\n').append(groups(s));
        out.append('\n').append(Texts.volumes(s.volumes()));
        if (!s.volumes().isEmpty() && out.charAt(out.length() - 1) != '\n') {
            out.append('\n');
        }
        if (!s.work().isEmpty()) {
            out.append('\n').append(work(s));
        }
        return out.toString();
    }

    private static String groups(ClusterStatus s) {
        Table table = new Table("GROUP", "LEADER", "TERM", "VOLUMES", "REPLICAS");
        for (GroupInfo g : s.groups()) {
            table.row(
                    g.id(),
                    g.leader(),
                    g.term(),
                    g.volumes(),
                    g.replicas().stream()
                            .map(StatusCommand::replica)
                            .collect(Collectors.joining(", ")));
        }
        return table.toString();
    }

    private static String replica(ReplicaInfo r) {
        String text = r.node() + " " + Texts.word(r.state());
        Double share = r.catchUp();
        if (share != null) {
            return text + String.format(Locale.ROOT, " %.0f %%", share * 100);
        }
        return r.behindEntries() >= NOTABLE_ENTRIES
                ? text + " " + r.behindEntries() + " behind"
                : text;
    }

    private static String work(ClusterStatus s) {
        Table table = new Table("WORK", "ON", "NODE", "DONE", "OF", "TIME LEFT", "NOW");
        for (WorkInfo w : s.work()) {
            table.row(
                    w.kind(),
                    w.what(),
                    w.node(),
                    amount(w.done(), w.unit()),
                    w.total() == 0 ? "-" : amount(w.total(), w.unit()),
                    Texts.eta(w.etaMillis()),
                    w.step());
        }
        return table.toString();
    }

    private static String amount(long n, String unit) {
        return unit.equals("bytes") ? Size.format(n) : n + " " + unit;
    }
}
