package io.cistern.vmdisk.vhost;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.cistern.block.FileTrees;
import io.cistern.block.MemoryBlockDevice;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.lifecycle.AfterProperty;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Front ends and guests that break the rules. Each has its connection closed and is counted; the
/// process, the other guest, and a front end that comes after it go on.
@Timeout(100)
class HostileFrontEndTest {
    private static final int MIB = 1 << 20;
    private static final int WAIT_MS = 20_000;
    private static final FrontEnd.Options OPTIONS = FrontEnd.Options.of(1, 16, 8192);

    @TempDir Path directory = Path.of("");

    private final MemoryBlockDevice device = new MemoryBlockDevice(MIB);
    private final List<AutoCloseable> open = new ArrayList<>();
    private Path socket = Path.of("");

    /// The directory is this class's to delete: jqwik knows no [TempDir].
    private boolean ofProperty;

    private VhostServer attacked = placeholder();
    private FrontEnd neighbour = placeholder();

    @SuppressWarnings({"NullAway", "TypeParameterUnusedInFormals"})
    private static <T> T placeholder() {
        return null;
    }

    @BeforeEach
    void start() throws IOException {
        socket = directory.resolve("attacked");
        attacked = serve(socket);
        Path other = directory.resolve("neighbour");
        serve(other);
        neighbour = new FrontEnd(OPTIONS);
        open.add(neighbour);
        neighbour.connect(other);
    }

    private VhostServer serve(Path at) {
        VhostServer server =
                VhostServer.open(new Target("v", device, false), at, new Buffers(64 * MIB), 50_000);
        open.add(server);
        return server;
    }

    @AfterEach
    @AfterProperty
    void close() throws Exception {
        for (AutoCloseable one : open.reversed()) {
            one.close();
        }
        open.clear();
        if (ofProperty) {
            FileTrees.delete(directory);
        }
    }

    private interface Attack {
        void run(FrontEnd front) throws IOException;
    }

    /// @param connected true to attack after everything was set up in order
    private void attack(String name, boolean connected, Attack attack) throws Exception {
        long before = attacked.counters().protocolErrors();
        try (FrontEnd front = new FrontEnd(OPTIONS)) {
            if (connected) {
                front.connect(socket);
            } else {
                front.open(socket);
            }
            try {
                attack.run(front);
            } catch (IOException closedAlready) {
                // What the attack would have sent next finds nobody.
                assertThat(closedAlready.getMessage()).isNotEmpty();
            }
            assertThat(front.closed(WAIT_MS)).as(name).isTrue();
        }
        assertThat(attacked.awaitNoPeer(WAIT_MS)).as(name).isTrue();
        assertThat(attacked.counters().protocolErrors()).as(name).isEqualTo(before + 1);
        assertThat(neighbour.ring(0).run(Job.IN, 0, 4096, WAIT_MS)).as(name).isZero();
    }

    private void aSuccessorIsServed() throws IOException {
        try (FrontEnd front = new FrontEnd(OPTIONS)) {
            front.connect(socket);
            assertThat(front.ring(0).run(Job.OUT, 0, 4096, WAIT_MS)).isZero();
        }
    }

    private static ByteBuffer header(int request, int flags, int size) {
        return ByteBuffer.allocateDirect(12)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(request)
                .putInt(flags)
                .putInt(size)
                .flip();
    }

    private static Payload.MemoryRegion region(long guest, long size, long user, long offset) {
        return new Payload.MemoryRegion(new Payload.Region(guest, size, user, offset));
    }

