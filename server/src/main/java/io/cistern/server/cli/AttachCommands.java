package io.cistern.server.cli;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.Size;
import io.cistern.server.metrics.DriverSamples;
import io.cistern.server.metrics.MetricsPage;
import io.cistern.storage.Command.AttachMode;
import io.cistern.vmdisk.AttachmentView;
import io.cistern.vmdisk.DriverClient;
import io.cistern.vmdisk.DriverDaemon;
import io.cistern.vmdisk.LibvirtXml;
import io.cistern.vmdisk.QemuArguments;
import io.cistern.vmdisk.Transport;
import io.cistern.volume.client.Several;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// Attaching volumes to sockets of this host.
final class AttachCommands {
    private AttachCommands() {}

    /// @param uri for NBD clients, null for another transport
    /// @param qemu arguments to append to QEMU's
    /// @param libvirt a `<disk>` element
    record Attached(
            String volume,
            AttachMode mode,
            String transport,
            String socket,
            long sizeBytes,
            @Nullable String uri,
            List<String> qemu,
            String libvirt) {}

    @Command(
            name = "attach",
            description = {
                "Offers volumes, or read-only snapshots, on Unix sockets of this host.",
                "Returns when the sockets answer, and prints how QEMU and libvirt use them. An exclusive",
                "attachment ends every earlier one: its holder can write no more."
            },
            footer = {
                "",
                "Examples:",
                "  cistern attach vm1",
                "  cistern attach vm1 --transport vhost-user",
                "  cistern attach vm1 --socket /run/vm1.sock --shared",
                "  cistern attach vm1 --transport vhost-user --incoming",
                "  cistern attach vm1@monday --read-only",
                "  cistern attach web1 web2 web3"
            })
    static final class Attach extends BaseCommand {
        @Parameters(arity = "1..*", paramLabel = "VOLUME", description = "VOLUME or VOLUME@SNAP")
        private List<String> volumes = List.of();

        @Option(
                names = "--socket",
                paramLabel = "PATH",
                description = "For one volume. Default: one in the driver's folder of --home")
        private @Nullable Path socket;

        @Option(
                names = "--transport",
                paramLabel = "nbd|vhost-user",
                description = {
                    "nbd (default): for QEMU, qemu-img, nbdcopy, fio.",
                    "vhost-user: faster, for running QEMU guests; the driver sees all of the"
                            + " guest's memory"
                })
        private String transport = "nbd";

        @Option(
                names = "--incoming",
                description =
                        "For a guest that is about to be migrated here: the volume is taken over from"
                                + " its present host when the guest first writes")
        private boolean incoming;

        @Option(names = "--shared", description = "Other hosts may write as well")
        private boolean shared;

        @Option(names = "--read-only", description = "Never writes, ends nobody's attachment")
        private boolean readOnly;

        @Override
        void execute() throws InterruptedException {
            Transport by;
            try {
                by = Transport.of(transport);
            } catch (CisternException e) {
                throw wrong("--transport must be nbd or vhost-user, not '" + transport + "'");
            }
            if (shared && readOnly) {
                throw wrong("give --shared or --read-only, not both");
            }
            if (socket != null && volumes.size() > 1) {
                throw wrong("--socket is for one volume");
            }
            DriverDaemon.Offer offer = new DriverDaemon.Offer(by, incoming);
            List<Attached> attached =
                    LocalDriver.with(
                            root().home(),
                            admin(),
                            driver ->
                                    Several.each(
                                            volumes,
                                            DriverClient.MAX_AT_A_TIME,
                                            name -> attach(driver, name, offer)));
            StringBuilder text = new StringBuilder();
            attached.forEach(one -> text.append(text.isEmpty() ? "" : "\n").append(text(one)));
            print(attached.size() == 1 ? attached.getFirst() : attached, text.toString());
        }

        private Attached attach(DriverClient driver, String name, DriverDaemon.Offer offer) {
            AttachMode mode = mode(name);
            return describe(driver.attach(name, mode, offer, socket), mode);
        }

