package io.cistern.server.cli;

import io.cistern.block.Size;
import io.cistern.storage.Command.Limits;
import io.cistern.volume.VolumeInfo;
import io.cistern.volume.VolumeSpec;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "volume",
        description = "Creates, shows, changes and deletes volumes; imports and exports images.",
        subcommands = {
            VolumeCommands.Create.class,
            VolumeCommands.ListAll.class,
            VolumeCommands.Show.class,
            VolumeCommands.Resize.class,
            VolumeCommands.SetLimits.class,
            VolumeCommands.Rename.class,
            VolumeCommands.Delete.class,
            ImageCommands.Import.class,
            ImageCommands.Export.class,
        },
        footer = {"", "Example:", "  cistern volume create vm1 20GiB"})
final class VolumeCommands extends BaseCommand.Group {

    /// Limits as options.
    static final class LimitOptions {
        @Option(
                names = "--iops",
                paramLabel = "N",
                converter = Converters.Count.class,
                description = "Most requests a second; 0 for any")
        private @Nullable Long iops;

        @Option(
                names = "--bandwidth",
                paramLabel = "SIZE",
                converter = Converters.Bytes.class,
                description = "Most bytes a second, as 100MiB; 0 for any")
        private @Nullable Long bandwidth;

        boolean none() {
            return iops == null && bandwidth == null;
        }

        /// These limits, those not given as in `present`.
        Limits over(Limits present) {
            return new Limits(
                    iops == null ? present.iops() : iops,
                    bandwidth == null ? present.bytesPerSecond() : bandwidth);
        }
    }

    @Command(
            name = "create",
            description = "Creates a thin volume that reads as zeroes.",
            footer = {"", "Example:", "  cistern volume create vm1 20GiB --replicas 3 --iops 2000"})
    static final class Create extends BaseCommand {
        @Parameters(index = "0", paramLabel = "NAME")
        private @Nullable String name;

        @Parameters(index = "1", paramLabel = "SIZE", converter = Converters.Bytes.class)
        private @Nullable Long size;

        @Option(
                names = "--replicas",
                paramLabel = "N",
                description =
                        "1, 3 or 5, or 2 where there is a witness; default 3, 2 on two nodes with a witness, 1 on fewer than three without")
        private int replicas;

        @picocli.CommandLine.Mixin private LimitOptions limits = new LimitOptions();

        @Override
        void execute() {
            VolumeInfo v =
                    admin().createVolume(
                                    new VolumeSpec(
                                            given(name),
                                            given(size),
                                            replicas,
                                            limits.over(Limits.NONE)));
            print(v, "created volume " + v.name() + ", " + Size.format(v.sizeBytes()));
        }
    }

    @Command(
            name = "list",
            description =
                    "Lists all volumes. USED is what one holds by itself, once, without what it shares"
                            + " with the snapshot it was cloned from.",
            footer = {"", "Example:", "  cistern volume list -o json"})
    static final class ListAll extends BaseCommand {
        @Override
        void execute() {
            List<VolumeInfo> volumes = admin().volumes();
            print(volumes, Texts.volumes(volumes));
        }
    }

    @Command(
            name = "show",
            description = "Shows one volume, with the space it uses and who has attached it.",
            footer = {"", "Example:", "  cistern volume show vm1"})
    static final class Show extends BaseCommand {
        @Parameters(paramLabel = "NAME")
        private @Nullable String name;

        @Override
        void execute() {
            VolumeInfo v = admin().volume(given(name));
            print(v, Texts.volume(v));
        }
    }

    @Command(
            name = "resize",
            description = "Grows a volume. A running guest sees it.",
            footer = {"", "Example:", "  cistern volume resize vm1 40GiB"})
    static final class Resize extends BaseCommand {
        @Parameters(index = "0", paramLabel = "NAME")
        private @Nullable String name;

        @Parameters(index = "1", paramLabel = "SIZE", converter = Converters.Bytes.class)
        private @Nullable Long size;

        @Override
        void execute() {
            VolumeInfo v = admin().resizeVolume(given(name), given(size));
            print(v, v.name() + " has " + Size.format(v.sizeBytes()));
        }
    }

    @Command(
            name = "set",
            description = "Changes a volume's limits, effective at once.",
            footer = {"", "Example:", "  cistern volume set vm1 --iops 5000 --bandwidth 200MiB"})
    static final class SetLimits extends BaseCommand {
        @Parameters(paramLabel = "NAME")
        private @Nullable String name;

        @picocli.CommandLine.Mixin private LimitOptions limits = new LimitOptions();

        @Override
        void execute() {
            if (limits.none()) {
                throw wrong("give --iops, --bandwidth or both");
            }
            String volume = given(name);
            Limits present = admin().volume(volume).limits();
            VolumeInfo v = admin().setLimits(volume, limits.over(present));
            print(v, v.name() + " is limited to " + Texts.limits(v.limits()));
        }
    }

    @Command(
            name = "rename",
            description = "Renames a volume; its contents, snapshots and attachments stay.",
            footer = {"", "Example:", "  cistern volume rename vm1 web1"})
    static final class Rename extends BaseCommand {
        @Parameters(index = "0", paramLabel = "NAME")
        private @Nullable String name;

        @Parameters(index = "1", paramLabel = "NEW")
        private @Nullable String newName;

        @Override
        void execute() {
            VolumeInfo v = admin().renameVolume(given(name), given(newName));
            print(v, name + " is now " + v.name());
        }
    }

    @Command(
            name = "delete",
            description = "Deletes a volume and its snapshots.",
            footer = {"", "Example:", "  cistern volume delete vm1"})
    static final class Delete extends BaseCommand {
        @Parameters(paramLabel = "NAME")
        private @Nullable String name;

        @Override
        void execute() {
            String volume = given(name);
            admin().deleteVolume(volume);
            print(Map.of("deleted", volume), "deleted volume " + volume);
        }
    }
}