    @Test
    void messagesThatAreNone() throws Exception {
        Map<String, Attack> attacks = new LinkedHashMap<>();
        attacks.put("unknown request", f -> f.sendRaw(header(19, 1, 0)));
        attacks.put("request 0", f -> f.sendRaw(header(0, 1, 0)));
        attacks.put("version 2", f -> f.sendRaw(header(1, 2, 0)));
        attacks.put("a reply", f -> f.sendRaw(header(1, 5, 0)));
        attacks.put("4 GiB of payload", f -> f.sendRaw(header(2, 1, -1)));
        attacks.put("too little payload", f -> f.sendRaw(header(9, 1, 8)));
        attacks.put("descriptors where none belong", f -> f.sendRaw(header(1, 1, 0), f.memfd()));
        attacks.put(
                "a thousand regions",
                f -> {
                    ByteBuffer table = ByteBuffer.allocateDirect(20).order(ByteOrder.LITTLE_ENDIAN);
                    table.putInt(5).putInt(1).putInt(8).putInt(1000).putInt(0).flip();
                    f.sendRaw(table, f.memfd());
                });
        attacks.put(
                "many descriptors",
                f -> {
                    int[] fds = new int[12];
                    java.util.Arrays.fill(fds, f.memfd());
                    f.sendRaw(header(5, 1, 8), fds);
                });
        for (Map.Entry<String, Attack> one : attacks.entrySet()) {
            attack(one.getKey(), false, one.getValue());
        }
        aSuccessorIsServed();
    }

    @Test
    void setUpsThatCannotBe() throws Exception {
        Map<String, Attack> attacks = new LinkedHashMap<>();
        attacks.put(
                "features that were not offered",
                f -> f.send(Request.SET_FEATURES, new Payload.Number(-1)));
        attacks.put(
                "protocol features that were not offered",
                f -> f.send(Request.SET_PROTOCOL_FEATURES, new Payload.Number(1 << 8)));
        attacks.put(
                "memory without its file", f -> f.send(Request.ADD_MEM_REG, region(0, 1, 1, 0)));
        attacks.put(
                "a table without its files",
                f ->
                        f.send(
                                Request.SET_MEM_TABLE,
                                new Payload.MemoryTable(List.of(f.region(), f.region()))));
        attacks.put(
                "memory larger than its file",
                f -> f.send(Request.ADD_MEM_REG, region(0, 1L << 40, 1 << 20, 0), f.memfd()));
        attacks.put(
                "memory that begins behind its file",
                f -> f.send(Request.ADD_MEM_REG, region(0, 4096, 1 << 20, 1L << 40), f.memfd()));
        attacks.put(
                "memory of negative size",
                f -> f.send(Request.ADD_MEM_REG, region(0, -1, 1 << 20, 0), f.memfd()));
        attacks.put(
                "memory at the end of all addresses",
                f ->
                        f.send(
                                Request.ADD_MEM_REG,
                                region(0, 8192, Long.MAX_VALUE - 4096, 0),
                                f.memfd()));
        attacks.put(
                "the same memory twice",
                f -> {
                    f.shareMemory();
                    f.shareMemory();
                });
        attacks.put(
                "memory that is none",
                f -> {
                    int event = Native.eventfd();
                    f.send(Request.ADD_MEM_REG, region(0, 4096, 1 << 20, 0), event);
                    Native.close(event);
                });
        attacks.put(
                "more regions than there may be",
                f -> {
                    for (int i = 0; i <= GuestMemory.MAX_REGIONS; i++) {
                        f.send(
                                Request.ADD_MEM_REG,
                                region(4096L * i, 4096, (1 << 20) + 4096L * i, 0),
                                f.memfd());
                    }
                });
        attacks.put(
                "removal of memory that is not there",
                f -> f.send(Request.REM_MEM_REG, region(0, 4096, 1 << 20, 0)));
        attacks.put("a ring started before all else", f -> f.ring(0).startUnprepared());
        attacks.put(
                "a ring without its descriptor",
                f -> f.send(Request.SET_VRING_KICK, new Payload.Number(0)));
        for (int size : new int[] {0, 3, 2048, -1, 1 << 31}) {
            attacks.put(
                    "a ring of " + size,
                    f -> f.send(Request.SET_VRING_NUM, new Payload.RingState(0, size)));
        }
        attacks.put("ring 99", f -> f.send(Request.SET_VRING_NUM, new Payload.RingState(99, 16)));
        attacks.put(
                "tracking of no queue",
                f -> f.send(Request.GET_INFLIGHT_FD, new Payload.Inflight(0, 0, 0, 16, 24)));
        attacks.put(
                "tracking in too little memory",
                f ->
                        f.send(
                                Request.SET_INFLIGHT_FD,
                                new Payload.Inflight(1, 0, 1, 16, 24),
                                f.memfd()));
        attacks.put(
                "a dirty log larger than its file",
                f -> f.send(Request.SET_LOG_BASE, new Payload.LogArea(1L << 40, 0), f.memfd()));
        for (Map.Entry<String, Attack> one : attacks.entrySet()) {
            attack(one.getKey(), false, one.getValue());
        }
        aSuccessorIsServed();
    }

