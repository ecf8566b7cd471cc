package io.cistern.bench;

import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.regex.Pattern;

/// How fast an NFS server is, whosever it is: `NfsBench HOST NFS-PORT MOUNT-PORT EXPORT [SECONDS
/// [ENTRIES [CELLS]]]` prints a Markdown table of the cells whose names the regular expression
/// CELLS is found in. With 0 SECONDS only a directory of ENTRIES is made and listed. One
/// connection; NFSv3, where a cell does not say v4.1; all writes are FILE_SYNC. It uses nothing but
/// the JDK, so that `java NfsBench.java …` runs it as it is.
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

    private final Rpc rpc;
    private final byte[] root;
    private final int seconds;
    private final Pattern cells;

    private NfsBench(Rpc rpc, byte[] root, int seconds, Pattern cells) {
        this.rpc = rpc;
        this.root = root;
        this.seconds = seconds;
        this.cells = cells;
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

    /// Runs steps in `workers` threads for a while and prints how many there were in a second.
    private double measure(String what, int workers, Step step) throws Exception {
        if (!cells.matcher(what).find()) {
            return 0;
        }
        AtomicLong number = new AtomicLong();
        AtomicLong done = new AtomicLong();
        List<Long> times = java.util.Collections.synchronizedList(new ArrayList<>());
        long warm = System.nanoTime() + 1_000_000_000L;
        long end = warm + seconds * 1_000_000_000L;
        List<Throwable> failures = java.util.Collections.synchronizedList(new ArrayList<>());
        List<Thread> threads = new ArrayList<>();
        for (int w = 0; w < workers; w++) {
            int worker = w;
            threads.add(
                    Thread.ofVirtual()
                            .start(() -> {
                                try {
                                    for (long now = System.nanoTime(); now < end; ) {
                                        step.run(worker, number.getAndIncrement());
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
            throw new IOException(what, failures.getFirst());
        }
        double perSecond = done.get() / (double) seconds;
        long[] sorted = times.stream().mapToLong(Long::longValue).sorted().toArray();
        double p99 = sorted.length == 0 ? 0 : sorted[sorted.length * 99 / 100] / 1e6;
        System.out.printf("| %s | %.0f | %.2f |%n", what, perSecond, p99);
        return perSecond;
    }

    private void data(String export) throws Exception {
        byte[] file = create(root, "bench-file");
        byte[] mib = new byte[1 << 20];
        byte[] block = new byte[4096];
        Arrays.fill(mib, (byte) 'x');
        Arrays.fill(block, (byte) 'y');
        for (int i = 0; i < FILE_MIB; i++) {
            write(file, (long) i << 20, mib);
        }
        long blocks = FILE_MIB * 256L;
        for (int depth : new int[] {1, 32}) {
            measure(
                    "4 KiB random read, " + depth,
                    depth,
                    (w, n) -> read(file, random(blocks) << 12, 4096));
            measure(
                    "4 KiB random write, " + depth,
                    depth,
                    (w, n) -> write(file, random(blocks) << 12, block));
        }
        measure("1 MiB sequential read, 8", 8, (w, n) -> read(file, n % FILE_MIB << 20, 1 << 20));
        measure("1 MiB sequential write, 8", 8, (w, n) -> write(file, n % FILE_MIB << 20, mib));
        if (cells.matcher("v4.1").find()) {
            Session session = new Session(rpc, 32);
            byte[] same = session.find(export, "bench-file");
            for (int depth : new int[] {1, 32}) {
                measure(
                        "v4.1: 4 KiB random read, " + depth,
                        depth,
                        (w, n) -> session.read(w, same, random(blocks) << 12, 4096));
            }
            measure(
                    "v4.1: 1 MiB sequential read, 8",
                    8,
                    (w, n) -> session.read(w, same, n % FILE_MIB << 20, 1 << 20));
        }
        nfs(12, new Out().opaque(root).text("bench-file"));
    }

    private static long random(long bound) {
        return ThreadLocalRandom.current().nextLong(bound);
    }

    private void names() throws Exception {
        for (int depth : new int[] {1, 16}) {
            byte[] directory = mkdir("bench-" + depth + "-" + random(Long.MAX_VALUE));
            AtomicLong made = new AtomicLong();
            measure(
                    "create, " + depth,
                    depth,
                    (w, n) -> {
                        create(directory, "f" + n);
                        made.incrementAndGet();
                    });
            while (made.get() < 100) {
                create(directory, "f" + made.getAndIncrement());
            }
            long files = made.get();
            measure(
                    "lookup + getattr, " + depth,
                    depth,
                    (w, n) -> {
                        ByteBuffer found =
                                nfs(3, new Out().opaque(directory).text("f" + n % files));
                        nfs(1, new Out().opaque(opaque(found)));
                    });
            AtomicLong renamed = new AtomicLong();
            measure(
                    "rename, " + depth,
                    depth,
                    (w, n) -> {
                        long round = n / files;
                        String from = (round == 0 ? "f" : "g" + round + "-") + n % files;
                        String to = "g" + (round + 1) + "-" + n % files;
                        nfs(14, new Out().opaque(directory).text(from).opaque(directory).text(to));
                        renamed.incrementAndGet();
                    });
            List<String> left = list(directory);
            measure(
                    "unlink, " + depth,
                    depth,
                    (w, n) -> {
                        if (n < left.size()) {
                            nfs(12, new Out().opaque(directory).text(left.get((int) n)));
                        } else {
                            create(directory, "again" + n);
                            nfs(12, new Out().opaque(directory).text("again" + n));
                        }
                    });
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

    public static void main(String[] args) throws Exception {
        int seconds = args.length > 4 ? Integer.parseInt(args[4]) : 5;
        int entries = args.length > 5 ? Integer.parseInt(args[5]) : 0;
        Pattern cells = Pattern.compile(args.length > 6 ? args[6] : "");
        byte[] root;
        try (Rpc mount = new Rpc(args[0], Integer.parseInt(args[2]))) {
            ByteBuffer reply = mount.call(MOUNT, 1, new Out().text(args[3]));
            int status = reply.getInt();
            if (status != 0) {
                throw new IOException("MNT failed with " + status);
            }
            root = opaque(reply);
        }
        System.out.println("| what, outstanding | per second | 99th percentile, ms |");
        System.out.println("|---|---|---|");
        try (Rpc rpc = new Rpc(args[0], Integer.parseInt(args[1]))) {
            NfsBench bench = new NfsBench(rpc, root, seconds, cells);
            if (seconds > 0) {
                bench.data(args[3]);
                bench.names();
            }
            if (entries > 0) {
                bench.large(entries);
            }
        }
    }
}
