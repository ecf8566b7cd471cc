package io.cistern.chaos;

import static org.awaitility.Awaitility.await;

import io.cistern.chaos.check.Linearizability;
import io.cistern.chaos.check.Op;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/// Clients that read, write, zero and trim the same sectors of a volume or file, one connection
/// each, and write down what they saw: every sector of 512 bytes is a register whose history must
/// be linearizable.
final class HistoryLoad implements AutoCloseable {
    private static final int SECTOR = 512;
    private static final int GRANULE_BYTES = 64 << 10;
    private static final int MOST_SECTORS = 32;
    static final int CLIENTS = 6;
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    private final Blocks.Way way;
    private final LongSupplier life;
    private final Area area;
    private final AtomicLong values = new AtomicLong();
    private final List<Client> clients = new ArrayList<>();
    private final List<Entry> observed = new ArrayList<>();
    private final List<String> wrong = Collections.synchronizedList(new ArrayList<>());
    private volatile boolean stopping;
    private volatile boolean mayEnd;
    private final AtomicInteger connections = new AtomicInteger();
    private volatile int tolerated;

    /// One operation on one sector.
    private record Entry(int register, Op op) {}

    /// Where the sectors are: so many granules, and of each so many sectors from its beginning.
    record Area(int granules, int sectors) {
        static final Area WIDE = new Area(12, MOST_SECTORS);

        /// One block that everybody writes parts of.
        static final Area ONE_BLOCK = new Area(1, 8);
    }

    HistoryLoad(Blocks.Way way, LongSupplier life, int count, long seed) {
        this(way, life, Area.WIDE, count, seed);
    }

    /// @param life tells one process behind the connections from the next, where what the former
    ///   was sent can no longer happen once the next has answered; else always the same
    HistoryLoad(Blocks.Way way, LongSupplier life, Area area, int count, long seed) {
        this.way = way;
        this.life = life;
        this.area = area;
        for (int i = 0; i < count; i++) {
            Client client = new Client("c" + i, new Random(seed + i));
            clients.add(client);
            client.thread.start();
        }
    }

    /// From now on errors and ended connections end a client rather than fail the run: somebody
    /// else takes the volume over.
    void mayEnd() {
        mayEnd = true;
    }

    /// From now on this error leaves a request's outcome open and does not fail the run; 0: none.
    void tolerate(int error) {
        tolerated = error;
    }

    /// Every client ends its connection between two requests, and makes another.
    void reconnect() {
        connections.incrementAndGet();
    }

    /// Waits until every client has had an answer to something that it asked after this call.
    void awaitProgress(Duration limit) {
        long from = System.nanoTime();
        await().atMost(limit)
                .pollInterval(Duration.ofMillis(20))
                .until(() ->
                        !wrong.isEmpty() || clients.stream().allMatch(c -> c.lastAsked - from > 0));
    }

    /// Waits until every client has ended by itself, and ends those that have not.
    void awaitEnd(Duration limit) throws InterruptedException {
        long until = System.nanoTime() + limit.toNanos();
        for (Client client : clients) {
            if (!client.thread.join(Duration.ofNanos(Math.max(1, until - System.nanoTime())))) {
                wrong.add(client.name + " goes on though the volume was taken over");
            }
        }
        stop();
    }

    /// No more operations; waits for those that are under way.
    void stop() throws InterruptedException {
        stopping = true;
        for (Client client : clients) {
            if (!client.thread.join(PATIENCE)) {
                wrong.add(client.name + " waits for its answer for ever");
            }
        }
    }

    /// Reads everything once more and looks at all that was seen.
    ///
    /// @param takenOver when somebody else had taken the volume over for certain, [Op#NEVER] if
    ///   nobody did: nothing that was not answered by then may happen later
    /// @return what is wrong
    List<String> check(Access access, long takenOver) throws IOException {
        Map<Integer, List<Op>> histories = new TreeMap<>();
        for (Client client : clients) {
            for (Entry entry : client.entries) {
                Op op = entry.op;
                if (takenOver != Op.NEVER && op.kind() == Op.Kind.READ && op.ended() > takenOver) {
                    continue; // who was replaced may see what was there when it was
                }
                if (!op.known() && op.ended() == Op.NEVER) {
                    op = op.unknown(takenOver);
                }
                histories.computeIfAbsent(entry.register, r -> new ArrayList<>()).add(op);
            }
        }
        observe(access);
        for (Entry entry : observed) {
            histories.computeIfAbsent(entry.register, r -> new ArrayList<>()).add(entry.op);
        }
        List<String> all = new ArrayList<>(wrong);
        histories.forEach((register, history) -> {
            String why = Linearizability.check(history, 0);
            if (why != null) {
                all.add("sector " + register + strangers(history) + ": " + why);
            }
        });
        return all;
    }