        private AttachMode mode(String name) {
            return readOnly || name.contains("@")
                    ? AttachMode.READ_ONLY
                    : shared ? AttachMode.SHARED : AttachMode.EXCLUSIVE;
        }

        private static Attached describe(AttachmentView view, AttachMode mode) {
            Path path = Path.of(view.socket());
            boolean readOnly = mode == AttachMode.READ_ONLY;
            boolean nbd = view.transport() == Transport.NBD;
            return new Attached(
                    view.volume(),
                    mode,
                    view.transport().word(),
                    view.socket(),
                    view.sizeBytes(),
                    nbd ? "nbd+unix:///" + view.volume() + "?socket=" + view.socket() : null,
                    QemuArguments.of(view.transport(), view.volume(), path, readOnly),
                    nbd
                            ? LibvirtXml.disk(
                                    view.volume(), path, "vda", readOnly, mode == AttachMode.SHARED)
                            : LibvirtXml.vhostUserDisk(path, "vda"));
        }

        private static String text(Attached a) {
            String uri = a.uri();
            return a.volume()
                    + ", "
                    + Size.format(a.sizeBytes())
                    + ", is attached ("
                    + Texts.word(a.mode())
                    + ") at "
                    + a.socket()
                    + "\n\nQEMU:\n  "
                    + (uri == null ? QemuArguments.SHARED_MEMORY + "\n  " : "")
                    + QemuArguments.line(a.qemu())
                    + (uri == null ? "" : "\n\nNBD clients:\n  " + uri)
                    + "\n\nlibvirt:\n"
                    + (uri == null ? LibvirtXml.SHARED_MEMORY.indent(2) : "")
                    + a.libvirt().indent(2)
                    + (uri == null
                            ? ""
                            : "\nlibvirt that does not know <reconnect> for NBD (9.0 and before), instead:\n"
                                    + LibvirtXml.commandLine(a.qemu()).indent(2));
        }
    }

    @Command(
            name = "detach",
            description =
                    "Ends this host's attachment of a volume, or, where it has none, everybody's.",
            footer = {"", "Example:", "  cistern detach vm1"})
    static final class Detach extends BaseCommand {
        @Parameters(paramLabel = "VOLUME")
        private @Nullable String volume;

        @Option(names = "--force", description = "Also while clients are connected to the socket")
        private boolean force;

        @Override
        void execute() {
            String name = given(volume);
            DriverClient driver = LocalDriver.running(root().home());
            boolean here =
                    driver != null && driver.list().stream().anyMatch(v -> v.volume().equals(name));
            int ended =
                    driver != null && here
                            ? driver.detach(name, null, force)
                            : admin().detach(name);
            if (ended == 0) {
                throw new CisternException(
                        ErrorCode.NOT_FOUND, "volume " + name + " is not attached");
            }
            print(Map.of("volume", name, "detached", ended), "detached " + name);
        }
    }

    @Command(
            name = "metrics",
            description = {
                "Prints the metrics of this host's attached volumes in the text format of Prometheus,",
                "as for the textfile collector of its node exporter."
            },
            footer = {
                "",
                "Example:",
                "  cistern driver metrics > /var/lib/node_exporter/cistern.prom"
            })
    static final class DriverMetrics extends BaseCommand {
        @Override
        void execute() {
            DriverClient driver = LocalDriver.running(root().home());
            List<AttachmentView> all = driver == null ? List.of() : driver.list();
            String host = "localhost";
            try {
                host = Files.readString(Path.of("/proc/sys/kernel/hostname")).strip();
            } catch (IOException e) {
                spec().commandLine().getErr().println("cistern: no host name: " + e);
            }
            String text = new MetricsPage(host, List.of(() -> DriverSamples.of(all))).text();
            print(all, text);
        }
    }

    @Command(
            name = "driver",
            hidden = true,
            description = "Runs the driver process of --home; 'cistern attach' starts it.",
            subcommands = DriverMetrics.class,
            footer = {"", "Example:", "  cistern driver metrics"})
    static final class Driver extends BaseCommand {
        @Override
        void execute() throws InterruptedException {
            LocalDriver.run(root().home());
        }
    }
}
