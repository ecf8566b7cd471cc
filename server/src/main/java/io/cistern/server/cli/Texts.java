package io.cistern.server.cli;

import io.cistern.block.Size;
import io.cistern.server.config.Durations;
import io.cistern.storage.Command.Limits;
import io.cistern.volume.ClusterStatus.DiskInfo;
import io.cistern.volume.ClusterStatus.NodeInfo;
import io.cistern.volume.VolumeInfo;
import io.cistern.volume.VolumeInfo.AttachmentInfo;
import io.cistern.volume.VolumeInfo.SnapshotInfo;
import java.time.Instant;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// Records as people read them.
final class Texts {
    private static final DateTimeFormatter TIME =
            DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm:ss", Locale.ROOT);

    private static final List<String> NODE_COLUMNS =
            List.of("NODE", "STATE", "PID", "ZONE", "API", "LEADS", "FREE", "OF");

    private Texts() {}

    static String word(Enum<?> value) {
        return value.name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    static String time(long millis) {
        return millis == 0
                ? "-"
                : TIME.format(Instant.ofEpochMilli(millis).atZone(ZoneId.systemDefault()));
    }

    static String volumes(List<VolumeInfo> volumes) {
        if (volumes.isEmpty()) {
            return "no volumes; 'cistern volume create NAME SIZE' makes one";
        }
        Table table =
                new Table(
                        "NAME",
                        "SIZE",
                        "USED",
                        "STATE",
                        "GROUP",
                        "LEADER",
                        "SNAPSHOTS",
                        "ATTACHED",
                        "PARENT");
        for (VolumeInfo v : volumes) {
            table.row(
                    v.name(),
                    Size.format(v.sizeBytes()),
                    v.usedBytes() < 0 ? null : Size.format(v.usedBytes()),
                    word(v.state()),
                    v.group(),
                    v.leader(),
                    v.snapshots(),
                    attached(v),
                    v.parent());
        }
        return table.toString();
    }

    private static String attached(VolumeInfo v) {
        Map<String, Long> modes =
                v.attachments().stream()
                        .collect(
                                Collectors.groupingBy(
                                        a -> word(a.mode()), TreeMap::new, Collectors.counting()));
        return modes.entrySet().stream()
                .map(e -> e.getValue() == 1 ? e.getKey() : e.getValue() + " " + e.getKey())
                .collect(Collectors.joining(", "));
    }

    static String volume(VolumeInfo v) {
        StringBuilder out = new StringBuilder();
        line(out, "name", v.name());
        line(out, "state", word(v.state()));
        line(out, "size", Size.format(v.sizeBytes()) + " (" + v.sizeBytes() + " bytes)");
        if (v.usedBytes() >= 0) {
            line(out, "used", Size.format(v.usedBytes()) + ", times " + v.replicas() + " replicas");
        }
        line(out, "group", v.group() + ", led by " + (v.leader() == null ? "nobody" : v.leader()));
        line(out, "limits", limits(v.limits()));
        line(out, "snapshots", Integer.toString(v.snapshots()));
        if (v.parent() != null) {
            line(out, "cloned from", v.parent());
        }
        line(out, "created", time(v.createdMillis()));
        for (AttachmentInfo a : v.attachments()) {
            line(
                    out,
                    "attached",
                    word(a.mode()) + " by " + a.holder() + " since " + time(a.sinceMillis()));
        }
        return out.toString();
    }

    static String limits(Limits limits) {
        if (limits.equals(Limits.NONE)) {
            return "none";
        }
        String iops = limits.iops() == 0 ? "any" : Long.toString(limits.iops());
        String bandwidth =
                limits.bytesPerSecond() == 0 ? "any" : Size.format(limits.bytesPerSecond()) + "/s";
        return iops + " IOPS, " + bandwidth + " bandwidth";
    }

    static String snapshots(List<SnapshotInfo> snapshots) {
        if (snapshots.isEmpty()) {
            return "no snapshots";
        }
        Table table = new Table("SNAPSHOT", "CREATED", "SIZE", "UNIQUE");
        for (SnapshotInfo s : snapshots) {
            table.row(
                    s.volume() + "@" + s.name(),
                    time(s.createdMillis()),
                    Size.format(s.sizeBytes()),
                    s.uniqueBytes() < 0 ? "-" : Size.format(s.uniqueBytes()));
        }
        return table.toString();
    }

    static String nodes(List<NodeInfo> nodes) {
        List<String> columns = new ArrayList<>(NODE_COLUMNS);
        // While they run different releases, which may be of interest.
        boolean levels =
                nodes.stream().map(NodeInfo::level).filter(Objects::nonNull).distinct().count() > 1;
        if (levels) {
            columns.add("LEVEL");
        }
        Table table = new Table(columns.toArray(String[]::new));
        for (NodeInfo n : nodes) {
            long free = n.disks().stream().mapToLong(DiskInfo::freeBytes).sum();
            long total = n.disks().stream().mapToLong(DiskInfo::totalBytes).sum();
            List<@Nullable Object> row = new ArrayList<>();
            Collections.addAll(
                    row,
                    n.name(),
                    word(n.state()) + (n.disks().isEmpty() ? ", witness" : ""),
                    n.pid() == 0 ? "-" : n.pid(),
                    n.zone(),
                    n.api(),
                    String.join(",", n.leads()),
                    Size.format(free),
                    Size.format(total));
            if (levels) {
                row.add(n.level());
            }
            table.row(row.toArray());
        }
        return table.toString();
    }

    static String disks(List<DiskInfo> disks) {
        Table table = new Table("DISK", "NODE", "PATH", "FREE", "OF", "PROBLEM");
        for (DiskInfo d : disks) {
            table.row(
                    d.id(),
                    d.node(),
                    d.path(),
                    Size.format(d.freeBytes()),
                    Size.format(d.totalBytes()),
                    d.error() == null && d.emptying() ? "is being emptied" : d.error());
        }
        return table.toString();
    }

    static String eta(long millis) {
        return millis < 0 ? "-" : Durations.format(millis);
    }

    static void line(StringBuilder out, String key, String value) {
        out.append(String.format(Locale.ROOT, "%-12s %s%n", key + ":", value));
    }
}
