package io.cistern.bench;

import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.regex.Pattern;

/// How fast NFS servers are, whosever they are: `NfsBench NAME=HOST:NFS-PORT:MOUNT-PORT:EXPORT...`
/// prints a Markdown table. Each cell is measured on all servers by turns, so that what else the
/// machine does meets them alike.
///
/// System properties: `seconds` (5; of a turn, after a part of a second that does not count; 0: the
/// large directory only), `rounds` (1), `warm` (0; seconds of each cell of a run before, which does
/// not count), `cells` (a regular expression: those cells whose names it is found in), `entries`
/// (0; of a large directory, made and listed). One connection to each server; NFSv3, where a cell
/// does not say v4.1; all writes are FILE_SYNC where it does not say unstable. It uses nothing but
/// the JDK, so that `java NfsBench.java ...` runs it as it is.
public final class NfsBench {
    private static final int NFS = 100_003;
    private static final int MOUNT = 100_005;
    private static final int FILE_MIB = 256;
    private static final int LAST = 1 << 31;
    private static final int FILE_SYNC = 2;

    /// XDR, as far as is needed here.
    private static final class Out {
        final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        final DataOutputStream data = new DataOutputStream(bytes);

        Out ints(int... values) throws IOException {
            for (int v : values) {
                data.writeInt(v);
            }
            return this;
        }

        Out i64(long v) throws IOException {
            data.writeLong(v);
            return this;
        }

        Out opaque(byte[] v) throws IOException {
            data.writeInt(v.length);
            data.write(v);
            data.write(new byte[-v.length & 3]);
            return this;
        }

        Out text(String v) throws IOException {
            return opaque(v.getBytes(StandardCharsets.UTF_8));
        }

        /// sattr3 with a mode.
        Out mode(int mode) throws IOException {
            return ints(1, mode, 0, 0, 0, 0, 0);
        }
    }

    /// A connection, which any number of threads may call over.
    private static final class Rpc implements AutoCloseable {
        final Socket socket;
        final OutputStream out;
        final Map<Integer, CompletableFuture<ByteBuffer>> calls = new ConcurrentHashMap<>();
        final AtomicInteger xid = new AtomicInteger(ThreadLocalRandom.current().nextInt());

        Rpc(String host, int port) throws IOException {
            socket = new Socket(host, port);
            socket.setTcpNoDelay(true);
            out = socket.getOutputStream();
            Thread.ofPlatform().daemon().start(this::receive);
        }

        void receive() {
            try {
                DataInputStream in = new DataInputStream(socket.getInputStream());
                while (true) {
                    ByteArrayOutputStream record = new ByteArrayOutputStream();
                    int header;
                    do {
                        header = in.readInt();
                        record.write(in.readNBytes(header & ~LAST));
                    } while ((header & LAST) == 0);
                    ByteBuffer reply = ByteBuffer.wrap(record.toByteArray());
                    CompletableFuture<ByteBuffer> call = calls.remove(reply.getInt());
                    if (call != null) {
                        call.complete(reply.position(24));
                    }
                }
            } catch (IOException e) {
                calls.values().forEach(c -> c.completeExceptionally(e));
            }
        }

        ByteBuffer call(int program, int procedure, Out args) throws IOException {
            return call(program, 3, procedure, args);
        }

        ByteBuffer call(int program, int version, int procedure, Out args) throws IOException {
            int id = xid.incrementAndGet();
            Out all = new Out();
            all.ints(0, id, 0, 2, program, version, procedure, 1, 28, 0)
                    .text("bench")
                    .ints(0, 0, 0);
            all.ints(0, 0);
            byte[] head = all.bytes.toByteArray();
            byte[] body = args.bytes.toByteArray();
            // the length of AUTH_SYS: stamp, name of 5 bytes, uid, gid, no groups
            ByteBuffer message = ByteBuffer.allocate(head.length + body.length);
            message.put(head).put(body).putInt(0, message.capacity() - 4 | LAST);
            CompletableFuture<ByteBuffer> reply = new CompletableFuture<>();
            calls.put(id, reply);
            synchronized (out) {
                out.write(message.array());
            }
            try {
                return reply.get();
            } catch (ExecutionException | InterruptedException e) {
                throw new IOException("no reply", e);
            }
        }

