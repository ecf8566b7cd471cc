package io.cistern.server.cli;

import com.fasterxml.jackson.annotation.JsonUnwrapped;
import io.cistern.block.CisternException;
import io.cistern.block.Size;
import io.cistern.server.api.RestAdmin;
import io.cistern.storage.Command.Limits;
import io.cistern.volume.ClusterAdmin;
import io.cistern.volume.SnapshotName;
import io.cistern.volume.VolumeInfo;
import io.cistern.volume.VolumeInfo.Diff;
import io.cistern.volume.VolumeInfo.DiffRange;
import io.cistern.volume.VolumeInfo.SnapshotInfo;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

@Command(
        name = "snapshot",
        description = "Creates, lists, compares, rolls back to and deletes snapshots.",
        subcommands = {
            SnapshotCommands.Create.class,
            SnapshotCommands.ListAll.class,
            SnapshotCommands.Compare.class,
            SnapshotCommands.Rollback.class,
            SnapshotCommands.Delete.class,
        },
        footer = {"", "Example:", "  cistern snapshot create vm1@monday"})
final class SnapshotCommands extends BaseCommand.Group {

    @Command(
            name = "create",
            description = "Freezes a volume, or several in one instant.",
            footer = {"", "Example:", "  cistern snapshot create db@monday logs@monday"})
    static final class Create extends BaseCommand {
        @Parameters(
                paramLabel = "VOLUME@SNAP",
                arity = "1..*",
                converter = Converters.Snapshot.class)
        private List<SnapshotName> names = List.of();

        @Override
        void execute() {
            List<SnapshotInfo> made = admin().createSnapshots(names);
            print(
                    made,
                    made.stream()
                            .map(s -> "created snapshot " + s.volume() + "@" + s.name() + "\n")
                            .collect(Collectors.joining()));
        }
    }

    @Command(
            name = "list",
            description =
                    "Lists the snapshots of a volume, oldest first. UNIQUE is what deleting one frees.",
            footer = {"", "Example:", "  cistern snapshot list vm1"})
    static final class ListAll extends BaseCommand {
        @Parameters(paramLabel = "VOLUME")
        private @Nullable String volume;

        @Override
        void execute() {
            List<SnapshotInfo> snapshots = admin().snapshots(given(volume));
            print(snapshots, Texts.snapshots(snapshots));
        }
    }

    @Command(
            name = "diff",
            description =
                    "Lists the ranges that differ between two snapshots, or a snapshot and now.",
            footer = {"", "Example:", "  cistern snapshot diff vm1@monday vm1@tuesday"})
    static final class Compare extends BaseCommand {
        @Parameters(index = "0", paramLabel = "VOLUME@A", converter = Converters.Snapshot.class)
        private @Nullable SnapshotName from;

        @Parameters(
                index = "1",
                arity = "0..1",
                paramLabel = "VOLUME@B",
                description = "Default: the volume as it is now",
                converter = Converters.Snapshot.class)
        private @Nullable SnapshotName to;

        @Override
        void execute() {
            SnapshotName a = given(from);
            SnapshotName b = to;
            if (b != null && !b.volume().equals(a.volume())) {
                throw wrong("both snapshots must be of one volume");
            }
            List<DiffRange> ranges = new ArrayList<>();
            long changed = 0;
            RestAdmin admin = admin();
            for (long offset = 0; offset >= 0; ) {
                Diff part =
                        admin.diff(
                                a.volume(), a.snapshot(), b == null ? null : b.snapshot(), offset);
                ranges.addAll(part.ranges());
                changed += part.changedBytes();
                offset = part.nextOffset();
            }
            print(new Diff(ranges, changed, -1), text(ranges, changed));
        }

        private static String text(List<DiffRange> ranges, long changed) {
            if (ranges.isEmpty()) {
                return "no difference";
            }
            Table table = new Table("OFFSET", "LENGTH");
            ranges.forEach(r -> table.row(r.offset(), r.length()));
            return table + Size.format(changed) + " changed in " + ranges.size() + " ranges";
        }
    }

