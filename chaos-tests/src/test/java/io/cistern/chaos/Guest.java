package io.cistern.chaos;

import static org.assertj.core.api.Assertions.fail;
import static org.awaitility.Awaitility.await;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/// A Linux guest under QEMU's processor emulation. Its kernel and system are an initramfs; its disk
/// `/dev/vda` is a volume behind a socket, or it is an iSCSI initiator. Runs one command at a time.
final class Guest implements AutoCloseable {
    private static final Duration BUILD_LIMIT = Duration.ofMinutes(3);
    private static final Duration BOOT_LIMIT = Duration.ofSeconds(90);

    private final Programs.Running qemu;
    private final Path dir;
    private final SocketChannel agent;
    private final BufferedReader answers;
    private int lastId;

    private Guest(Programs.Running qemu, Path dir) throws IOException {
        this.qemu = qemu;
        this.dir = dir;
        this.agent = connect(dir.resolve("agent"));
        this.answers = reader(agent);
    }

    /// Boots a guest with an NBD disk and waits until it takes commands.
    ///
    /// @param dir for its sockets and its console
    static Guest boot(Path dir, String volume, Path socket)
            throws IOException, InterruptedException {
        return boot(dir, nbd(volume, socket));
    }

    /// Boots a guest with a disk that those arguments describe.
    static Guest boot(Path dir, List<String> disk) throws IOException, InterruptedException {
        return ready(start(dir, "disk", disk), dir);
    }

    /// Boots a guest with open-iscsi and dm-multipath, and a network card. Its loopback interface
    /// is down: what it sends to 127.0.0.1 reaches the portals of the host.
    static Guest bootInitiator(Path dir) throws IOException, InterruptedException {
        List<String> card =
                List.of("-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile=");
        return ready(start(dir, "san", card), dir);
    }

    private static Guest ready(Guest guest, Path dir) throws IOException, InterruptedException {
        try {
            guest.answer("ready", BOOT_LIMIT);
            return guest;
        } catch (IOException | AssertionError e) {
            String log = Files.readString(guest.qemu.log()) + console(dir);
            guest.close();
            throw new AssertionError("the guest did not come up: " + log, e);
        }
    }

    /// A QEMU that waits for a guest to be migrated to the socket.
    static Guest incoming(Path dir, List<String> disk, Path migration)
            throws IOException, InterruptedException {
        List<String> arguments = new ArrayList<>(disk);
        arguments.addAll(List.of("-incoming", "unix:" + migration));
        return start(dir, "disk", arguments);
    }

    /// A disk over NBD.
    static List<String> nbd(String volume, Path socket) {
        return List.of(
                "-blockdev",
                "driver=nbd,node-name=disk,reconnect-delay=60,export="
                        + volume
                        + ",server.type=unix,server.path="
                        + socket,
                "-device",
                "virtio-blk-pci,drive=disk,id=vda");
    }

    /// A disk over vhost-user, with two rings.
    static List<String> vhostUser(Path socket) {
        return List.of(
                "-chardev",
                "socket,id=disk,reconnect=1,path=" + socket,
                "-device",
                "vhost-user-blk-pci,chardev=disk,id=vda,num-queues=2,disable-legacy=on");
    }

    private static Guest start(Path dir, String kind, List<String> disk)
            throws IOException, InterruptedException {
        Path images = images(dir, kind);
        List<String> line =
                new ArrayList<>(
                        List.of(
                                "qemu-system-x86_64",
                                "-nodefaults",
                                "-no-user-config",
                                "-display",
                                "none",
                                "-no-reboot",
                                "-machine",
                                "pc,graphics=off,memory-backend=mem",
                                "-object",
                                "memory-backend-memfd,id=mem,size=256M,share=on",
                                "-accel",
                                "tcg",
                                "-cpu",
                                "max",
                                "-m",
                                "256",
                                "-kernel",
                                images.resolve("vmlinuz").toString(),
                                "-initrd",
                                images.resolve("initrd").toString(),
                                "-append",
                                "console=ttyS0 quiet panic=-1 mitigations=off nokaslr",
                                "-serial",
                                "file:" + dir.resolve("console"),
                                "-chardev",
                                "socket,id=agent,server=on,wait=on,path=" + dir.resolve("agent"),
                                "-serial",
                                "chardev:agent",
                                "-qmp",
                                "unix:" + dir.resolve("qmp") + ",server=on,wait=off"));
        line.addAll(disk);
        Programs.Running qemu = Programs.start(dir, line);
        try {
            return new Guest(qemu, dir);
        } catch (IOException | RuntimeException e) {
            String log = Files.readString(qemu.log());
            qemu.close();
            throw new AssertionError("QEMU did not start: " + log, e);
        }
    }

