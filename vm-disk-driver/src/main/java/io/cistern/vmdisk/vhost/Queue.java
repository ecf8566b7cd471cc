package io.cistern.vmdisk.vhost;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// One virtqueue of a connection: its set-up and its life.
///
/// ```
/// STOPPED --start--> RUNNING --stop: requests under way are answered--> STOPPED
///                       |----- giveUp: they stay marked as in flight, the next start has them -'
///                       '----- abandon: nothing is answered any more, the device is waited for --'
/// ```
///
/// While it runs, a [RingWorker] serves the ring. All methods are called by the connection's
/// thread, but those whose doc says otherwise.
final class Queue {
    /// How often somebody who waits for a ring looks whether that is still of use, in milliseconds.
    private static final int LOOK_MS = 20;

    /// What the queues of a connection share.
    ///
    /// @param broken called once with the reason why the connection must end
    record Shared(
            Target target,
            Buffers buffers,
            Counters counters,
            long pollNanos,
            Gate gate,
            Consumer<String> broken) {}

    private final Shared shared;
    private final String name;
    private volatile int wake;
    private final RingSetup setup = new RingSetup();

    // Guarded by the set-up's lock.
    private @Nullable RingWorker worker;
    private boolean abandoned;

    /// Workers that were given up and wait for the device.
    private final List<RingWorker> leaving = new ArrayList<>();

    Queue(Shared shared, String name) throws IOException {
        this.shared = shared;
        this.name = name;
        this.wake = WakeUps.take();
    }

    private interface Change {
        void run() throws IOException;
    }

    private void change(Change change) throws IOException {
        setup.lock.lock();
        try {
            change.run();
        } finally {
            setup.lock.unlock();
        }
        Native.signal(wake);
    }

    private void mustBeStopped(String what) throws VhostException {
        if (worker != null) {
            throw new VhostException(what + " of a ring that runs");
        }
    }

    // ---- set-up

    void size(int entries) throws IOException {
        change(() -> {
            mustBeStopped("SET_VRING_NUM");
            if (entries < 1 || entries > SplitRing.MAX_SIZE || Integer.bitCount(entries) != 1) {
                throw new VhostException(
                        "a ring of "
                                + Integer.toUnsignedLong(entries)
                                + " entries; powers of two up to "
                                + SplitRing.MAX_SIZE
                                + " are known here");
            }
            setup.size = entries;
        });
    }

    void base(int index) throws IOException {
        change(() -> {
            mustBeStopped("SET_VRING_BASE");
            setup.base = index & 0xffff;
        });
    }

    /// Also while it runs: that is how a front end switches marks of the used ring on and off.
    void address(Payload.RingAddress given) throws IOException {
        change(() -> {
            RingWorker running = worker;
            if (running != null) {
                running.ring().move(given, setup.memory.memory);
            }
            setup.address = given;
        });
    }

    void features(long negotiated) throws IOException {
        change(() -> setup.features = negotiated);
    }

    /// Uses another table from now on; requests in flight keep theirs.
    void memory(GuestMemory table) throws IOException {
        change(() -> {
            Payload.RingAddress known = setup.address;
            RingWorker running = worker;
            if (running != null && known != null) {
                running.ring().move(known, table);
            }
            table.retain();
            RingSetup.Hold old = setup.memory;
            setup.memory = new RingSetup.Hold(table);
            if (old.jobs == 0) {
                old.memory.release();
            }
        });
    }

    /// @param next null for none
    void log(@Nullable DirtyLog next) throws IOException {
        change(() -> {
            if (next != null) {
                next.retain();
            }
            DirtyLog old = setup.log;
            setup.log = next;
            if (old != null) {
                old.release();
            }
        });
    }

    /// @param next null for none
    void inflight(@Nullable SharedMemory next, long at, int entries) throws IOException {
        change(() -> {
            mustBeStopped("SET_INFLIGHT_FD");
            if (next != null) {
                next.retain();
            }
            SharedMemory old = setup.inflightMemory;
            setup.inflightMemory = next;
            setup.inflightAt = at;
            setup.inflightSize = entries;
            if (old != null) {
                old.release();
            }
        });
    }

    /// @param fd this queue's from here on, -1 for none
    void call(int fd) throws IOException {
        change(() -> {
            Native.close(setup.call);
            setup.call = fd;
            if (fd >= 0) {
                Native.nonBlocking(fd);
            }
        });
    }

    /// @param fd this queue's from here on, -1 for none
    void err(int fd) throws IOException {
        change(() -> {
            Native.close(setup.err);
            setup.err = fd;
            if (fd >= 0) {
                Native.nonBlocking(fd);
            }
        });
    }

    void enable(boolean on) throws IOException {
        change(() -> setup.enabled = on);
    }

    /// Answers all further requests with an error. By any thread.
    void refuse() throws IOException {
        change(() -> setup.refusing = true);
    }