    @Command(
            name = "rollback",
            description =
                    "Makes the volume what the snapshot is. What it was is kept as a new snapshot.",
            footer = {
                "",
                "Example (detach the volume first):",
                "  cistern snapshot rollback vm1@monday"
            })
    static final class Rollback extends BaseCommand {
        @Parameters(paramLabel = "VOLUME@SNAP", converter = Converters.Snapshot.class)
        private @Nullable SnapshotName name;

        @Override
        void execute() {
            SnapshotName snapshot = given(name);
            String safety = admin().rollback(snapshot);
            String kept = snapshot.volume() + "@" + safety;
            print(
                    Map.of("volume", snapshot.volume(), "safetySnapshot", safety),
                    snapshot.volume() + " is as " + snapshot + "; what it was is kept as " + kept);
        }
    }

    @Command(
            name = "delete",
            description = "Deletes a snapshot. Its space is freed in the background.",
            footer = {"", "Example:", "  cistern snapshot delete vm1@monday"})
    static final class Delete extends BaseCommand {
        @Parameters(paramLabel = "VOLUME@SNAP", converter = Converters.Snapshot.class)
        private @Nullable SnapshotName name;

        @Override
        void execute() {
            SnapshotName snapshot = given(name);
            admin().deleteSnapshot(snapshot);
            print(Map.of("deleted", snapshot.toString()), "deleted snapshot " + snapshot);
        }
    }

    @Command(
            name = "clone",
            description =
                    "Makes writable volumes of a snapshot; they share what they do not change. What each"
                            + " holds by itself is USED in 'cistern volume list'.",
            footer = {
                "",
                "Examples:",
                "  cistern clone golden@v1 web1",
                "  cistern clone golden@v1 web2 web3 web4"
            })
    static final class CloneVolume extends BaseCommand {
        @Parameters(index = "0", paramLabel = "VOLUME@SNAP", converter = Converters.Snapshot.class)
        private @Nullable SnapshotName name;

        @Parameters(index = "1..*", arity = "1..*", paramLabel = "NEW")
        private List<String> newNames = List.of();

        @picocli.CommandLine.Mixin
        private VolumeCommands.LimitOptions limits = new VolumeCommands.LimitOptions();

        @Override
        void execute() {
            SnapshotName snapshot = given(name);
            long began = System.nanoTime();
            List<VolumeInfo> made =
                    newNames.size() == 1
                            ? List.of(
                                    admin().cloneVolume(
                                                    snapshot,
                                                    newNames.getFirst(),
                                                    limits.over(Limits.NONE)))
                            : several(admin(), snapshot);
            long millis = millisSince(began);
            List<Cloned> clones = made.stream().map(v -> new Cloned(v, millis)).toList();
            print(clones.size() == 1 ? clones.getFirst() : clones, text(snapshot, clones, millis));
        }

        /// By as few requests as there can be; one that fails does not keep the others from being
        /// made.
        private List<VolumeInfo> several(RestAdmin admin, SnapshotName snapshot) {
            List<VolumeInfo> made = new ArrayList<>();
            CisternException first = null;
            int most = ClusterAdmin.MAX_CLONES;
            for (int from = 0; from < newNames.size(); from += most) {
                List<String> part = newNames.subList(from, Math.min(from + most, newNames.size()));
                try {
                    made.addAll(admin.cloneVolumes(snapshot, part, limits.over(Limits.NONE)));
                } catch (CisternException e) {
                    first = first == null ? e : first;
                }
            }
            if (first != null) {
                throw first;
            }
            return made;
        }

        private static String text(SnapshotName snapshot, List<Cloned> made, long millis) {
            boolean one = made.size() == 1;
            StringBuilder text = new StringBuilder();
            for (Cloned c : made) {
                text.append("created volume " + c.volume().name() + " from " + snapshot)
                        .append(one ? " in " + millis + " ms\n" : "\n");
            }
            return one
                    ? text.toString()
                    : text + "" + made.size() + " volumes in " + millis + " ms\n";
        }

        private static long millisSince(long nanos) {
            return (System.nanoTime() - nanos) / 1_000_000;
        }

        /// @param millis they took together, as the caller saw it
        record Cloned(@JsonUnwrapped VolumeInfo volume, long millis) {}
    }
}