    @Test
    void descriptorsThatAreMissing() throws Exception {
        Map<Request, Payload> promised = new LinkedHashMap<>();
        promised.put(Request.SET_VRING_KICK, new Payload.Number(0));
        promised.put(Request.SET_VRING_CALL, new Payload.Number(0));
        promised.put(Request.SET_VRING_ERR, new Payload.Number(0));
        promised.put(Request.SET_LOG_BASE, new Payload.LogArea(4096, 0));
        promised.put(Request.SET_LOG_FD, Payload.Empty.INSTANCE);
        promised.put(Request.SET_BACKEND_REQ_FD, Payload.Empty.INSTANCE);
        promised.put(Request.SET_INFLIGHT_FD, new Payload.Inflight(4096, 0, 1, 16, 24));
        for (Map.Entry<Request, Payload> one : promised.entrySet()) {
            attack(one.getKey().name(), true, f -> f.send(one.getKey(), one.getValue()));
        }
        aSuccessorIsServed();
    }

    /// What is in order before a ring runs, and not while it does.
    @Test
    void messagesThatComeTooLate() throws Exception {
        Map<String, Attack> attacks = new LinkedHashMap<>();
        attacks.put(
                "another place to begin",
                f -> f.send(Request.SET_VRING_BASE, new Payload.RingState(0, 7)));
        attacks.put("other tracking", HostileFrontEndTest::otherTracking);
        attacks.put(
                "a table without the ring's memory",
                f -> {
                    Payload.Region elsewhere = new Payload.Region(0, 4096, 1L << 40, 0);
                    f.send(
                            Request.SET_MEM_TABLE,
                            new Payload.MemoryTable(List.of(elsewhere)),
                            f.memfd());
                });
        attacks.put(
                "a table of nothing",
                f -> f.send(Request.SET_MEM_TABLE, new Payload.MemoryTable(List.of())));
        for (Map.Entry<String, Attack> one : attacks.entrySet()) {
            attack(one.getKey(), true, one.getValue());
        }
        aSuccessorIsServed();
    }

    private static void descriptor(
            FrontEnd f, long at, long address, int length, int flags, int next) {
        f.memory().setLong(at, address);
        f.memory().setInt(at + 8, length);
        f.memory().setShort(at + 12, flags);
        f.memory().setShort(at + 14, next);
    }

    /// Offers head 0, whose descriptor is this.
    private static void offer(FrontEnd f, long address, int length, int flags, int next) {
        descriptor(f, f.ring(0).descriptorsAt(), address, length, flags, next);
        f.ring(0).offer(0);
        f.ring(0).forceKick();
    }