    // ---- life

    /// Starts the ring; where it runs, only changes the kick descriptor.
    ///
    /// @param fd the kick descriptor, this queue's from here on; -1: look at the ring again and
    ///   again
    void start(int fd) throws IOException {
        change(() -> {
            setup.replaceKick(fd);
            if (fd >= 0) {
                Native.nonBlocking(fd);
            }
            if (worker != null) {
                // It may wait for the old descriptor; it is woken below and looks at the new one.
                return;
            }
            RingWorker made = new RingWorker(shared, name, setup, wake);
            if (abandoned) {
                made.abandon();
            }
            worker = made;
            made.start();
        });
    }

    /// Takes no more requests and waits until those under way are answered.
    ///
    /// @param patient asked again and again, whether to wait on
    /// @return whether the ring has stopped; where not, it still takes nothing
    boolean stop(BooleanSupplier patient) throws IOException {
        RingWorker running;
        setup.lock.lock();
        try {
            running = worker;
            if (running != null) {
                running.stop();
            }
        } finally {
            setup.lock.unlock();
        }
        Native.signal(wake);
        while (running != null && !join(running.thread())) {
            if (!patient.getAsBoolean()) {
                return false;
            }
        }
        setup.lock.lock();
        try {
            if (running != null) {
                setup.base = running.ring().lastAvailable();
            }
            worker = null;
            setup.replaceKick(-1);
            setup.closeRetired();
            return true;
        } finally {
            setup.lock.unlock();
        }
    }

    /// True where requests can be given up: the front end keeps track of those in flight, or the
    /// ring does not run.
    boolean canGiveUp() {
        setup.lock.lock();
        try {
            return worker == null || setup.inflightMemory != null;
        } finally {
            setup.lock.unlock();
        }
    }

    /// Stops the ring at once. What is under way is not answered; it stays marked as in flight, and
    /// whoever starts the ring again has it submitted again. As after [#abandon] the device may
    /// still write to the guest's memory: see [#forsake]. Only where [#canGiveUp].
    void giveUp() throws IOException {
        int next = WakeUps.take();
        int last = wake;
        setup.lock.lock();
        try {
            RingWorker running = worker;
            if (running == null || !running.leave(() -> left(running, last))) {
                WakeUps.giveBack(next);
                return;
            }
            shared.gate().leaves();
            leaving.add(running);
            setup.base = running.ring().lastAvailable();
            worker = null;
            wake = next;
        } finally {
            setup.lock.unlock();
        }
        Native.signal(last);
    }

    private void left(RingWorker gone, int itsWake) {
        setup.lock.lock();
        try {
            leaving.remove(gone);
        } finally {
            setup.lock.unlock();
        }
        WakeUps.giveBack(itsWake);
        shared.gate().gone();
    }

    /// The index of the next request in a ring that has stopped.
    int base() {
        return setup.base;
    }

    /// From here on nothing is answered, neither the ring nor its in-flight area is touched. By any
    /// thread. The device may still write to the guest's memory: see [#forsake].
    void abandon() {
        setup.lock.lock();
        try {
            abandoned = true;
            RingWorker running = worker;
            if (running != null) {
                running.abandon();
            }
        } finally {
            setup.lock.unlock();
        }
        Native.signal(wake);
    }

    /// Takes the guest's memory away from reads that are still under way. Once this has returned,
    /// no byte of it changes by them. Only after all rings that share the memory were abandoned. By
    /// any thread.
    void forsake() {
        setup.lock.lock();
        try {
            RingWorker running = worker;
            if (running != null) {
                running.forsake();
            }
            leaving.forEach(RingWorker::forsake);
        } finally {
            setup.lock.unlock();
        }
    }

    /// Looks at the ring again: the gate has opened. By any thread.
    void wake() {
        Native.signal(wake);
    }

    /// Waits until the device has ended what was under way, and frees everything.
    void close() throws IOException {
        stop(() -> true);
        for (RingWorker late : stillLeaving()) {
            while (!join(late.thread())) {
                Thread.onSpinWait();
            }
        }
        memory(GuestMemory.NONE);
        log(null);
        inflight(null, 0, 0);
        call(-1);
        err(-1);
        WakeUps.giveBack(wake);
    }

    private List<RingWorker> stillLeaving() {
        setup.lock.lock();
        try {
            return List.copyOf(leaving);
        } finally {
            setup.lock.unlock();
        }
    }

    /// @return false after a moment
    private static boolean join(Thread running) {
        boolean interrupted = false;
        long end = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(LOOK_MS);
        while (running.isAlive()) {
            long left = end - System.nanoTime();
            if (left <= 0) {
                break;
            }
            try {
                running.join(java.time.Duration.ofNanos(left));
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        return !running.isAlive();
    }
}