        @Override
        public void close() throws IOException {
            socket.close();
        }
    }

    private interface Step {
        void run(int worker, long number) throws IOException;
    }

    /// What is measured, on one server.
    ///
    /// @param number of steps so far, in all rounds
    private record Cell(String name, int workers, AtomicLong number, Step step) {}

    /// @param p99 milliseconds
    private record Result(double perSecond, double p99) {}

    private final String name;
    private final Rpc rpc;
    private final byte[] root;
    private final String export;
    private final List<Cell> cells = new ArrayList<>();
    private String dataFile = "";
    private Optional<Session> session = Optional.empty();
    private long sessionUsed;

    private NfsBench(String name, Rpc rpc, byte[] root, String export) {
        this.name = name;
        this.rpc = rpc;
        this.root = root;
        this.export = export;
    }

    /// @param server as on the command line
    private static NfsBench mount(String server) throws IOException {
        String[] parts = server.substring(server.indexOf('=') + 1).split(":", 4);
        byte[] root;
        try (Rpc mount = new Rpc(parts[0], Integer.parseInt(parts[2]))) {
            ByteBuffer reply = mount.call(MOUNT, 1, new Out().text(parts[3]));
            int status = reply.getInt();
            if (status != 0) {
                throw new IOException("MNT failed with " + status);
            }
            root = opaque(reply);
        }
        Rpc rpc = new Rpc(parts[0], Integer.parseInt(parts[1]));
        return new NfsBench(server.substring(0, server.indexOf('=')), rpc, root, parts[3]);
    }

    private void add(String what, int workers, Step step) {
        cells.add(new Cell(what, workers, new AtomicLong(), step));
    }

    /// @throws IOException where the status is not 0, once the server is through with "later"
    private ByteBuffer nfs(int procedure, Out args) throws IOException {
        while (true) {
            ByteBuffer reply = rpc.call(NFS, procedure, args);
            int status = reply.getInt();
            if (status == 0) {
                return reply;
            }
            if (status != 10_008) {
                throw new IOException("procedure " + procedure + " failed with " + status);
            }
        }
    }

    private static byte[] opaque(ByteBuffer in) {
        byte[] bytes = new byte[in.getInt()];
        in.get(bytes).position(in.position() + (-bytes.length & 3));
        return bytes;
    }

    private byte[] made(int procedure, Out args) throws IOException {
        ByteBuffer reply = nfs(procedure, args);
        if (reply.getInt() == 0) {
            throw new IOException("the server did not say the new file's handle");
        }
        return opaque(reply);
    }

    private byte[] create(byte[] directory, String name) throws IOException {
        return made(8, new Out().opaque(directory).text(name).ints(0).mode(0644));
    }

    private byte[] mkdir(String name) throws IOException {
        return made(9, new Out().opaque(root).text(name).mode(0755));
    }

    private void write(byte[] file, long offset, byte[] data) throws IOException {
        nfs(7, new Out().opaque(file).i64(offset).ints(data.length, FILE_SYNC).opaque(data));
    }

    private void read(byte[] file, long offset, int length) throws IOException {
        ByteBuffer reply = nfs(6, new Out().opaque(file).i64(offset).ints(length));
        if (reply.remaining() < length) {
            throw new IOException("a short read");
        }
    }

    /// An NFSv4.1 session of as many slots as there may be workers, over the same connection.
    private static final class Session {
        private static final int SEQUENCE = 53;
        private static final int PUTFH = 22;
        private static final int PUTROOTFH = 24;
        private static final int LOOKUP = 15;
        private static final int GETFH = 10;
        private static final int READ = 25;

        private final Rpc rpc;
        private final byte[] id = new byte[16];
        private final int[] sequences;