    @Test
    void ringsThatLie() throws Exception {
        Map<String, Attack> attacks = new LinkedHashMap<>();
        attacks.put(
                "an index that jumps",
                f -> {
                    f.memory().setShort(f.ring(0).availableAt() + 2, 5000);
                    f.ring(0).signal();
                });
        attacks.put(
                "a head outside of the ring",
                f -> {
                    f.ring(0).offer(16);
                    f.ring(0).forceKick();
                });
        attacks.put("a descriptor that links to itself", f -> offer(f, 0, 16, 1, 0));
        attacks.put("a link out of the ring", f -> offer(f, 0, 16, 1, 77));
        attacks.put("an empty request", f -> offer(f, 0, 0, 0, 0));
        attacks.put("no room for the status", f -> offer(f, 0, 64, 0, 0));
        attacks.put("a buffer in no memory", f -> offer(f, 1L << 45, 64, 4, 0));
        attacks.put("an indirect table in no memory", f -> offer(f, -16, 64, 4, 0));
        attacks.put("an indirect table of 3 bytes", f -> offer(f, 0, 3, 4, 0));
        attacks.put("an indirect table of 4 GiB", f -> offer(f, 0, -16, 4, 0));
        attacks.put("an indirect table with a link", f -> offer(f, 0, 64, 5, 1));
        attacks.put(
                "an indirect table in an indirect table",
                f -> {
                    descriptor(f, f.ring(0).dataAt(0), 0, 32, 4, 0);
                    offer(f, f.ring(0).dataAt(0), 32, 4, 0);
                });
        attacks.put(
                "an indirect loop",
                f -> {
                    descriptor(f, f.ring(0).dataAt(0), 0, 16, 1, 1);
                    descriptor(f, f.ring(0).dataAt(0) + 16, 0, 16, 1, 0);
                    offer(f, f.ring(0).dataAt(0), 32, 4, 0);
                });
        attacks.put(
                "to read behind to write",
                f -> {
                    descriptor(f, f.ring(0).descriptorsAt() + 16, 0, 16, 0, 0);
                    offer(f, 0, 16, 3, 1);
                });
        attacks.put(
                "data at the end of the memory",
                f -> {
                    long end = f.memory().bytes();
                    descriptor(f, f.ring(0).dataAt(0), f.ring(0).dataAt(1), 16, 1, 1);
                    descriptor(f, f.ring(0).dataAt(0) + 16, end - 512, 4096, 1, 2);
                    descriptor(f, f.ring(0).dataAt(0) + 32, f.ring(0).dataAt(1), 1, 2, 0);
                    f.memory().setInt(f.ring(0).dataAt(1), Job.OUT);
                    offer(f, f.ring(0).dataAt(0), 48, 4, 0);
                });
        attacks.put(
                "a ring in no memory",
                f ->
                        f.send(
                                Request.SET_VRING_ADDR,
                                new Payload.RingAddress(0, 0, 1 << 20, 1 << 21, 1 << 22, 0)));
        attacks.put(
                "a ring at an odd place",
                f ->
                        f.send(
                                Request.SET_VRING_ADDR,
                                new Payload.RingAddress(
                                        0,
                                        0,
                                        FrontEnd.USER_BASE + 8,
                                        FrontEnd.USER_BASE + 4096,
                                        FrontEnd.USER_BASE + 8192,
                                        0)));
        attacks.put(
                "another size of a ring that runs",
                f -> f.send(Request.SET_VRING_NUM, new Payload.RingState(0, 8)));
        attacks.put(
                "memory removed under a ring",
                f -> f.send(Request.REM_MEM_REG, new Payload.MemoryRegion(f.region())));
        for (Map.Entry<String, Attack> one : attacks.entrySet()) {
            attack(one.getKey(), true, one.getValue());
        }
        aSuccessorIsServed();
    }

    @Test
    void absurdLengthsAreRefusedAndTheGuestGoesOn() throws Exception {
        try (FrontEnd f = new FrontEnd(OPTIONS)) {
            f.connect(socket);
            long table = f.ring(0).dataAt(0);
            f.memory().setInt(f.ring(0).dataAt(1), Job.IN);
            descriptor(f, table, f.ring(0).dataAt(1), 16, 1, 1);
            descriptor(f, table + 16, 0, -1, 3, 2);
            descriptor(f, table + 32, f.ring(0).dataAt(1) + 64, 1, 2, 0);
            offer(f, table, 48, 4, 0);
            assertThat(f.ring(0).await(WAIT_MS)).isTrue();
            assertThat(f.ring(0).poll()).isZero();
            assertThat(f.memory().getByte(f.ring(0).dataAt(1) + 64)).isEqualTo(Job.IOERR);
            assertThat(f.ring(0).run(Job.IN, 0, 4096, WAIT_MS)).isZero();
        }
    }

    /// A head that is in flight is offered again; and memory goes away while the device works.
    @Test
    void theDeviceIsWaitedForWhenTheRingBreaks() throws Exception {
        CompletableFuture<Void> slow = new CompletableFuture<>();
        device.gate((operation, offset, length) ->
                offset == 8192 ? slow : CompletableFuture.completedFuture(null));
        try (FrontEnd f = new FrontEnd(OPTIONS)) {
            f.connect(socket);
            f.ring(0).submit(0, Job.IN, 16, 4096);
            f.ring(0).kick();
            assertThat(f.ring(0).runIn(1, Job.FLUSH, 0, 0, WAIT_MS)).isZero();
            f.ring(0).offer(0);
            f.ring(0).forceKick();
            assertThat(f.closed(WAIT_MS)).isTrue();
            assertThat(attacked.awaitNoPeer(100)).as("the read still has the memory").isFalse();
            slow.complete(null);
            assertThat(attacked.awaitNoPeer(WAIT_MS)).isTrue();
        }
        aSuccessorIsServed();
    }

