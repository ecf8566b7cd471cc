package io.cistern.server.cli;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.server.api.Json;
import io.cistern.server.api.RestAdmin;
import io.cistern.storage.Command.AttachMode;
import io.cistern.vmdisk.AttachmentView;
import io.cistern.vmdisk.DriverClient;
import io.cistern.vmdisk.GuestAgent;
import io.cistern.vmdisk.GuestDisk;
import io.cistern.vmdisk.QemuMonitor;
import io.cistern.volume.SnapshotName;
import io.cistern.volume.VolumeInfo.SnapshotInfo;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// Disks of guests that are running.
@Command(
        name = "guest",
        description = {
            "Plugs attached volumes into running guests of QEMU, pulls them out, and takes",
            "snapshots of all disks of a guest in one instant."
        },
        subcommands = {
            GuestCommands.Plug.class,
            GuestCommands.Unplug.class,
            GuestCommands.Freeze.class
        },
        footer = {
            "",
            "Example:",
            "  cistern guest plug vm2 --qmp /run/vm1.qmp",
            "  cistern guest snapshot monday --qmp /run/vm1.qmp"
        })
final class GuestCommands extends BaseCommand.Group {
    private static final Duration PATIENCE = Duration.ofSeconds(20);

    /// @param done true where it was performed, false where the steps are to be sent to QEMU
    record Steps(String volume, boolean done, List<GuestDisk.Step> steps) {}

    /// What both commands take.
    abstract static class OnGuest extends BaseCommand {
        @Parameters(
                paramLabel = "VOLUME",
                description = "A volume that 'cistern attach' has attached")
        private @Nullable String volume;

        @Option(
                names = "--qmp",
                paramLabel = "PATH",
                description =
                        "QEMU's monitor, as -qmp unix:PATH,server=on,wait=off makes it. Without it the"
                                + " commands are printed")
        private @Nullable Path qmp;

        @Nullable Path qmp() {
            return qmp;
        }

        /// The volume's attachment of this host as a disk.
        GuestDisk disk(@Nullable String bus) {
            String name = given(volume);
            DriverClient driver = LocalDriver.running(root().home());
            List<AttachmentView> found =
                    driver == null
                            ? List.of()
                            : driver.list().stream()
                                    .filter(v -> v.volume().equals(name))
                                    .filter(v -> v.state().equals("open"))
                                    .toList();
            if (found.size() != 1) {
                throw new CisternException(
                        ErrorCode.NOT_FOUND,
                        found.isEmpty()
                                ? "volume "
                                        + name
                                        + " is not attached on this host: cistern attach "
                                        + name
                                : "volume " + name + " is attached on several sockets here");
            }
            AttachmentView view = found.getFirst();
            return new GuestDisk(
                    view.transport(),
                    name,
                    Path.of(view.socket()),
                    view.mode() == AttachMode.READ_ONLY,
                    bus);
        }

        void report(GuestDisk disk, boolean done, List<GuestDisk.Step> steps, String what) {
            String lines =
                    steps.stream().map(OnGuest::line).collect(Collectors.joining("\n", "", "\n"));
            print(
                    new Steps(disk.volume(), done, steps),
                    done ? what : "send to QEMU's monitor:\n" + lines);
        }

        private static String line(GuestDisk.Step step) {
            return Json.pretty(Map.of("execute", step.execute(), "arguments", step.arguments()));
        }
    }

    @Command(
            name = "plug",
            description = {
                "Plugs an attached volume into a running guest.",
                "Checks first that the guest can use it. A q35 machine needs a pcie-root-port to plug"
                        + " into: name it by --bus."
            },
            footer = {
                "",
                "Examples:",
                "  cistern guest plug vm2 --qmp /run/vm1.qmp --bus rp0",
                "  cistern guest plug vm2"
            })
    static final class Plug extends OnGuest {
        @Option(names = "--bus", paramLabel = "ID", description = "Default: QEMU's choice")
        private @Nullable String bus;

        @Override
        void execute() {
            GuestDisk disk = disk(bus);
            Path monitorPath = qmp();
            if (monitorPath != null) {
                try (QemuMonitor monitor = QemuMonitor.connect(monitorPath)) {
                    disk.plug(monitor);
                }
            }
            report(
                    disk,
                    monitorPath != null,
                    disk.plugging(),
                    "plugged " + disk.volume() + " in over " + disk.transport().word());
        }
    }