    private static Path images(Path dir, String kind) throws IOException, InterruptedException {
        Path script =
                Path.of(System.getProperty("cistern.repo"), "chaos-tests/guest/build-initramfs.sh");
        List<String> lines =
                Programs.run(dir, BUILD_LIMIT, List.of("bash", script.toString(), kind))
                        .succeeded()
                        .output()
                        .lines()
                        .toList();
        return Path.of(lines.getLast());
    }

    /// Runs a shell command to its end.
    Programs.Result run(String command, Duration limit) throws IOException {
        return answer(send(command), limit);
    }

    /// Starts a shell command; its result comes when it has ended. Until then no other may run.
    CompletableFuture<Programs.Result> start(String command, Duration limit) throws IOException {
        String id = send(command);
        CompletableFuture<Programs.Result> result = new CompletableFuture<>();
        Thread.ofVirtual()
                .start(() -> {
                    try {
                        result.complete(answer(id, limit));
                    } catch (IOException | AssertionError e) {
                        result.completeExceptionally(e);
                    }
                });
        return result;
    }

    /// Sends a command whose result [#answer] waits for, here or where the guest is then.
    String send(String command) throws IOException {
        lastId++;
        String encoded =
                Base64.getEncoder().encodeToString(command.getBytes(StandardCharsets.UTF_8));
        write(agent, "c" + lastId + " " + encoded + "\n");
        return "c" + lastId;
    }

    Programs.Result answer(String id, Duration limit) throws IOException {
        CompletableFuture<String> line = new CompletableFuture<>();
        Thread.ofVirtual()
                .start(() -> {
                    try {
                        String next = answers.readLine();
                        while (next != null && !next.startsWith(id + " ")) {
                            next = answers.readLine();
                        }
                        line.complete(next == null ? "" : next);
                    } catch (IOException e) {
                        line.completeExceptionally(e);
                    }
                });
        try {
            String[] words = line.get(limit.toMillis(), TimeUnit.MILLISECONDS).split(" ", 3);
            if (words.length < 2) {
                return fail(
                        "the guest has ended: %s%s", Files.readString(qemu.log()), console(dir));
            }
            String output =
                    words.length < 3
                            ? ""
                            : new String(
                                    Base64.getDecoder().decode(words[2]), StandardCharsets.UTF_8);
            return new Programs.Result(Integer.parseInt(words[1]), output);
        } catch (TimeoutException e) {
            return fail("no answer from the guest within %s%s", limit, console(dir));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return fail("interrupted");
        } catch (ExecutionException e) {
            throw new IOException("the guest's serial port: " + e.getCause(), e);
        }
    }

    /// Lines of the kernel's log that speak of trouble with a disk.
    String diskErrors() throws IOException {
        return run(
                        "dmesg | grep -iE 'I/O error|blk_update_request|timeout|hung|blocked for more' || true",
                        Duration.ofSeconds(30))
                .succeeded()
                .output();
    }

    /// The socket of QEMU's monitor.
    Path monitor() {
        return dir.resolve("qmp");
    }

    /// Waits until QEMU has made the socket.
    private static SocketChannel connect(Path socket) throws IOException {
        await().atMost(BOOT_LIMIT)
                .pollInterval(Duration.ofMillis(50))
                .until(() -> Files.exists(socket));
        SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX);
        channel.connect(UnixDomainSocketAddress.of(socket));
        return channel;
    }

    private static BufferedReader reader(SocketChannel channel) {
        return new BufferedReader(
                new InputStreamReader(Channels.newInputStream(channel), StandardCharsets.UTF_8));
    }

    private static void write(SocketChannel channel, String line) throws IOException {
        ByteBuffer bytes = ByteBuffer.wrap(line.getBytes(StandardCharsets.UTF_8));
        while (bytes.hasRemaining()) {
            channel.write(bytes);
        }
    }

    private static String console(Path dir) throws IOException {
        Path file = dir.resolve("console");
        return Files.exists(file)
                ? "\nconsole: " + Files.readString(file, StandardCharsets.ISO_8859_1)
                : "";
    }

    @Override
    public void close() throws IOException, InterruptedException {
        qemu.close();
        agent.close();
    }
}