    /// A read into a second region of memory, which goes away while the device works on it.
    private void readInto(int fd, FrontEnd f, CompletableFuture<Void> slow) throws Exception {
        CompletableFuture<Void> asked = new CompletableFuture<>();
        device.gate((operation, offset, length) -> {
            if (offset != 8192) {
                return CompletableFuture.completedFuture(null);
            }
            asked.complete(null);
            return slow;
        });
        f.connect(socket);
        f.send(Request.ADD_MEM_REG, region(SECOND, MIB, SECOND_USER, 0), fd);
        f.number(Request.GET_QUEUE_NUM);
        readSecond(f);
        asked.get(WAIT_MS, java.util.concurrent.TimeUnit.MILLISECONDS);
    }

    private static void readSecond(FrontEnd f) {
        long table = f.ring(0).dataAt(0);
        long header = f.ring(0).dataAt(1);
        f.memory().setInt(header, Job.IN);
        f.memory().setLong(header + 8, 16);
        descriptor(f, table, header, 16, 1, 1);
        descriptor(f, table + 16, SECOND, 4096, 3, 2);
        descriptor(f, table + 32, header + 64, 1, 2, 0);
        offer(f, table, 48, 4, 0);
    }

    private static final long SECOND = 1L << 33;
    private static final long SECOND_USER = 1L << 45;

    @Test
    void memoryThatIsRemovedUnderIo() throws Exception {
        int fd = NativeMemory.memfd("second", MIB);
        CompletableFuture<Void> slow = new CompletableFuture<>();
        long errors = attacked.counters().protocolErrors();
        try (FrontEnd f = new FrontEnd(OPTIONS)) {
            readInto(fd, f, slow);
            f.send(Request.REM_MEM_REG, region(SECOND, MIB, SECOND_USER, 0));
            f.number(Request.GET_QUEUE_NUM);
            slow.complete(null);
            assertThat(f.ring(0).await(WAIT_MS)).isTrue();
            assertThat(f.ring(0).poll()).isZero();
            assertThat(f.memory().getByte(f.ring(0).dataAt(1) + 64)).isZero();
            assertThat(attacked.counters().protocolErrors()).isEqualTo(errors);
            // What is not there any more cannot be read into.
            readSecond(f);
            assertThat(f.closed(WAIT_MS)).isTrue();
        }
        Native.close(fd);
        assertThat(attacked.awaitNoPeer(WAIT_MS)).isTrue();
        assertThat(attacked.counters().protocolErrors()).isEqualTo(errors + 1);
        aSuccessorIsServed();
    }

    @Test
    void memoryThatIsCutOffUnderIo() throws Exception {
        int fd = NativeMemory.memfdUnsealed("second", MIB);
        CompletableFuture<Void> slow = new CompletableFuture<>();
        long errors = attacked.counters().protocolErrors();
        try (FrontEnd f = new FrontEnd(OPTIONS)) {
            readInto(fd, f, slow);
            NativeMemory.truncate(fd, 0);
            slow.complete(null);
            assertThat(f.closed(WAIT_MS)).isTrue();
        }
        Native.close(fd);
        assertThat(attacked.awaitNoPeer(WAIT_MS)).isTrue();
        assertThat(attacked.counters().protocolErrors()).isEqualTo(errors + 1);
        assertThat(neighbour.ring(0).run(Job.IN, 0, 4096, WAIT_MS)).isZero();
        aSuccessorIsServed();
    }

    /// The memory's file is made shorter under the ring: the kernel raises SIGBUS where it is
    /// touched, which must cost this connection and nothing else.
    @Test
    void memoryThatIsCutOff() throws Exception {
        for (int round = 0; round < 3; round++) {
            int fd = NativeMemory.memfdUnsealed("cut", 1 << 20);
            attackWithFile(fd);
            Native.close(fd);
        }
        aSuccessorIsServed();
    }