        Session(Rpc rpc, int slots) throws IOException {
            this.rpc = rpc;
            this.sequences = new int[slots];
            Out exchange = compound(1).ints(42).i64(System.nanoTime());
            exchange.text("bench-" + random(Long.MAX_VALUE)).ints(0, 0, 0);
            ByteBuffer in = send(exchange, 1);
            in.position(in.position() + 8);
            long client = in.getLong();
            Out create = compound(1).ints(43).i64(client).ints(in.getInt(), 0);
            channel(create, slots);
            channel(create, 1);
            create.ints(0x4000_0000, 1, 0);
            in = send(create, 1);
            in.position(in.position() + 8).get(id);
            send(sequence(0, 2).ints(58, 0), 2); // RECLAIM_COMPLETE
        }

        private static void channel(Out out, int slots) throws IOException {
            out.ints(0, (1 << 20) + 4_096, (1 << 20) + 4_096, 1_024, 16, slots, 0);
        }

        private static Out compound(int operations) throws IOException {
            return new Out().ints(0, 1, operations);
        }

        private Out sequence(int slot, int operations) throws IOException {
            Out out = compound(operations).ints(SEQUENCE);
            out.data.write(id);
            return out.ints(++sequences[slot], slot, sequences.length - 1, 0);
        }

        /// @return the reply, at the results
        private ByteBuffer send(Out out, int operations) throws IOException {
            ByteBuffer in = rpc.call(NFS, 4, 1, out);
            int status = in.getInt();
            if (status != 0 || in.getInt() != 0 || in.getInt() != operations) {
                throw new IOException("a COMPOUND failed with " + status);
            }
            return in;
        }

        byte[] find(String export, String name) throws IOException {
            String[] path = (export.replaceFirst("^/+", "") + "/" + name).split("/+");
            Out out = sequence(0, path.length + 3).ints(PUTROOTFH);
            for (String part : path) {
                out.ints(LOOKUP).text(part);
            }
            ByteBuffer in = send(out.ints(GETFH), path.length + 3);
            in.position(in.position() + 44 + 8 + 8 * path.length + 8);
            return opaque(in);
        }

        void read(int slot, byte[] file, long offset, int length) throws IOException {
            Out out = sequence(slot, 3).ints(PUTFH).opaque(file).ints(READ, 0, 0, 0, 0);
            ByteBuffer in = send(out.i64(offset).ints(length), 3);
            if (in.remaining() < length) {
                throw new IOException("a short read");
            }
        }
    }

    /// Runs a cell's steps in its workers for a while.
    private static Result measure(Cell cell, double seconds) throws Exception {
        AtomicLong done = new AtomicLong();
        List<Long> times = java.util.Collections.synchronizedList(new ArrayList<>());
        long warm = System.nanoTime() + (long) (seconds * 0.2e9);
        long end = warm + (long) (seconds * 1e9);
        List<Throwable> failures = java.util.Collections.synchronizedList(new ArrayList<>());
        List<Thread> threads = new ArrayList<>();
        for (int w = 0; w < cell.workers; w++) {
            int worker = w;
            threads.add(
                    Thread.ofVirtual()
                            .start(() -> {
                                try {
                                    for (long now = System.nanoTime(); now < end; ) {
                                        cell.step.run(worker, cell.number.getAndIncrement());
                                        long then = System.nanoTime();
                                        if (now >= warm) {
                                            done.incrementAndGet();
                                            times.add(then - now);
                                        }
                                        now = then;
                                    }
                                } catch (IOException | RuntimeException e) {
                                    failures.add(e);
                                }
                            }));
        }
        for (Thread t : threads) {
            t.join();
        }
        if (!failures.isEmpty()) {
            throw new IOException(cell.name, failures.getFirst());
        }
        long[] sorted = times.stream().mapToLong(Long::longValue).sorted().toArray();
        double p99 = sorted.length == 0 ? 0 : sorted[sorted.length * 99 / 100] / 1e6;
        return new Result(done.get() / seconds, p99);
    }