    /// Where what a sector showed had been written, if not to it.
    private String strangers(List<Op> history) {
        StringBuilder text = new StringBuilder();
        for (Op op : history) {
            boolean read = op.kind() == Op.Kind.READ && op.result() != 0;
            if (read && history.stream().noneMatch(w -> wrote(w, op.result()))) {
                text.append(", which showed ").append(op.result()).append(" written to");
                for (Client client : clients) {
                    client.entries.stream()
                            .filter(e -> wrote(e.op, op.result()))
                            .forEach(e -> text.append(' ').append(e.register));
                }
            }
        }
        return text.toString();
    }

    private static boolean wrote(Op op, long value) {
        return op.kind() == Op.Kind.WRITE && op.value() == value;
    }

    /// The values in a sector, each with the offset where it begins.
    private static String values(ByteBuffer bytes, int sector) {
        StringBuilder text = new StringBuilder();
        long before = -1;
        for (int at = 0; at < SECTOR; at += 8) {
            long value = bytes.getLong(sector * SECTOR + at);
            if (value != before) {
                text.append(' ').append(at).append(':').append(value);
            }
            before = value;
        }
        return text.toString();
    }

    /// Reads everything, as one more client.
    void observe(Access access) throws IOException {
        for (int granule = 0; granule < area.granules; granule++) {
            long from = System.nanoTime();
            ByteBuffer bytes = ByteBuffer.allocate(area.sectors * SECTOR);
            access.read((long) granule * GRANULE_BYTES, bytes);
            long to = System.nanoTime();
            for (int i = 0; i < area.sectors; i++) {
                int register = granule * area.sectors + i;
                Long value = uniform(bytes, i);
                if (value == null) {
                    wrong.add("sector " + register + " is torn at the end:" + values(bytes, i));
                } else {
                    observed.add(new Entry(register, Op.read("end", value, from, to)));
                }
            }
        }
    }

    /// Reads through the connection of nobody.
    Access access() {
        return (offset, into) -> {
            try (Blocks blocks = way.connect()) {
                int error = blocks.ask(Nbd.READ, offset, into.remaining(), into);
                if (error != 0) {
                    throw new IOException("error " + error);
                }
            }
        };
    }

    /// Fills a buffer from an offset.
    interface Access {
        void read(long offset, ByteBuffer into) throws IOException;
    }

    long operations() {
        return clients.stream().mapToLong(c -> c.operations.get()).sum();
    }

    /// Operations that ended without an answer.
    long unknown() {
        return clients.stream().mapToLong(c -> c.unknown.get()).sum();
    }

    Duration worstStall() {
        return worst().took;
    }

    /// The request that waited longest for its answer.
    Stall worst() {
        return clients.stream()
                .map(c -> c.worst)
                .max(Comparator.comparing(Stall::took))
                .orElse(Stall.NONE);
    }

    /// @param type of [Nbd]'s requests
    /// @param asked when, as [System#nanoTime]
    record Stall(Duration took, int type, long asked) {
        static final Stall NONE = new Stall(Duration.ZERO, Nbd.READ, 0);
    }

    @Override
    public void close() throws InterruptedException {
        stopping = true;
        for (Client client : clients) {
            client.thread.interrupt();
            client.thread.join();
        }
    }

    /// The value that fills a sector, null where it is not one alone.
    private static @Nullable Long uniform(ByteBuffer bytes, int sector) {
        long value = bytes.getLong(sector * SECTOR);
        for (int at = 8; at < SECTOR; at += 8) {
            if (bytes.getLong(sector * SECTOR + at) != value) {
                return null;
            }
        }
        return value;
    }

    private final class Client {
        final String name;
        final Random random;
        final Thread thread;
        final List<Entry> entries = new ArrayList<>();

        /// Where in `entries` those of a request begin that was cut off by the end of `lifeThen`.
        private int cutOff = -1;

        private int cutOffEnd;
        private long lifeThen;

        volatile long lastAsked = Long.MIN_VALUE;
        final AtomicLong operations = new AtomicLong();
        final AtomicLong unknown = new AtomicLong();
        volatile Stall worst = Stall.NONE;

        Client(String name, Random random) {
            this.name = name;
            this.random = random;
            this.thread = Thread.ofPlatform().name("load-" + name).daemon().unstarted(this::run);
            lastAsked = System.nanoTime() - 1;
        }

