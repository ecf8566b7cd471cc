package io.cistern.vmdisk;

import static io.cistern.vmdisk.NbdProtocol.CMD_READ;
import static io.cistern.vmdisk.NbdProtocol.CMD_WRITE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.storage.Command.AttachMode;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class DriverDaemonTest {
    private static final long MIB = 1 << 20;
    private static final long BUFFERS = 128 << 20;

    @TempDir Path directory = Path.of("");

    private FileVolumes volumes = new FileVolumes(Path.of(""));
    private Path home = Path.of("");
    private DriverDaemon daemon = placeholder();

    @SuppressWarnings("NullAway")
    private static DriverDaemon placeholder() {
        return null;
    }

    @BeforeEach
    void start() throws IOException {
        Path data = Files.createDirectory(directory.resolve("data"));
        FileVolumes.create(data, "v1", 8 * MIB);
        FileVolumes.create(data, "v2", 8 * MIB);
        FileVolumes.create(data, "v1@s1", 8 * MIB);
        volumes = new FileVolumes(data);
        home = directory.resolve("home");
        daemon = open();
    }

    @AfterEach
    void stop() {
        daemon.close();
    }

    private DriverDaemon open() {
        return DriverDaemon.start(home, volumes, BUFFERS, NbdLimits.DEFAULT);
    }

    private void restart() {
        daemon.close();
        daemon = open();
    }

    private static void fails(ErrorCode code, String text, ThrowingCallable call) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(
                        CisternException.class, e -> assertThat(e.code()).isEqualTo(code))
                .hasMessageContaining(text);
    }

    private static void write(Path socket, int value) throws IOException {
        try (NbdClient client = NbdClient.go(socket, true)) {
            client.send(0, CMD_WRITE, 1, 512, 1, (byte) value);
            assertThat(client.reply(0).error()).isZero();
        }
    }

    private static int read(Path socket) throws IOException {
        try (NbdClient client = NbdClient.go(socket, false)) {
            client.send(0, CMD_READ, 1, 512, 1);
            return client.reply(1).payload()[0];
        }
    }

    @Test
    void attachedVolumesAnswerAndSurviveARestartInTheSamePlaces() throws IOException {
        Path own = directory.resolve("own.sock");
        Path chosen =
                Path.of(daemon.attach("v1", AttachMode.EXCLUSIVE, Transport.NBD, null).socket());
        daemon.attach("v2", AttachMode.SHARED, Transport.NBD, own);
        assertThat(daemon.attach("v1@s1", AttachMode.EXCLUSIVE, Transport.NBD, null).mode())
                .isEqualTo(AttachMode.READ_ONLY);
        write(chosen, 11);
        write(own, 22);
        restart();
        assertThat(daemon.list())
                .extracting(AttachmentView::volume, AttachmentView::state)
                .containsExactly(
                        org.assertj.core.api.Assertions.tuple("v1", "open"),
                        org.assertj.core.api.Assertions.tuple("v2", "open"),
                        org.assertj.core.api.Assertions.tuple("v1@s1", "open"));
        assertThat(read(chosen)).isEqualTo(11);
        assertThat(read(own)).isEqualTo(22);
        try (NbdClient client = NbdClient.go(home.resolve("sockets/v1@s1.nbd"), true)) {
            client.send(0, CMD_WRITE, 1, 0, 1, (byte) 1);
            assertThat(client.reply(0).error()).isEqualTo(NbdProtocol.EPERM);
        }
        assertThat(daemon.detach("v2", null, false)).isEqualTo(1);
        assertThat(Files.exists(own)).isFalse();
        restart();
        assertThat(daemon.list()).hasSize(2);
    }

    @Test
    void attachingAgainTheSameWayChangesNothing() throws IOException {
        Path socket =
                Path.of(daemon.attach("v1", AttachMode.EXCLUSIVE, Transport.NBD, null).socket());
        try (NbdClient client = NbdClient.go(socket, true)) {
            daemon.attach("v1", AttachMode.EXCLUSIVE, Transport.NBD, null);
            client.send(0, CMD_WRITE, 1, 0, 1, (byte) 1);
            assertThat(client.reply(0).error()).isZero();
        }
        fails(
                ErrorCode.BUSY,
                "belongs to volume v1",
                () -> daemon.attach("v2", AttachMode.EXCLUSIVE, Transport.NBD, socket));
        fails(
                ErrorCode.BUSY,
                "EXCLUSIVE",
                () -> daemon.attach("v1", AttachMode.SHARED, Transport.NBD, socket));
    }

    @Test
    void whatCannotBeAttachedLeavesNothing() throws IOException {
        Path file = Files.writeString(directory.resolve("file"), "x");
        fails(
                ErrorCode.NOT_FOUND,
                "v9",
                () -> daemon.attach("v9", AttachMode.SHARED, Transport.NBD, null));
        fails(
                ErrorCode.INVALID,
                "../x",
                () -> daemon.attach("../x", AttachMode.SHARED, Transport.NBD, null));
        fails(
                ErrorCode.INVALID,
                "snapshot",
                () -> daemon.attach("v@", AttachMode.SHARED, Transport.NBD, null));
        fails(
                ErrorCode.INVALID,
                "socket",
                () -> daemon.attach("v1", AttachMode.SHARED, Transport.NBD, file));
        fails(ErrorCode.NOT_FOUND, "v1", () -> daemon.detach("v1", null, false));
        fails(ErrorCode.NOT_FOUND, "v1", () -> daemon.notifyResize("v1", false));
        assertThat(volumes.isOpen("v1")).as("opened before the socket was checked").isFalse();
        restart();
        assertThat(daemon.list()).isEmpty();
    }

    @Test
    void aSecondExclusiveAttachmentFencesTheFirst() throws IOException {
        Path first =
                Path.of(daemon.attach("v1", AttachMode.EXCLUSIVE, Transport.NBD, null).socket());
        Path second = directory.resolve("second");
        try (NbdClient client = NbdClient.go(first, true)) {
            daemon.attach("v1", AttachMode.EXCLUSIVE, Transport.NBD, second);
            client.send(0, CMD_WRITE, 1, 0, 1, (byte) 1);
            assertThat(client.reply(0).error()).isEqualTo(NbdProtocol.EPERM);
        }
        write(second, 5);
        restart();
        assertThat(read(second)).isEqualTo(5);
        assertThat(daemon.list()).extracting(AttachmentView::state).contains("ended", "open");
        endedSocketSaysSo(first);
        daemon.attach("v1", AttachMode.EXCLUSIVE, Transport.NBD, first);
        write(first, 6);
    }

    @Test
    void aVolumeTakenOverMeanwhileIsNotTakenBack() throws IOException {
        daemon.attach("v1", AttachMode.EXCLUSIVE, Transport.NBD, null);
        daemon.close();
        volumes.takeOver("v1");
        daemon = open();
        assertThat(daemon.list().get(0).state()).isEqualTo("ended");
        assertThat(daemon.list().get(0).problem()).contains("elsewhere");
        endedSocketSaysSo(Path.of(daemon.list().get(0).socket()));
        restart();
        assertThat(daemon.list().get(0).state()).isEqualTo("ended");
        assertThat(daemon.detach("v1", null, false)).isEqualTo(1);
        assertThat(daemon.list()).isEmpty();
    }

    /// A client that waited for the driver gets an answer, with the size it knew, and not silence.
    private static void endedSocketSaysSo(Path socket) throws IOException {
        try (NbdClient client = NbdClient.go(socket, true)) {
            client.send(0, CMD_WRITE, 1, 8 * MIB - 1, 1, (byte) 1);
            assertThat(client.reply(0).error()).isEqualTo(NbdProtocol.EPERM);
            client.send(0, CMD_READ, 2, 0, 512);
            assertThat(client.reply(0).error()).isEqualTo(NbdProtocol.EPERM);
        }
    }

    /// The guest writes there, then here; at no time in both places.
    @Test
    void aVolumeIsHandedOverWhenItsGuestArrives() throws IOException {
        Path there =
                Path.of(daemon.attach("v1", AttachMode.EXCLUSIVE, Transport.NBD, null).socket());
        Path here = directory.resolve("here");
        DriverDaemon.Offer offer = new DriverDaemon.Offer(Transport.NBD, true);
        assertThat(daemon.attach("v1", AttachMode.EXCLUSIVE, offer, here).incoming()).isTrue();
        write(there, 1);
        assertThat(read(here)).isEqualTo(1);
        restart();
        write(there, 2);
        assertThat(read(here)).isEqualTo(2);
        write(here, 3);
        assertThat(daemon.list())
                .extracting(AttachmentView::state, AttachmentView::incoming)
                .containsExactly(
                        org.assertj.core.api.Assertions.tuple("ended", false),
                        org.assertj.core.api.Assertions.tuple("open", false));
        try (NbdClient client = NbdClient.go(there, true)) {
            client.send(0, CMD_WRITE, 1, 512, 1, (byte) 4);
            assertThat(client.reply(0).error()).isEqualTo(NbdProtocol.EPERM);
        }
        restart();
        assertThat(read(here)).isEqualTo(3);
        write(here, 5);
        fails(
                ErrorCode.INVALID,
                "no hand-over",
                () -> daemon.attach("v1", AttachMode.READ_ONLY, offer, directory.resolve("x")));
    }

    /// The cluster continued the attachment, but the driver was killed before it noted the new id.
    @Test
    void aRestartThatWasCutShortIsContinued() throws IOException {
        daemon.attach("v1", AttachMode.EXCLUSIVE, Transport.NBD, null);
        daemon.close();
        String before = Files.readString(home.resolve(AttachmentStore.FILE));
        daemon = open();
        daemon.close();
        Files.writeString(home.resolve(AttachmentStore.FILE), before);
        daemon = open();
        assertThat(daemon.list().get(0).state()).isEqualTo("open");
        write(Path.of(daemon.list().get(0).socket()), 9);
    }

    @Test
    void theListOfVersionOneIsRead() throws IOException {
        String old = anOlderListIsRead(1, "transport|resumeKey|sizeBytes|checksum");
        assertThat(old).doesNotContain("resumeKey").contains("EXCLUSIVE");
    }

    @Test
    void theListOfVersionTwoHasNoChecksum() throws IOException {
        String old = anOlderListIsRead(2, "checksum");
        assertThat(old).doesNotContain("checksum");
        assertThat(Files.readString(home.resolve(AttachmentStore.FILE)))
                .contains("\"version\" : 3", "checksum");
    }

    /// @param without keys that the version did not have, with a bar between them
    /// @return what was read
    private String anOlderListIsRead(int version, String without) throws IOException {
        Path socket =
                Path.of(daemon.attach("v1", AttachMode.EXCLUSIVE, Transport.NBD, null).socket());
        daemon.close();
        Path file = home.resolve(AttachmentStore.FILE);
        String old =
                Files.readString(file)
                        .replaceAll(" *\"(" + without + ")\".*\n", "")
                        .replace("\"version\" : 3", "\"version\" : " + version);
        Files.writeString(file, old);
        daemon = open();
        assertThat(daemon.list().get(0).state()).isEqualTo("open");
        write(socket, 4);
        return old;
    }

    @Test
    void anUnreachableClusterIsTriedAgain() throws IOException {
        Path socket =
                Path.of(daemon.attach("v1", AttachMode.EXCLUSIVE, Transport.NBD, null).socket());
        daemon.attach("v1@s1", AttachMode.READ_ONLY, Transport.NBD, null);
        daemon.close();
        volumes.unreachable(new CisternException(ErrorCode.UNAVAILABLE, "no leader"));
        daemon = open();
        assertThat(daemon.list()).extracting(AttachmentView::state).containsOnly("opening");
        assertThat(daemon.list().get(0).problem()).isEqualTo("no leader");
        restart();
        volumes.unreachable(null);
        await().until(() -> daemon.list().stream().allMatch(v -> v.state().equals("open")));
        write(socket, 3);
    }

    @Test
    void detachingWaitsForClientsUnlessForced() throws IOException {
        Path socket =
                Path.of(daemon.attach("v1", AttachMode.EXCLUSIVE, Transport.NBD, null).socket());
        try (NbdClient client = NbdClient.go(socket, true)) {
            fails(ErrorCode.BUSY, "in use by", () -> daemon.detach("v1", null, false));
            assertThat(client.ask(0, CMD_READ, 0, 1)).isZero();
            FileVolumes.Device device = volumes.device("v1");
            assertThat(daemon.detach("v1", null, true)).isEqualTo(1);
            assertThat(client.ended()).isTrue();
            assertThat(device.closed).isTrue();
        }
    }

    @Test
    void oneDriverPerHome() {
        fails(ErrorCode.BUSY, "already runs", this::open);
    }

    @Test
    void aDamagedOrLostListIsReadFromItsCopyAndMended() throws IOException {
        Path socket =
                Path.of(daemon.attach("v1", AttachMode.EXCLUSIVE, Transport.NBD, null).socket());
        daemon.close();
        Path file = home.resolve(AttachmentStore.FILE);
        Path copy = home.resolve(AttachmentStore.COPY);
        String flipped = Files.readString(file).replaceFirst("EXCLUSIVE", "READ_ONLY");
        for (Path damaged : List.of(file, copy)) {
            Files.writeString(damaged, flipped);
            daemon = open();
            assertThat(daemon.list())
                    .singleElement()
                    .satisfies(v -> assertThat(v.state()).isEqualTo("open"));
            write(socket, 4);
            daemon.close();
            assertThat(copy).hasSameBinaryContentAs(file);
            assertThat(file).content().contains("EXCLUSIVE");
        }
        Files.delete(file);
        daemon = open();
        assertThat(daemon.list()).hasSize(1);
    }

    @Test
    void damagedAndNewerListsAreToldApart() throws IOException {
        daemon.attach("v1", AttachMode.EXCLUSIVE, Transport.NBD, null);
        daemon.close();
        Path file = home.resolve(AttachmentStore.FILE);
        Path copy = home.resolve(AttachmentStore.COPY);
        String good = Files.readString(file);
        for (String bad :
                List.of(
                        good.substring(0, good.length() / 2),
                        "",
                        "[]",
                        good.replace("\"v1\"", "null"),
                        good.replace("EXCLUSIVE", "ODD"),
                        good.replaceFirst("\"incoming\" : false", "\"incoming\" : true"),
                        good.replace("\"version\" : 3", "\"version\" : 2")
                                .replaceFirst("\"incoming\" : false", "\"incoming\" : true"),
                        good.replaceAll(" *\"checksum\".*\n", ""))) {
            Files.writeString(file, bad);
            Files.writeString(copy, bad);
            fails(ErrorCode.CORRUPT, "damaged", this::open);
        }
        Files.writeString(file, good.replace("\"version\" : 3", "\"version\" : 4"));
        fails(ErrorCode.INVALID, "version 4", this::open);
        Files.writeString(file, good);
        daemon = open();
        assertThat(daemon.list()).hasSize(1);
    }

    @Test
    void theControlSocketAnswersItsClient() throws IOException {
        CountDownLatch stop = new CountDownLatch(1);
        try (ControlServer control = ControlServer.start(daemon, stop::countDown)) {
            DriverClient client = new DriverClient(home);
            assertThat(client.running()).isTrue();
            assertThat(client.pid()).isEqualTo(ProcessHandle.current().pid());
            AttachmentView view = client.attach("v1", AttachMode.SHARED, Transport.NBD, null);
            assertThat(view.mode()).isEqualTo(AttachMode.SHARED);
            assertThat(view.sizeBytes()).isEqualTo(8 * MIB);
            try (NbdClient nbd = NbdClient.go(Path.of(view.socket()), true)) {
                assertThat(nbd.ask(0, CMD_READ, 0, 4096)).isZero();
                AttachmentView listed = client.list().get(0);
                assertThat(listed.clients()).hasSize(1);
                assertThat(listed.clients().get(0).pid())
                        .isEqualTo((int) ProcessHandle.current().pid());
                var metrics = listed.metrics();
                assertThat(metrics).isNotNull();
                assertThat(client.notifyResize("v1", false)).containsEntry(view.socket(), 0);
                assertThat(client.notifyResize("v1", true)).containsEntry(view.socket(), 1);
                assertThat(nbd.ended()).isTrue();
            }
            fails(
                    ErrorCode.NOT_FOUND,
                    "v7",
                    () -> client.attach("v7", AttachMode.SHARED, Transport.NBD, null));
            assertThat(client.detach("v1", null, false)).isEqualTo(1);
            assertThat(client.stop(Duration.ZERO)).isFalse();
            await().until(() -> stop.getCount() == 0);
        }
        assertThat(new DriverClient(home).running()).isFalse();
    }

    @Test
    void theControlSocketSurvivesGarbage() throws IOException {
        try (ControlServer control = ControlServer.start(daemon, () -> {})) {
            assertThat(ask("hello")).contains("INVALID");
            assertThat(ask("{}")).contains("INVALID");
            assertThat(ask("null")).contains("INVALID");
            assertThat(ask("{\"command\":\"attach\"}")).contains("needs a volume");
            assertThat(ask("{\"command\":\"fly\"}")).contains("no command 'fly'");
            assertThat(ask("{\"command\":\"list\",\"colour\":1}")).contains("colour");
            assertThat(ask("{\"command\":\"attach\",\"volume\":\"v1\",\"mode\":\"odd\"}"))
                    .contains("'odd' is no mode");
            assertThatThrownBy(() -> ask("x".repeat(ControlProtocol.MAX_REQUEST_BYTES + 10)))
                    .isInstanceOf(IOException.class);
            assertThat(new DriverClient(home).running()).isTrue();
        }
    }

    private String ask(String line) throws IOException {
        try (SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            channel.connect(UnixDomainSocketAddress.of(home.resolve(ControlProtocol.SOCKET)));
            ControlProtocol.writeLine(channel, line);
            String reply = new ControlProtocol.LineReader(channel, 1 << 20).next();
            if (reply == null) {
                throw new IOException("closed");
            }
            return reply;
        }
    }
}
