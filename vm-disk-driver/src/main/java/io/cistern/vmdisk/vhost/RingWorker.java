package io.cistern.vmdisk.vhost;

import java.io.IOException;
import java.lang.invoke.VarHandle;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Serves a ring from its start to its end, with a thread of its own that takes requests, starts
/// them on the device and answers them.
///
/// Whoever touches the ring or the guest's memory holds the set-up's lock, but for the device where
/// it reads straight into memory that cannot shrink. Threads of the device put completed requests
/// on a list. Where the worker's thread sleeps, and no memory of the guest can be cut off under
/// whoever touches it, they answer what is on the list themselves; else they wake it. They never
/// wait: not for the lock, nor for anything that is done under it.
final class RingWorker {
    private static final Logger LOG = LoggerFactory.getLogger(RingWorker.class);

    /// How long to wait for buffers that others use, and between looks at a ring without a kick
    /// descriptor, in milliseconds.
    private static final int RETRY_MS = 1;

    private final Queue.Shared shared;
    private final String name;
    private final RingSetup setup;
    private final int wake;
    private final RingRequests requests;
    private final Thread thread;
    private final AtomicReference<@Nullable Job> completed = new AtomicReference<>();
    private final Polling polling;
    private volatile boolean sleeping;

    // Guarded by the set-up's lock.
    private boolean stopping;
    private boolean broken;

    /// Descriptors that this worker may wait for and has to close; null while it belongs to a ring.
    private @Nullable List<Integer> kicks;

    private @Nullable Runnable gone;
    private boolean ended;

    /// Finds the ring and what an earlier life has left in it. The caller holds the lock.
    ///
    /// @param wake an eventfd that wakes the worker; stays the caller's
    /// @throws VhostException where the ring, or what is said to be in flight, cannot be
    RingWorker(Queue.Shared shared, String name, RingSetup setup, int wake) throws VhostException {
        this.shared = shared;
        this.name = name;
        this.setup = setup;
        this.wake = wake;
        this.polling = new Polling(shared.pollNanos());
        this.requests = new RingRequests(shared, name, setup, this);
        this.thread = Thread.ofPlatform().daemon().name(name).unstarted(this::run);
    }

    void start() {
        thread.start();
    }

    Thread thread() {
        return thread;
    }

    SplitRing ring() {
        return requests.ring();
    }

    /// Takes nothing more; the thread ends when all is answered. The caller holds the lock, and
    /// then signals.
    void stop() {
        stopping = true;
    }

    /// Answers nothing more; the thread ends when the device has ended all. The caller holds the
    /// lock, and then signals.
    void abandon() {
        broken = true;
        requests.drop();
    }

    /// As [#abandon], and from here on the ring may get another worker. The caller holds the lock,
    /// and then signals.
    ///
    /// @param then called by the thread when it ends
    /// @return false where it has ended already, with all answered
    boolean leave(Runnable then) {
        if (ended) {
            return false;
        }
        abandon();
        kicks = setup.giveKicksAway();
        gone = then;
        return true;
    }

    /// Takes the guest's memory away from what is under way. The caller holds the lock.
    void forsake() {
        requests.forsake();
    }

    /// By any thread: a request of this ring has ended.
    void completed(Job job) {
        Job first;
        do {
            first = completed.get();
            job.nextCompleted = first;
        } while (!completed.compareAndSet(first, job));
        if (sleeping && !answerHere()) {
            Native.signal(wake);
        }
    }

    /// Answers what has ended, in a thread of the device.
    ///
    /// @return false where the worker's own thread has to do it
    private boolean answerHere() {
        if (!setup.lock.tryLock()) {
            return false;
        }
        try {
            if (broken || stopping || !unshrinkable()) {
                return false;
            }
            answerCompleted();
            requests.publish();
            return !broken;
        } catch (VhostException | RuntimeException | InternalError e) {
            fail(e);
            return false;
        } finally {
            setup.lock.unlock();
        }
    }

    /// True where touching the guest's memory can never fail. During a migration the dirty log is
    /// touched as well, which is the front end's own file.
    private boolean unshrinkable() {
        SharedMemory area = setup.inflightMemory;
        return setup.log == null
                && setup.memory.memory.cannotShrink()
                && (area == null || area.cannotShrink());
    }

