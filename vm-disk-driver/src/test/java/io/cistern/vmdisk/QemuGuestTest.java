package io.cistern.vmdisk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.cistern.block.CisternException;
import io.cistern.storage.Command.AttachMode;
import java.io.IOException;
import java.io.StringReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.xml.sax.InputSource;

/// A QEMU with a virtual machine that never starts: what it makes of our arguments and of a disk
/// that grows.
@Timeout(90)
class QemuGuestTest {
    private static final long MIB = 1 << 20;

    @TempDir Path directory = Path.of("");

    private Path data = Path.of("");
    private FileVolumes volumes = new FileVolumes(Path.of(""));

    @BeforeEach
    void volumes() throws IOException {
        data = Files.createDirectory(directory.resolve("data"));
        FileVolumes.create(data, "v1", 8 * MIB);
        volumes = new FileVolumes(data);
    }

    private final List<Process> started = new ArrayList<>();

    @AfterEach
    void noQemuStays() throws InterruptedException {
        for (Process qemu : started) {
            qemu.destroyForcibly().waitFor();
        }
    }

    private QemuMonitor start(List<String> disk) throws IOException {
        Path qmp = directory.resolve("qmp");
        List<String> line =
                new ArrayList<>(
                        List.of(
                                "qemu-system-x86_64",
                                "-machine",
                                "q35,accel=tcg",
                                "-nodefaults",
                                "-display",
                                "none",
                                "-S",
                                "-qmp",
                                "unix:" + qmp + ",server=on,wait=off"));
        line.addAll(disk);
        Path log = directory.resolve("qemu.log");
        Process qemu = Tool.start(log, line);
        started.add(qemu);
        await().atMost(30, TimeUnit.SECONDS)
                .until(() -> {
                    assertThat(qemu.isAlive()).as(Files.readString(log)).isTrue();
                    return Files.exists(qmp);
                });
        return QemuMonitor.connect(qmp);
    }

    @Test
    void aRunningQemuSeesTheDiskGrow() throws Exception {
        try (DriverDaemon daemon =
                DriverDaemon.start(
                        directory.resolve("home"), volumes, 64 * MIB, NbdLimits.DEFAULT)) {
            Path socket =
                    Path.of(
                            daemon.attach("v1", AttachMode.EXCLUSIVE, Transport.NBD, null)
                                    .socket());
            try (QemuMonitor monitor = start(QemuArguments.of("v1", socket, false));
                    NbdClient other = NbdClient.go(socket, true)) {
                String node = QemuArguments.nodeName("v1");
                assertThat(monitor.sizes()).containsEntry(node, 8 * MIB);
                volumes.device("v1").resize(24 * MIB);
                assertThat(monitor.grow(socket, 24 * MIB, Duration.ofSeconds(20))).isEqualTo(1);
                assertThat(monitor.sizes()).containsEntry(node, 24 * MIB);
                assertThat(other.ask(0, NbdProtocol.CMD_READ, 20 * MIB, 4096))
                        .as("a client that cannot reconnect keeps its connection")
                        .isZero();
                volumes.device("v1").resize(32 * MIB);
                daemon.notifyResize("v1", false);
                assertThat(monitor.grow(socket, 32 * MIB, Duration.ofSeconds(20))).isEqualTo(1);
                assertThat(monitor.sizes()).containsEntry(node, 32 * MIB);
                Path nowhere = directory.resolve("nowhere");
                assertThatThrownBy(() -> monitor.grow(nowhere, MIB, Duration.ZERO))
                        .isInstanceOf(CisternException.class)
                        .hasMessageContaining("no disk");
                monitor.execute("quit", Map.of());
                assertThat(started.get(0).waitFor(20, TimeUnit.SECONDS)).isTrue();
            }
        }
    }

