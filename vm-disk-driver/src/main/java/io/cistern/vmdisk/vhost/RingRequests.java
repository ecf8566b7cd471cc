package io.cistern.vmdisk.vhost;

import io.cistern.block.CisternException;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The requests of a ring that runs: taken from it, started on the device, answered. For whoever
/// holds the set-up's lock.
///
/// ```
/// in the ring --take--> in flight --start--> with the device --answer--> in the batch --publish--> seen
///                          '-- waiting, where there is no buffer for it now
/// ```
final class RingRequests {
    private static final Logger LOG = LoggerFactory.getLogger(RingRequests.class);

    private final Queue.Shared shared;
    private final String name;
    private final RingSetup setup;
    private final RingWorker worker;
    private final SplitRing ring;
    private final @Nullable InflightArea inflight;
    private final Job[] jobs;
    private final int[] batch;
    private final ArrayDeque<Integer> resubmit = new ArrayDeque<>();
    private @Nullable Job waiting;
    private int batched;
    private int inFlight;

    /// Nothing is answered any more.
    private boolean dropped;

    /// Finds the ring and what an earlier life has left in it.
    ///
    /// @param worker hears of requests that the device has ended
    /// @throws VhostException where the ring, or what is said to be in flight, cannot be
    RingRequests(Queue.Shared shared, String name, RingSetup setup, RingWorker worker)
            throws VhostException {
        this.shared = shared;
        this.name = name;
        this.setup = setup;
        this.worker = worker;
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
    }

    SplitRing ring() {
        return ring;
    }

    /// True while the device works on something.
    boolean underWay() {
        return inFlight > 0;
    }

    /// True while a request waits for a buffer.
    boolean waiting() {
        return waiting != null;
    }

    /// True where all that an earlier life had taken is begun again.
    boolean recovered() {
        return resubmit.isEmpty();
    }

    /// Answers nothing from here on; what is under way stays marked as in flight.
    void drop() {
        dropped = true;
        Job held = waiting;
        waiting = null;
        if (held != null) {
            finish(held);
        }
        batched = 0;
    }

    /// Takes the guest's memory away from what is under way.
    void forsake() {
        for (Job job : jobs) {
            RingSetup.Hold hold = job == null ? null : job.hold;
            if (hold != null) {
                hold.memory.forsake();
            }
        }
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

    // ---- taking

    /// Takes what is new.
    ///
    /// @param more false to begin only what was taken already
    /// @return false where there was nothing to do
    boolean take(boolean more) throws VhostException {
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
        if (!more || waiting != null) {
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
            job = new Job(worker, head);
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
    void answer(Job job) throws VhostException {
        RingSetup.Hold hold = job.hold;
        if (dropped || hold == null) {
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
            ring.use(job.head, job.used(written), batched);
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
    void publish() throws VhostException {
        if (batched == 0 || dropped) {
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
}