    private void attackWithFile(int fd) throws Exception {
        long errors = attacked.counters().protocolErrors();
        try (FrontEnd f = new FrontEnd(OPTIONS)) {
            f.open(socket);
            f.negotiate();
            f.send(Request.ADD_MEM_REG, region(0, 1 << 20, FrontEnd.USER_BASE, 0), fd);
            f.ring(0).start();
            f.number(Request.GET_QUEUE_NUM);
            NativeMemory.truncate(fd, 0);
            f.ring(0).signal();
            assertThat(f.closed(WAIT_MS)).isTrue();
        }
        assertThat(attacked.awaitNoPeer(WAIT_MS)).isTrue();
        assertThat(attacked.counters().protocolErrors()).isEqualTo(errors + 1);
        assertThat(neighbour.ring(0).run(Job.IN, 0, 4096, WAIT_MS)).isZero();
    }

    /// Requests in random order with random numbers, some plausible, with and without descriptors.
    @Property(tries = 60)
    void anyMessagesInAnyOrder(@ForAll long seed) throws Exception {
        if (open.isEmpty()) {
            directory = java.nio.file.Files.createTempDirectory("vhost");
            ofProperty = true;
            start();
        }
        Random random = new Random(seed);
        Request[] all = Request.values();
        try (FrontEnd f = new FrontEnd(OPTIONS)) {
            f.open(socket);
            if (random.nextBoolean()) {
                f.negotiate();
                f.shareMemory();
            }
            try {
                for (int i = 0; i < 40; i++) {
                    Request request = all[random.nextInt(all.length)];
                    int size = random.nextInt(4) == 0 ? random.nextInt(300) : likely(request);
                    ByteBuffer bytes =
                            ByteBuffer.allocateDirect(12 + size).order(ByteOrder.LITTLE_ENDIAN);
                    bytes.putInt(request.number).putInt(random.nextInt(20) == 0 ? 3 : 1);
                    bytes.putInt(size);
                    while (bytes.remaining() >= 4) {
                        bytes.putInt(
                                random.nextInt(3) == 0 ? random.nextInt() : random.nextInt(17));
                    }
                    bytes.clear();
                    f.sendRaw(bytes, random.nextBoolean() ? new int[] {f.memfd()} : new int[0]);
                }
            } catch (IOException closed) {
                assertThat(closed.getMessage()).isNotEmpty();
            }
        }
        assertThat(attacked.awaitNoPeer(WAIT_MS)).as("seed %s", seed).isTrue();
        assertThat(neighbour.ring(0).run(Job.IN, 0, 4096, WAIT_MS)).as("seed %s", seed).isZero();
    }

    private static int likely(Request request) {
        for (int size : new int[] {0, 8, 16, 20, 40}) {
            try {
                request.checkSize(size);
                return size;
            } catch (VhostException other) {
                continue;
            }
        }
        return 12;
    }

    @Test
    void noDescriptorsAreLeftBehind() throws Exception {
        long before = descriptors();
        for (int i = 0; i < 20; i++) {
            attack("features", true, f -> f.send(Request.SET_FEATURES, new Payload.Number(-1)));
        }
        await().until(() -> descriptors() <= before + 4);
    }

    @Test
    void noMappingIsLeftBehindByTrackingThatComesTooLate() throws Exception {
        assertThat(neighbour.ring(0).run(Job.IN, 0, 4096, WAIT_MS)).isZero();
        long before = mappingsOfAreas();
        for (int i = 0; i < 3; i++) {
            attack("other tracking", true, HostileFrontEndTest::otherTracking);
        }
        await().untilAsserted(() -> assertThat(mappingsOfAreas()).isEqualTo(before));
    }

    private static void otherTracking(FrontEnd f) throws IOException {
        int area = NativeMemory.memfd("area", 1 << 20);
        Payload.Inflight layout = new Payload.Inflight(1 << 20, 0, 1, 16, 24);
        f.send(Request.SET_INFLIGHT_FD, layout, area);
        Native.close(area);
    }

    private static long mappingsOfAreas() throws IOException {
        try (var lines = java.nio.file.Files.lines(Path.of("/proc/self/maps"))) {
            return lines.filter(line -> line.contains("memfd:cistern-inflight")).count();
        }
    }

    private static long descriptors() throws IOException {
        try (var files = java.nio.file.Files.list(Path.of("/proc/self/fd"))) {
            return files.count();
        }
    }
}