    @Test
    void aQemuThatWouldNotReconnectKeepsItsConnection() throws Exception {
        try (DriverDaemon daemon =
                DriverDaemon.start(
                        directory.resolve("home"), volumes, 64 * MIB, NbdLimits.DEFAULT)) {
            Path socket =
                    Path.of(
                            daemon.attach("v1", AttachMode.EXCLUSIVE, Transport.NBD, null)
                                    .socket());
            String drive = "format=raw,if=virtio,file=nbd+unix:///v1?socket=" + socket;
            try (QemuMonitor monitor = start(List.of("-drive", drive))) {
                assertThat(daemon.notifyResize("v1", false)).containsEntry(socket.toString(), 0);
                assertThat(daemon.list().get(0).clients()).hasSize(1);
                monitor.execute("quit", Map.of());
            }
        }
    }

    /// QEMU accepts the arguments for the longest name, odd paths, and read-only.
    @Test
    void qemuAcceptsTheArguments() throws Exception {
        String longest = "v" + "x".repeat(62);
        FileVolumes.create(data, longest, MIB);
        try (DriverDaemon daemon =
                DriverDaemon.start(
                        directory.resolve("home"), volumes, 64 * MIB, NbdLimits.DEFAULT)) {
            Path odd = directory.resolve("a,b c=d'e");
            daemon.attach(longest, AttachMode.READ_ONLY, Transport.NBD, odd);
            try (QemuMonitor monitor = start(QemuArguments.of(longest, odd, true))) {
                assertThat(QemuArguments.nodeName(longest)).hasSizeLessThanOrEqualTo(31);
                assertThat(monitor.sizes()).containsEntry(QemuArguments.nodeName(longest), MIB);
                monitor.execute("quit", Map.of());
            }
            assertThat(QemuArguments.line(QemuArguments.of(longest, odd, true)))
                    .contains("'\\''e")
                    .contains("a,,b");
        }
    }

    @Test
    void argumentsNameADelayFarAboveFailover() {
        assertThat(QemuArguments.line(QemuArguments.of("v1", Path.of("/run/v1.nbd"), false)))
                .isEqualTo(
                        "-blockdev driver=nbd,node-name=cistern-v1,server.type=unix,"
                                + "server.path=/run/v1.nbd,export=v1,reconnect-delay=300,"
                                + "discard=unmap -device"
                                + " virtio-blk-pci,drive=cistern-v1,physical_block_size=4096");
        assertThat(Peer.isReconnecting("qemu-system-x86", "-blockdev\0a,reconnect-delay=300"))
                .isTrue();
        assertThat(Peer.isReconnecting("qemu-io", "{\"reconnect-delay\": 10}")).isTrue();
        assertThat(Peer.isReconnecting("qemu-system-x86", "a,reconnect-delay=0")).isFalse();
        assertThat(Peer.isReconnecting("nbdcopy", "reconnect-delay=5")).isFalse();
    }

    @Test
    void theLibvirtElementIsWellFormed() throws Exception {
        String xml = LibvirtXml.disk("v1", Path.of("/tmp/a'b&c"), "vda", true, true);
        var disk =
                DocumentBuilderFactory.newInstance()
                        .newDocumentBuilder()
                        .parse(new InputSource(new StringReader(xml)))
                        .getDocumentElement();
        assertThat(disk.getTagName()).isEqualTo("disk");
        var host = disk.getElementsByTagName("host").item(0).getAttributes();
        assertThat(host.getNamedItem("socket").getNodeValue()).isEqualTo("/tmp/a'b&c");
        assertThat(disk.getElementsByTagName("readonly").getLength()).isEqualTo(1);
        assertThat(disk.getElementsByTagName("shareable").getLength()).isEqualTo(1);
        assertThat(LibvirtXml.disk("v1", Path.of("/s"), "vda", false, false))
                .doesNotContain("readonly", "shareable");
        assertThat(LibvirtXml.commandLine(java.util.List.of("-device", "a<b")))
                .isEqualTo(
                        "<qemu:commandline>\n  <qemu:arg value='-device'/>\n"
                                + "  <qemu:arg value='a&lt;b'/>\n</qemu:commandline>\n");
    }
}
