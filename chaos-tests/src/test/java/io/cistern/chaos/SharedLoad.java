package io.cistern.chaos;

import io.cistern.block.CisternException;
import io.cistern.chaos.check.Checks;
import io.cistern.chaos.check.Linearizability;
import io.cistern.chaos.check.Op;
import io.cistern.storage.Command.AttachMode;
import io.cistern.volume.ClientConfig;
import io.cistern.volume.SnapshotName;
import io.cistern.volume.VolumeDevice;
import io.cistern.volume.node.RemoteCluster;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/// Several holders of one shared volume that raise a counter by compare and write, each having read
/// it before; and a writer that writes n to one volume, waits for the answer, and writes n to
/// another, while snapshots of both at once are taken.
final class SharedLoad implements AutoCloseable {
    private static final int SECTOR = 512;
    private static final int HOLDERS = 4;
    private static final Duration PATIENCE = Duration.ofSeconds(90);

    private final List<RemoteCluster> clusters = new ArrayList<>();
    private final List<Thread> threads = new ArrayList<>();
    private final String first;
    private final String second;
    private final List<Op> history = Collections.synchronizedList(new ArrayList<>());
    private final List<Long> raised = Collections.synchronizedList(new ArrayList<>());
    private final List<String> wrong = Collections.synchronizedList(new ArrayList<>());
    private final List<String> snapshots = Collections.synchronizedList(new ArrayList<>());
    private final AtomicLong doubtful = new AtomicLong();
    private final AtomicLong worstNanos = new AtomicLong();
    private volatile long written;
    private volatile boolean stopping;

    /// @param first the volume with the counter, and with what is written first
    SharedLoad(ClientConfig config, String first, String second) {
        this.first = first;
        this.second = second;
        for (int i = 0; i < HOLDERS; i++) {
            String name = "holder" + i;
            RemoteCluster cluster = RemoteCluster.connect(config, name);
            clusters.add(cluster);
            start(name, () -> count(cluster.open(first, AttachMode.SHARED, name), name));
        }
        RemoteCluster writer = clusters.getFirst();
        start("dependent", () -> depend(writer));
        start("snapshots", () -> snapshots(writer));
    }

    private interface Work {
        void run() throws InterruptedException;
    }

    private void start(String name, Work work) {
        threads.add(
                Thread.ofPlatform()
                        .name("load-" + name)
                        .daemon()
                        .start(() -> {
                            try {
                                work.run();
                            } catch (InterruptedException closed) {
                                Thread.currentThread().interrupt();
                            } catch (RuntimeException | Error e) {
                                wrong.add(name + " failed: " + e);
                            }
                        }));
    }

    private static ByteBuffer filled(long value) {
        ByteBuffer bytes = ByteBuffer.allocate(SECTOR);
        while (bytes.hasRemaining()) {
            bytes.putLong(value);
        }
        return bytes.clear();
    }

    private void took(long from) {
        worstNanos.accumulateAndGet(System.nanoTime() - from, Math::max);
    }

    /// Reads the counter and raises it where it still is what was read.
    private void count(VolumeDevice device, String name) throws InterruptedException {
        while (!stopping) {
            ByteBuffer into = ByteBuffer.allocate(SECTOR);
            long from = System.nanoTime();
            device.read(SECTOR, into).join();
            took(from);
            long seen = into.getLong(0);
            history.add(Op.read(name, seen, from, System.nanoTime()));
            from = System.nanoTime();
            try {
                boolean success =
                        device.compareAndWrite(
                                                SECTOR,
                                                filled(seen),
                                                filled(seen + 1),
                                                VolumeDevice.NO_GUARD)
                                        .join()
                                < 0;
                history.add(Op.compare(name, seen, seen + 1, success, from, System.nanoTime()));
                if (success) {
                    raised.add(seen);
                }
            } catch (CompletionException e) {
                if (!CisternException.of(e).code().retryable()) {
                    throw e;
                }
                doubtful.incrementAndGet();
                history.add(Op.compare(name, seen, seen + 1, true, from, from).unknown(Op.NEVER));
            }
            took(from);
            TimeUnit.MILLISECONDS.sleep(5);
        }
        device.close();
    }

    private void depend(RemoteCluster cluster) {
        try (VolumeDevice a = cluster.open(first, AttachMode.SHARED, "dependent");
                VolumeDevice b = cluster.open(second, AttachMode.SHARED, "dependent")) {
            for (long n = 1; !stopping; n++) {
                long from = System.nanoTime();
                a.write(1 << 20, filled(n)).join();
                b.write(1 << 20, filled(n)).join();
                took(from);
                written = n;
            }
        }
    }

    private void snapshots(RemoteCluster cluster) throws InterruptedException {
        for (int n = 1; !stopping; n++) {
            String name = "s" + n;
            try {
                cluster.admin()
                        .createSnapshots(
                                List.of(
                                        new SnapshotName(first, name),
                                        new SnapshotName(second, name)));
                snapshots.add(name);
            } catch (CisternException e) {
                if (!e.code().retryable()) {
                    throw e;
                }
            }
            TimeUnit.MILLISECONDS.sleep(300);
        }
    }

    void stop() throws InterruptedException {
        stopping = true;
        for (Thread thread : threads) {
            if (!thread.join(PATIENCE)) {
                wrong.add(thread.getName() + " waits for its answer for ever");
            }
        }
    }

    long operations() {
        return history.size() + 2 * written + snapshots.size();
    }

    Duration worstStall() {
        return Duration.ofNanos(worstNanos.get());
    }

    /// What is wrong with all that was seen.
    List<String> check() {
        List<String> all = new ArrayList<>(wrong);
        RemoteCluster cluster = clusters.getLast();
        long from = System.nanoTime();
        long last = value(cluster, first, SECTOR);
        history.add(Op.read("end", last, from, System.nanoTime()));
        all.addAll(Checks.exactlyOnce(raised, doubtful.get(), last));
        String why = Linearizability.check(history, 0);
        if (why != null) {
            all.add("the counter: " + why);
        }
        List<Checks.Cut> cuts = new ArrayList<>();
        for (String snapshot : snapshots) {
            cuts.add(
                    new Checks.Cut(
                            snapshot,
                            value(cluster, first + "@" + snapshot, 1 << 20),
                            value(cluster, second + "@" + snapshot, 1 << 20)));
        }
        all.addAll(Checks.cuts(cuts));
        if (cuts.stream().allMatch(cut -> cut.first() == 0) || raised.isEmpty()) {
            all.add("nothing was snapshotted or counted: " + cuts + " " + raised.size());
        }
        return all;
    }

    private static long value(RemoteCluster cluster, String volume, long offset) {
        try (VolumeDevice device = cluster.open(volume, AttachMode.READ_ONLY, "check")) {
            ByteBuffer into = ByteBuffer.allocate(SECTOR);
            device.read(offset, into).join();
            return into.getLong(0);
        }
    }

    /// Else the volumes could not be deleted.
    void deleteSnapshots() {
        for (String snapshot : snapshots) {
            clusters.getLast().admin().deleteSnapshot(new SnapshotName(first, snapshot));
            clusters.getLast().admin().deleteSnapshot(new SnapshotName(second, snapshot));
        }
    }

    @Override
    public void close() throws InterruptedException {
        stopping = true;
        for (Thread thread : threads) {
            thread.interrupt();
        }
        clusters.forEach(RemoteCluster::close);
        for (Thread thread : threads) {
            thread.join(Duration.ofSeconds(10));
        }
    }
}
