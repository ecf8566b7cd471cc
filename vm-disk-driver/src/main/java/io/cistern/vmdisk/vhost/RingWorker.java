package io.cistern.vmdisk.vhost;

import io.cistern.block.CisternException;
import java.io.IOException;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.List;
import java.util.concurrent.CompletableFuture;
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
    private final SplitRing ring;
    private final @Nullable InflightArea inflight;
    private final Thread thread;
    private final AtomicReference<@Nullable Job> completed = new AtomicReference<>();
    private final Polling polling;
    private volatile boolean sleeping;

    // Guarded by the set-up's lock.
    private final Job[] jobs;
    private final int[] batch;
    private final ArrayDeque<Integer> resubmit = new ArrayDeque<>();
    private @Nullable Job waiting;
    private int batched;
    private int inFlight;
    private boolean stopping;
    private boolean broken;

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
        Payload.RingAddress known = setup.address;
        if (setup.size == 0 || known == null) {
            throw new VhostException("a ring was started before its size and place were given");
        }
        this.ring =
                new SplitRing(
                        new SplitRing.Layout(setup.size, setup.features, known),
                        setup.memory.memory);
        this.jobs = new Job[setup.size];
        this.batch = new int[setup.size];
        this.inflight = recover();
        this.thread = Thread.ofPlatform().daemon().name(name).unstarted(this::run);
    }

    private @Nullable InflightArea recover() throws VhostException {
        SharedMemory area = setup.inflightMemory;
        if (area == null) {
            ring.lastAvailable(setup.base);
            return null;
        }
        // A guest may use a part of the ring that it was offered.
        if (setup.inflightSize < setup.size) {
            throw new VhostException(
                    "an area for rings of "
                            + setup.inflightSize
                            + " entries, and a ring of "
                            + setup.size);
        }
        InflightArea found = new InflightArea(area, setup.inflightAt, setup.inflightSize);
        List<Integer> heads = found.recover(ring.usedIndex());
        for (int head : heads) {
            if (head >= setup.size) {
                throw new VhostException("head " + head + " in flight in a ring of " + setup.size);
            }
        }
        // What was taken and is not in flight was answered, in whatever order.
        ring.lastAvailable(ring.usedIndex() + heads.size());
        resubmit.addAll(heads);
        shared.counters().resubmitted.add(heads.size());
        if (!heads.isEmpty()) {
            LOG.info("{}: submitting {} requests again", name, heads.size());
        }
        return found;
    }

    void start() {
        thread.start();
    }

    Thread thread() {
        return thread;
    }

    SplitRing ring() {
        return ring;
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
    }

    /// Takes the guest's memory away from what is under way. The caller holds the lock.
    void forsake() {
        for (Job job : jobs) {
            RingSetup.Hold hold = job == null ? null : job.hold;
            if (hold != null) {
                hold.memory.forsake();
            }
        }
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
            publish();
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
                waits = inFlight > 0;
                over =
                        inFlight == 0
                                && waiting == null
                                && (broken || (stopping && resubmit.isEmpty()));
            } finally {
                setup.lock.unlock();
            }
            if (over) {
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

    /// Answers what has ended and takes what is new.
    ///
    /// @return false where there was nothing to do
    private boolean round() {
        setup.closeRetired();
        boolean worked = answerCompleted();
        try {
            worked |= take();
            publish();
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
                answer(job);
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
        Job held = waiting;
        waiting = null;
        if (held != null) {
            finish(held);
        }
        batched = 0;
    }

    // ---- taking

    private boolean take() throws VhostException {
        if (broken || !shared.gate().getAsBoolean()) {
            return false;
        }
        boolean worked = false;
        Job held = waiting;
        if (held != null) {
            waiting = null;
            if (!start(held)) {
                waiting = held;
                return false;
            }
            worked = true;
        }
        while (!resubmit.isEmpty() && waiting == null) {
            begin(resubmit.removeFirst());
            worked = true;
        }
        if (stopping || !setup.enabled || waiting != null) {
            return worked;
        }
        int pending = ring.pending();
        for (int i = 0; i < pending && waiting == null; i++) {
            int head = ring.head();
            if (job(head).busy) {
                throw new VhostException("head " + head + " is in the ring twice");
            }
            InflightArea area = inflight;
            if (area != null) {
                area.take(head);
            }
            ring.taken();
            begin(head);
            worked = true;
        }
        return worked;
    }

    private Job job(int head) {
        Job job = jobs[head];
        if (job == null) {
            job = new Job(this, head);
            jobs[head] = job;
        }
        return job;
    }

    private void begin(int head) throws VhostException {
        Job job = job(head);
        RingSetup.Hold hold = setup.memory;
        job.busy = true;
        job.hold = hold;
        hold.jobs++;
        inFlight++;
        boolean begun = false;
        try {
            ring.read(head, hold.memory, job.chain);
            job.begin(hold.memory);
            begun = true;
        } finally {
            if (!begun) {
                finish(job);
            }
        }
        if (!start(job)) {
            waiting = job;
        }
    }

    /// @return false where there is no buffer for it now
    private boolean start(Job job) throws VhostException {
        RingSetup.Hold hold = job.hold;
        if (hold == null) {
            throw new IllegalStateException("a request that was not begun");
        }
        int bytes = job.bufferBytes();
        if (bytes > 0 && job.buffer() == null) {
            ByteBuffer buffer = shared.buffers().take(bytes);
            if (buffer == null) {
                return false;
            }
            job.buffer(buffer);
        }
        CompletableFuture<?> future = null;
        boolean started = false;
        try {
            if (setup.refusing) {
                job.status = Job.IOERR;
            } else {
                future = job.start(shared.target(), hold.memory);
            }
            started = true;
        } catch (CisternException e) {
            job.status = Job.IOERR;
            started = true;
        } finally {
            if (!started) {
                finish(job);
            }
        }
        if (future == null || (future.isDone() && !future.isCompletedExceptionally())) {
            answer(job);
        } else {
            future.whenComplete(job);
        }
        return true;
    }

    // ---- answering

    /// Puts the request's answer into the batch.
    private void answer(Job job) throws VhostException {
        RingSetup.Hold hold = job.hold;
        if (broken || hold == null) {
            finish(job);
            return;
        }
        boolean answered = false;
        try {
            CisternException reason = job.reason();
            if (reason != null) {
                LOG.warn("{}: a request failed: {}", name, reason.getMessage());
            }
            long written = job.answer(hold.memory);
            DirtyLog marks = setup.log;
            if (marks != null && (setup.features & Features.LOG_ALL) != 0) {
                job.chain.mark(marks, written);
            }
            shared.counters().count(job);
            ring.use(job.head, written + 1, batched);
            InflightArea area = inflight;
            if (area != null) {
                area.batch(job.head);
            }
            batch[batched++] = job.head;
            answered = true;
        } finally {
            finish(job);
        }
        if (answered && batched == batch.length) {
            publish();
        }
    }

    private void finish(Job job) {
        ByteBuffer buffer = job.buffer();
        if (buffer != null) {
            shared.buffers().giveBack(buffer);
            job.buffer(null);
        }
        RingSetup.Hold hold = job.hold;
        job.hold = null;
        job.busy = false;
        inFlight--;
        if (hold != null && --hold.jobs == 0 && hold != setup.memory) {
            hold.memory.release();
        }
    }

    /// Shows the guest the batch.
    private void publish() throws VhostException {
        if (batched == 0 || broken) {
            return;
        }
        ring.publish(batched);
        InflightArea area = inflight;
        if (area != null) {
            for (int i = 0; i < batched; i++) {
                area.clear(batch[i]);
            }
            area.published(ring.usedIndex());
        }
        batched = 0;
        DirtyLog marks = setup.log;
        Payload.RingAddress known = setup.address;
        if (marks != null && known != null && (known.flags() & Payload.RingAddress.FLAG_LOG) != 0) {
            ring.mark(marks, known.log());
        }
        if (ring.wantsSignal() && setup.call >= 0) {
            Native.signal(setup.call);
        }
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
                            && setup.enabled
                            && waiting == null
                            && shared.gate().getAsBoolean();
            limit = waiting != null || (taking && waitFor < 0) ? RETRY_MS : -1;
            if (taking && ring.arm()) {
                ring.disarm();
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
                ring.disarm();
            }
        } catch (InternalError e) {
            fail(e);
        } finally {
            setup.lock.unlock();
        }
    }
}