    /// Measures all cells of all servers, whose lists of cells are alike, and prints them.
    private static void table(List<NfsBench> servers, Pattern wanted, double seconds, int rounds)
            throws Exception {
        StringBuilder head = new StringBuilder("| what, outstanding |");
        servers.forEach(s -> head.append(' ').append(s.name).append(" |"));
        boolean two = servers.size() == 2;
        System.out.println(head.append(two ? " ratio (of each round) |" : ""));
        System.out.println("|---".repeat(servers.size() + (two ? 2 : 1)) + "|");
        for (int c = 0; c < servers.getFirst().cells.size(); c++) {
            String what = servers.getFirst().cells.get(c).name;
            if (!wanted.matcher(what).find()) {
                continue;
            }
            List<List<Result>> results = new ArrayList<>();
            servers.forEach(s -> results.add(new ArrayList<>()));
            for (int round = 0; round < rounds; round++) {
                for (int s = 0; s < servers.size(); s++) {
                    int turn = (s + round) % servers.size();
                    results.get(turn).add(measure(servers.get(turn).cells.get(c), seconds));
                }
            }
            System.out.println(row(what, results));
        }
    }

    private static String row(String what, List<List<Result>> results) {
        StringBuilder row = new StringBuilder("| " + what + " |");
        for (List<Result> each : results) {
            row.append(
                    String.format(
                            " %,.0f (%.2f) |",
                            median(each.stream().map(Result::perSecond).toList()),
                            median(each.stream().map(Result::p99).toList())));
        }
        if (results.size() == 2) {
            List<Double> ratios = new ArrayList<>();
            for (int i = 0; i < results.getFirst().size(); i++) {
                ratios.add(results.get(0).get(i).perSecond / results.get(1).get(i).perSecond);
            }
            row.append(String.format(" %.2f (", median(ratios)));
            ratios.forEach(r -> row.append(String.format(" %.2f", r)));
            row.append(" ) |");
        }
        return row.toString();
    }

    private static double median(List<Double> values) {
        List<Double> sorted = values.stream().sorted().toList();
        int middle = sorted.size() / 2;
        return sorted.size() % 2 == 1
                ? sorted.get(middle)
                : (sorted.get(middle - 1) + sorted.get(middle)) / 2;
    }

    private void data() throws IOException {
        dataFile = "bench-file-" + random(Long.MAX_VALUE);
        byte[] file = create(root, dataFile);
        byte[] mib = new byte[1 << 20];
        byte[] block = new byte[4096];
        Arrays.fill(mib, (byte) 'x');
        Arrays.fill(block, (byte) 'y');
        for (int i = 0; i < FILE_MIB; i++) {
            write(file, (long) i << 20, mib);
        }
        long blocks = FILE_MIB * 256L;
        for (int depth : new int[] {1, 32}) {
            add(
                    "4 KiB random read, " + depth,
                    depth,
                    (w, n) -> read(file, random(blocks) << 12, 4096));
            add(
                    "4 KiB random write, " + depth,
                    depth,
                    (w, n) -> write(file, random(blocks) << 12, block));
        }
        add("1 MiB sequential read, 8", 8, (w, n) -> read(file, n % FILE_MIB << 20, 1 << 20));
        add("1 MiB sequential write, 8", 8, (w, n) -> write(file, n % FILE_MIB << 20, mib));
        byte[] same = session().find(export, dataFile);
        for (int depth : new int[] {1, 32}) {
            add(
                    "v4.1: 4 KiB random read, " + depth,
                    depth,
                    (w, n) -> session().read(w, same, random(blocks) << 12, 4096));
        }
        add(
                "v4.1: 1 MiB sequential read, 8",
                8,
                (w, n) -> session().read(w, same, n % FILE_MIB << 20, 1 << 20));
    }