    @Command(
            name = "unplug",
            description = "Pulls a volume out of a running guest. It stays attached on this host.",
            footer = {"", "Example:", "  cistern guest unplug vm2 --qmp /run/vm1.qmp"})
    static final class Unplug extends OnGuest {
        @Override
        void execute() {
            GuestDisk disk = disk(null);
            Path monitorPath = qmp();
            if (monitorPath != null) {
                try (QemuMonitor monitor = QemuMonitor.connect(monitorPath)) {
                    disk.unplug(monitor, PATIENCE);
                }
            }
            report(
                    disk,
                    monitorPath != null,
                    disk.unplugging(),
                    "pulled " + disk.volume() + " out");
        }
    }

    /// @param pausedMs for how long the guest stood still
    /// @param frozen file systems that its agent froze; 0 without one
    record Snapshots(List<SnapshotInfo> snapshots, double pausedMs, int frozen) {}

    @Command(
            name = "snapshot",
            description = {
                "Freezes all disks that a running guest has from this host, in one instant of the guest.",
                "The guest stands still for the moment. With its agent its file systems are frozen and"
                        + " clean; without, they are as after a power cut."
            },
            footer = {
                "",
                "Examples:",
                "  cistern guest snapshot monday --qmp /run/vm1.qmp",
                "  cistern guest snapshot monday --qmp /run/vm1.qmp --agent /run/vm1.qga"
            })
    static final class Freeze extends BaseCommand {
        @Parameters(paramLabel = "SNAP", description = "Name of each volume's snapshot")
        private @Nullable String snapshot;

        @Option(
                names = "--qmp",
                paramLabel = "PATH",
                required = true,
                description = "QEMU's monitor, as -qmp unix:PATH,server=on,wait=off makes it")
        private @Nullable Path qmp;

        @Option(
                names = "--agent",
                paramLabel = "PATH",
                description = "The guest agent's socket, to freeze its file systems")
        private @Nullable Path agent;

        @Override
        void execute() {
            String name = given(snapshot);
            try (QemuMonitor monitor = QemuMonitor.connect(given(qmp))) {
                List<SnapshotName> names = disks(monitor, name);
                Path agentPath = agent;
                if (agentPath == null) {
                    report(take(monitor, names), 0);
                    return;
                }
                try (GuestAgent inside = GuestAgent.connect(agentPath, PATIENCE)) {
                    int frozen = freeze(inside, agentPath);
                    Snapshots taken;
                    try {
                        taken = take(monitor, names);
                    } finally {
                        inside.thaw();
                    }
                    report(taken, frozen);
                }
            }
        }

        /// An agent that takes too long may still freeze: it is told to thaw then.
        private static int freeze(GuestAgent inside, Path path) {
            try {
                return inside.freeze();
            } catch (CisternException e) {
                try (GuestAgent again = GuestAgent.connect(path, PATIENCE)) {
                    again.thaw();
                } catch (CisternException thaw) {
                    e.addSuppressed(thaw);
                }
                throw e;
            }
        }

        private List<SnapshotName> disks(QemuMonitor monitor, String name) {
            DriverClient driver = LocalDriver.running(root().home());
            int pid = monitor.pid();
            List<SnapshotName> names =
                    driver == null
                            ? List.of()
                            : driver.list().stream()
                                    .filter(v -> v.mode() != AttachMode.READ_ONLY)
                                    .filter(v -> v.clients().stream().anyMatch(c -> c.pid() == pid))
                                    .map(v -> SnapshotName.parse(v.volume() + "@" + name))
                                    .distinct()
                                    .toList();
            if (names.isEmpty()) {
                throw new CisternException(
                        ErrorCode.NOT_FOUND,
                        "that guest has no disk that is attached on this host");
            }
            return names;
        }

        /// Volumes may live in different groups: only the guest's standing still makes it one
        /// instant.
        private Snapshots take(QemuMonitor monitor, List<SnapshotName> names) {
            RestAdmin admin = admin();
            List<SnapshotInfo> made = new ArrayList<>();
            long nanos =
                    monitor.paused(() -> {
                        try {
                            for (SnapshotName one : names) {
                                made.addAll(admin.createSnapshots(List.of(one)));
                            }
                        } catch (CisternException e) {
                            // All or none.
                            made.forEach(s ->
                                    admin.deleteSnapshot(
                                            SnapshotName.parse(s.volume() + "@" + s.name())));
                            throw e;
                        }
                    });
            return new Snapshots(made, nanos / 1e6, 0);
        }

        private void report(Snapshots taken, int frozen) {
            StringBuilder text = new StringBuilder();
            for (SnapshotInfo one : taken.snapshots()) {
                text.append("created snapshot ")
                        .append(one.volume())
                        .append("@")
                        .append(one.name())
                        .append("\n");
            }
            text.append(
                    String.format(
                            Locale.ROOT, "the guest stood still for %.1f ms", taken.pausedMs()));
            print(new Snapshots(taken.snapshots(), taken.pausedMs(), frozen), text.toString());
        }
    }
}