    private void run() {
        long idleSince = 0;
        while (true) {
            boolean worked;
            boolean over;
            boolean waits;
            setup.lock.lock();
            try {
                worked = round();
                waits = requests.underWay();
                over =
                        !waits
                                && !requests.waiting()
                                && (broken || (stopping && requests.recovered()));
            } finally {
                setup.lock.unlock();
            }
            if (over) {
                end();
                return;
            }
            if (worked) {
                idleSince = 0;
                continue;
            }
            // Looking on is for the guest's next request. What the device works on takes longer,
            // and
            // may need this processor for it.
            long now = System.nanoTime();
            if (idleSince == 0) {
                idleSince = now;
            }
            if (!waits && now - idleSince < polling.windowNanos()) {
                Thread.onSpinWait();
                continue;
            }
            sleep(!waits);
            idleSince = 0;
        }
    }

    private void end() {
        Runnable then;
        setup.lock.lock();
        try {
            ended = true;
            then = gone;
            if (kicks != null) {
                kicks.forEach(Native::close);
            }
        } finally {
            setup.lock.unlock();
        }
        if (then != null) {
            then.run();
        }
    }

    /// Answers what has ended and takes what is new.
    ///
    /// @return false where there was nothing to do
    private boolean round() {
        if (kicks == null) {
            setup.closeRetired();
        }
        boolean worked = answerCompleted();
        try {
            if (!broken && shared.gate().isOpen()) {
                worked |= requests.take(!stopping && setup.taking());
            }
            requests.publish();
        } catch (VhostException | RuntimeException | InternalError e) {
            fail(e);
        }
        return worked;
    }

    /// @return false where nothing had ended
    private boolean answerCompleted() {
        Job ended = completed.getAndSet(null);
        Job next = inOrder(ended);
        while (next != null) {
            Job job = next;
            next = job.nextCompleted;
            job.ended();
            try {
                requests.answer(job);
            } catch (VhostException | RuntimeException | InternalError e) {
                fail(e);
            }
        }
        return ended != null;
    }

    private static @Nullable Job inOrder(@Nullable Job newest) {
        Job first = null;
        Job next = newest;
        while (next != null) {
            Job following = next.nextCompleted;
            next.nextCompleted = first;
            first = next;
            next = following;
        }
        return first;
    }

    /// Ends the connection: its guest's requests are not answered any more.
    private void fail(Throwable cause) {
        if (!broken) {
            broken = true;
            if (setup.err >= 0) {
                Native.signal(setup.err);
            }
            String reason = String.valueOf(cause.getMessage());
            if (cause instanceof InternalError) {
                reason = "the guest's memory went away: the front end has made it shorter";
            } else if (cause instanceof RuntimeException) {
                LOG.error("{}: closing the connection", name, cause);
                reason = "internal error: " + cause;
            }
            shared.broken().accept(name + ": " + reason);
        }
        requests.drop();
    }

    // ---- sleeping

    /// @param measured whether its length says something about the guest
    private void sleep(boolean measured) {
        int waitFor;
        int limit;
        setup.lock.lock();
        try {
            waitFor = setup.kick;
            boolean taking =
                    !stopping
                            && !broken
                            && setup.taking()
                            && !requests.waiting()
                            && shared.gate().isOpen();
            limit = requests.waiting() || (taking && waitFor < 0) ? RETRY_MS : -1;
            if (taking && requests.ring().arm()) {
                requests.ring().disarm();
                return;
            }
            if (!taking) {
                waitFor = -1;
            }
        } catch (VhostException | InternalError e) {
            fail(e);
            return;
        } finally {
            setup.lock.unlock();
        }
        sleeping = true;
        try {
            VarHandle.fullFence();
            if (completed.get() != null) {
                return;
            }
            long before = System.nanoTime();
            int ready = Native.await(waitFor, wake, limit);
            if (measured) {
                polling.slept(System.nanoTime() - before);
            }
            if ((ready & 2) != 0) {
                Native.drain(wake);
            }
            if ((ready & 1) != 0 && !Native.drain(waitFor)) {
                throw new IOException("the kick descriptor has ended");
            }
        } catch (IOException e) {
            setup.lock.lock();
            try {
                fail(e);
            } finally {
                setup.lock.unlock();
            }
        } finally {
            sleeping = false;
        }
        awake();
    }

    private void awake() {
        setup.lock.lock();
        try {
            if (!broken) {
                requests.ring().disarm();
            }
        } catch (InternalError e) {
            fail(e);
        } finally {
            setup.lock.unlock();
        }
    }
}
