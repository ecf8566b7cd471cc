package io.cistern.chaos;

import io.cistern.chaos.check.Checks;
import io.cistern.chaos.check.Linearizability;
import io.cistern.chaos.check.Op;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;

/// Initiators at several portals that raise one counter by COMPARE AND WRITE, each having read it
/// before, as fast as they can. A path that is lost is replaced by another to the same portal, or
/// the next one where that cannot be had.
final class PortalStorm implements AutoCloseable {
    private static final int SECTOR = 512;
    private static final long PLACE = 4096;
    private static final int INITIATORS = 6;
    private static final Duration SILENCE = Duration.ofSeconds(8);
    private static final Duration PATIENCE = Duration.ofSeconds(90);

    private final List<String> portals;
    private final String volume;
    private final List<Thread> threads = new ArrayList<>();
    private final List<Op> history = Collections.synchronizedList(new ArrayList<>());
    private final List<Long> raised = Collections.synchronizedList(new ArrayList<>());
    private final List<String> wrong = Collections.synchronizedList(new ArrayList<>());
    private final AtomicLong doubtful = new AtomicLong();
    private final AtomicLong worstNanos = new AtomicLong();
    private volatile boolean stopping;

    PortalStorm(List<String> portals, String volume) {
        this.portals = portals;
        this.volume = volume;
        for (int i = 0; i < INITIATORS; i++) {
            int first = i;
            threads.add(Thread.ofPlatform().name("storm-" + i).daemon().start(() -> storm(first)));
        }
    }

    private void storm(int first) {
        String name = "storm" + first;
        try {
            for (int portal = first; !stopping; ) {
                boolean open = false;
                try (IscsiPath path = open(portal, name)) {
                    open = true;
                    while (!stopping) {
                        raise(path, name);
                    }
                } catch (IOException broken) {
                    portal += open ? 0 : 1;
                    Thread.sleep(20);
                }
            }
        } catch (InterruptedException closed) {
            Thread.currentThread().interrupt();
        } catch (RuntimeException | Error e) {
            wrong.add(name + " failed: " + e);
        }
    }

    private IscsiPath open(int portal, String name) throws IOException {
        return IscsiPath.open(portals.get(portal % portals.size()), volume, name, SILENCE);
    }

    private static ByteBuffer filled(long value) {
        ByteBuffer bytes = ByteBuffer.allocate(SECTOR);
        while (bytes.hasRemaining()) {
            bytes.putLong(value);
        }
        return bytes.clear();
    }

    private void raise(IscsiPath path, String name) throws IOException {
        long from = System.nanoTime();
        long seen = read(path);
        long to = System.nanoTime();
        history.add(Op.read(name, seen, from, to));
        worstNanos.accumulateAndGet(to - from, Math::max);
        from = System.nanoTime();
        boolean success;
        try {
            success = path.compareAndWrite(PLACE, filled(seen), filled(seen + 1));
        } catch (IOException e) {
            doubtful.incrementAndGet();
            history.add(Op.compare(name, seen, seen + 1, true, from, from).unknown(Op.NEVER));
            throw e;
        }
        to = System.nanoTime();
        history.add(Op.compare(name, seen, seen + 1, success, from, to));
        if (success) {
            raised.add(seen);
        }
        worstNanos.accumulateAndGet(to - from, Math::max);
    }

    private static long read(IscsiPath path) throws IOException {
        ByteBuffer into = ByteBuffer.allocate(SECTOR);
        int error = path.ask(Nbd.READ, PLACE, SECTOR, into);
        if (error != 0) {
            throw new IOException("read: " + error);
        }
        long value = into.getLong(0);
        for (int at = 8; at < SECTOR; at += 8) {
            if (into.getLong(at) != value) {
                throw new IllegalStateException("a torn sector");
            }
        }
        return value;
    }

    long raised() {
        return raised.size();
    }

    void stop() throws InterruptedException {
        stopping = true;
        for (Thread thread : threads) {
            if (!thread.join(PATIENCE)) {
                wrong.add(thread.getName() + " waits for its answer for ever");
            }
        }
    }

    /// What is wrong with all that was seen.
    List<String> check() throws IOException {
        List<String> all = new ArrayList<>(wrong);
        long from = System.nanoTime();
        try (IscsiPath path = open(0, "check")) {
            long last = read(path);
            history.add(Op.read("end", last, from, System.nanoTime()));
            all.addAll(Checks.exactlyOnce(raised, doubtful.get(), last));
        }
        String why = Linearizability.check(history, 0);
        if (why != null) {
            all.add("the counter: " + why);
        }
        return all;
    }

    long operations() {
        return history.size();
    }

    Duration worstStall() {
        return Duration.ofNanos(worstNanos.get());
    }

    @Override
    public void close() throws InterruptedException {
        stopping = true;
        for (Thread thread : threads) {
            thread.interrupt();
            thread.join(Duration.ofSeconds(10));
        }
    }
}