    /// A session whose lease has not ended while other cells were measured.
    private synchronized Session session() throws IOException {
        long now = System.nanoTime();
        if (session.isEmpty() || now - sessionUsed > 5_000_000_000L) {
            session = Optional.of(new Session(rpc, 32));
        }
        sessionUsed = now;
        return session.orElseThrow();
    }

    private static long random(long bound) {
        return ThreadLocalRandom.current().nextLong(bound);
    }

    private void names(int depth) throws IOException {
        byte[] directory = mkdir("bench-" + depth + "-" + random(Long.MAX_VALUE));
        Names names = new Names(directory);
        add("create, " + depth, depth, (w, n) -> names.create());
        add(
                "lookup + getattr, " + depth,
                depth,
                (w, n) -> {
                    String file = "f" + n % names.files();
                    ByteBuffer found = nfs(3, new Out().opaque(directory).text(file));
                    nfs(1, new Out().opaque(opaque(found)));
                });
        add("rename, " + depth, depth, (w, n) -> names.rename(n));
        add("unlink, " + depth, depth, (w, n) -> names.unlink(n));
    }

    /// A directory of files, made, renamed and taken away in this order.
    private final class Names {
        private final byte[] directory;
        private final AtomicLong made = new AtomicLong();
        private long files;
        private Optional<List<String>> left = Optional.empty();

        Names(byte[] directory) {
            this.directory = directory;
        }

        void create() throws IOException {
            NfsBench.this.create(directory, "f" + made.getAndIncrement());
        }

        /// How many there are, once no more are made.
        synchronized long files() throws IOException {
            if (files == 0) {
                while (made.get() < 100) {
                    create();
                }
                files = made.get();
            }
            return files;
        }

        void rename(long n) throws IOException {
            long round = n / files();
            String from = (round == 0 ? "f" : "g" + round + "-") + n % files;
            String to = "g" + (round + 1) + "-" + n % files;
            nfs(14, new Out().opaque(directory).text(from).opaque(directory).text(to));
        }

        private synchronized List<String> left() throws IOException {
            if (left.isEmpty()) {
                left = Optional.of(list(directory));
            }
            return left.orElseThrow();
        }

        void unlink(long n) throws IOException {
            List<String> present = left();
            String file = "again" + n;
            if (n < present.size()) {
                file = present.get((int) n);
            } else {
                NfsBench.this.create(directory, file);
            }
            nfs(12, new Out().opaque(directory).text(file));
        }
    }

    /// READDIR to the end.
    private List<String> list(byte[] directory) throws IOException {
        List<String> names = new ArrayList<>();
        long cookie = 0;
        long verifier = 0;
        while (true) {
            ByteBuffer in =
                    nfs(16, new Out().opaque(directory).i64(cookie).i64(verifier).ints(1 << 16));
            if (in.getInt() == 1) {
                in.position(in.position() + 84);
            }
            verifier = in.getLong();
            while (in.getInt() == 1) {
                in.getLong();
                String name = new String(opaque(in), StandardCharsets.UTF_8);
                cookie = in.getLong();
                if (!name.equals(".") && !name.equals("..")) {
                    names.add(name);
                }
            }
            if (in.getInt() == 1) {
                return names;
            }
        }
    }

    /// READDIRPLUS to the end.
    ///
    /// @return how many entries have attributes and a handle, `.` and `..` aside
    private int listWithAttributes(byte[] directory) throws IOException {
        int entries = 0;
        long cookie = 0;
        long verifier = 0;
        while (true) {
            Out args = new Out().opaque(directory).i64(cookie).i64(verifier);
            ByteBuffer in = nfs(17, args.ints(1 << 16, 1 << 18));
            if (in.getInt() == 1) {
                in.position(in.position() + 84);
            }
            verifier = in.getLong();
            while (in.getInt() == 1) {
                in.getLong();
                byte[] name = opaque(in);
                cookie = in.getLong();
                boolean attributes = in.getInt() == 1;
                if (attributes) {
                    in.position(in.position() + 84);
                }
                boolean handle = in.getInt() == 1 && opaque(in).length > 0;
                if (attributes && handle && name[0] != '.') {
                    entries++;
                }
            }
            if (in.getInt() == 1) {
                return entries;
            }
        }
    }