        private void run() {
            try {
                while (!stopping) {
                    int connection = connections.get();
                    try (Blocks blocks = connect()) {
                        while (!stopping && connection == connections.get() && operate(blocks)) {
                            TimeUnit.MILLISECONDS.sleep(random.nextInt(25));
                        }
                        if (mayEnd) {
                            return;
                        }
                    } catch (IOException broken) {
                        if (mayEnd) {
                            return;
                        }
                    }
                }
            } catch (InterruptedException closed) {
                Thread.currentThread().interrupt();
            } catch (RuntimeException | Error e) {
                wrong.add(name + " failed: " + e);
            }
        }

        private Blocks connect() throws InterruptedException, IOException {
            long until = System.nanoTime() + PATIENCE.toNanos();
            while (true) {
                try {
                    long before = life.getAsLong();
                    Blocks blocks = way.connect();
                    if (before == lifeThen) {
                        cutOff = -1; // perhaps the same process, with what it was sent before
                    }
                    lifeThen = before;
                    return blocks;
                } catch (IOException | RuntimeException notYet) {
                    if (mayEnd || stopping || System.nanoTime() > until) {
                        throw new IOException("no connection", notYet);
                    }
                    TimeUnit.MILLISECONDS.sleep(20);
                }
            }
        }

        /// @return false where the volume was taken over
        private boolean operate(Blocks blocks) throws IOException {
            int granule = random.nextInt(area.granules);
            boolean whole = random.nextInt(20) == 0;
            int first = whole ? 0 : random.nextInt(area.sectors);
            int most = Math.min(area.sectors - first, random.nextBoolean() ? 1 : 9);
            int count = whole ? area.sectors : 1 + random.nextInt(most);
            int dice = random.nextInt(100);
            int type =
                    dice < 45
                            ? Nbd.READ
                            : dice < 82 ? Nbd.WRITE : dice < 91 ? Nbd.TRIM : Nbd.WRITE_ZEROES;
            long value = type == Nbd.WRITE ? values.incrementAndGet() : 0;
            ByteBuffer data = ByteBuffer.allocate(count * SECTOR);
            if (type == Nbd.WRITE) {
                while (data.hasRemaining()) {
                    data.putLong(value);
                }
                data.clear();
            }
            int register = granule * area.sectors + first;
            long offset = (long) granule * GRANULE_BYTES + (long) first * SECTOR;
            long from = System.nanoTime();
            int error;
            try {
                error = blocks.ask(type, offset, count * SECTOR, data);
            } catch (IOException cut) {
                doubt(type, register, count, value, from);
                throw cut;
            }
            long to = System.nanoTime();
            if (error != 0) {
                doubt(type, register, count, value, from);
                cutOff = -1;
                if (error == tolerated) {
                    lastAsked = from;
                    return true;
                }
                if (!mayEnd) {
                    wrong.add(name + ": request of type " + type + " got error " + error);
                }
                return false;
            }
            boundCutOff(to);
            lastAsked = from;
            operations.incrementAndGet();
            if (to - from > worst.took.toNanos()) {
                worst = new Stall(Duration.ofNanos(to - from), type, from);
            }
            for (int i = 0; i < count; i++) {
                if (type != Nbd.READ) {
                    entries.add(new Entry(register + i, Op.write(name, value, from, to)));
                    continue;
                }
                Long seen = uniform(data, i);
                if (seen == null) {
                    wrong.add(name + " read a torn sector " + (register + i) + values(data, i));
                } else {
                    entries.add(new Entry(register + i, Op.read(name, seen, from, to)));
                }
            }
            return true;
        }

        /// What was sent may or may not happen.
        private void doubt(int type, int register, int count, long value, long from) {
            unknown.incrementAndGet();
            if (type == Nbd.READ) {
                return;
            }
            cutOff = entries.size();
            for (int i = 0; i < count; i++) {
                Op op = Op.write(name, value, from, from).unknown(Op.NEVER);
                entries.add(new Entry(register + i, op));
            }
            cutOffEnd = entries.size();
        }

        /// The restarted process has continued the attachment under a new id and answered: what its
        /// earlier life had sent can no longer happen.
        private void boundCutOff(long now) {
            for (int i = Math.max(0, cutOff); cutOff >= 0 && i < cutOffEnd; i++) {
                Entry entry = entries.get(i);
                entries.set(i, new Entry(entry.register, entry.op.unknown(now)));
            }
            cutOff = -1;
        }
    }
}