    /// A directory of that many entries: made in ten parts, so that one sees whether it gets
    /// slower, then listed.
    private void large(int entries) throws Exception {
        byte[] directory = mkdir("bench-large-" + random(Long.MAX_VALUE));
        int part = Math.max(1, entries / 10);
        for (int first = 0; first < entries; first += part) {
            int end = Math.min(entries, first + part);
            int from = first;
            double took = seconds(() -> fill(directory, from, end));
            System.out.printf(
                    "| create entries %d to %d, 128 | %.0f | |%n",
                    first, end, (end - first) / took);
        }
        AtomicInteger listed = new AtomicInteger();
        double took = seconds(() -> listed.set(list(directory).size()));
        check(listed.get(), entries);
        System.out.printf(
                "| READDIR, %d entries: %.1f s | %.0f | |%n", entries, took, entries / took);
        took = seconds(() -> listed.set(listWithAttributes(directory)));
        check(listed.get(), entries);
        System.out.printf(
                "| READDIRPLUS, %d entries: %.1f s | %.0f | |%n", entries, took, entries / took);
    }

    private static void check(int listed, int entries) throws IOException {
        if (listed != entries) {
            throw new IOException(listed + " of " + entries + " entries listed");
        }
    }

    private interface Work {
        void run() throws Exception;
    }

    private static double seconds(Work work) throws Exception {
        long begin = System.nanoTime();
        work.run();
        return (System.nanoTime() - begin) / 1e9;
    }

    /// Creates entries from `first` to before `end`, 128 at a time.
    private void fill(byte[] directory, int first, int end) throws Exception {
        AtomicInteger next = new AtomicInteger(first);
        List<Thread> threads = new ArrayList<>();
        List<Throwable> failures = java.util.Collections.synchronizedList(new ArrayList<>());
        for (int w = 0; w < 128; w++) {
            threads.add(
                    Thread.ofVirtual()
                            .start(() -> {
                                try {
                                    for (int n; (n = next.getAndIncrement()) < end; ) {
                                        create(directory, "entry-" + n);
                                    }
                                } catch (IOException | RuntimeException e) {
                                    failures.add(e);
                                }
                            }));
        }
        for (Thread t : threads) {
            t.join();
        }
        if (!failures.isEmpty()) {
            throw new IOException("creating entries", failures.getFirst());
        }
    }

    /// Makes what the cells need, anew.
    private void prepare() throws IOException {
        cells.clear();
        data();
        names(1);
        names(16);
    }

    private void remove() throws IOException {
        nfs(12, new Out().opaque(root).text(dataFile));
    }

    private static void run(List<NfsBench> servers, Pattern wanted, double seconds, int rounds)
            throws Exception {
        for (NfsBench server : servers) {
            server.prepare();
        }
        table(servers, wanted, seconds, rounds);
        for (NfsBench server : servers) {
            server.remove();
        }
    }

    public static void main(String[] args) throws Exception {
        double seconds = Double.parseDouble(System.getProperty("seconds", "5"));
        double warm = Double.parseDouble(System.getProperty("warm", "0"));
        int entries = Integer.getInteger("entries", 0);
        Pattern cells = Pattern.compile(System.getProperty("cells", ""));
        List<NfsBench> servers = new ArrayList<>();
        for (String server : args) {
            servers.add(mount(server));
        }
        if (warm > 0 && seconds > 0) {
            PrintStream out = System.out;
            System.setOut(new PrintStream(OutputStream.nullOutputStream()));
            run(servers, cells, warm, 1);
            System.setOut(out);
        }
        if (seconds > 0) {
            run(servers, cells, seconds, Integer.getInteger("rounds", 1));
        }
        for (NfsBench server : servers) {
            if (entries > 0) {
                System.out.println("## " + server.name);
                server.large(entries);
            }
            server.rpc.close();
        }
    }
}
