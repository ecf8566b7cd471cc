package io.cistern.vmdisk.vhost;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// One virtqueue of a connection.
///
/// ```
/// STOPPED --start--> RUNNING --stop: requests under way are answered--> STOPPED
///                       '----- broken: nothing is answered any more, the device is waited for --'
/// ```
///
/// While it runs, a thread of its own takes requests from the ring, starts them on the device, and
/// answers them; nobody else touches the ring or the guest's memory, but the device where it reads
/// straight into memory that cannot shrink. Threads of the device only put completed requests on a
/// list and wake this one if it sleeps. The connection's thread changes the set-up under the lock,
/// which this thread gives up after each round.
final class Queue {
    private static final Logger LOG = LoggerFactory.getLogger(Queue.class);

    /// How long to wait for buffers that others use, and between looks at a ring without a kick
    /// descriptor, in milliseconds.
    private static final int RETRY_MS = 1;

    /// What requests in flight hold on to: a table of memory and how many of them use it. Counted
    /// by the queue's thread alone.
    static final class Hold {
        final GuestMemory memory;
        private int jobs;

        Hold(GuestMemory memory) {
            this.memory = memory;
        }
    }

    /// What the queues of a connection share.
    ///
    /// @param broken called once with the reason why the connection must end
    record Shared(
            Target target,
            Buffers buffers,
            Counters counters,
            long pollNanos,
            Consumer<String> broken) {}

    private final Shared shared;
    private final String name;
    private final int wake;
    private final ReentrantLock lock = new ReentrantLock(true);
    private final AtomicReference<@Nullable Job> completed = new AtomicReference<>();
    private final Polling polling;
    private volatile boolean sleeping;

    // The set-up, guarded by the lock.
    private int size;
    private int base;
    private Payload.@Nullable RingAddress address;
    private long features;
    private int kick = -1;
    private final ArrayDeque<Integer> retired = new ArrayDeque<>();
    private int call = -1;
    private int err = -1;
    private boolean enabled = true;
    private Hold memory = new Hold(GuestMemory.NONE);
    private @Nullable DirtyLog log;
    private @Nullable SharedMemory inflightMemory;
    private long inflightAt;
    private int inflightSize;
    private boolean refusing;

    // While it runs, guarded by the lock.
    private @Nullable Thread thread;
    private @Nullable SplitRing ring;
    private @Nullable InflightArea inflight;
    private Job[] jobs = new Job[0];
    private final ArrayDeque<Integer> resubmit = new ArrayDeque<>();
    private @Nullable Job waiting;
    private int inFlight;
    private boolean stopping;
    private boolean broken;
    private int[] batch = new int[0];
    private int batched;

    Queue(Shared shared, String name) throws IOException {
        this.shared = shared;
        this.name = name;
        this.polling = new Polling(shared.pollNanos);
        this.wake = WakeUps.take();
    }

    // ---- set-up, by the connection's thread

    private interface Change {
        void run() throws IOException;
    }

    private void change(Change change) throws IOException {
        lock.lock();
        try {
            change.run();
        } finally {
            lock.unlock();
        }
        Native.signal(wake);
    }

    private void mustBeStopped(String what) throws VhostException {
        if (thread != null) {
            throw new VhostException(what + " of a ring that runs");
        }
    }

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
            size = entries;
        });
    }

    void base(int index) throws IOException {
        change(() -> {
            mustBeStopped("SET_VRING_BASE");
            base = index & 0xffff;
        });
    }

    /// Also while it runs: that is how a front end switches marks of the used ring on and off.
    void address(Payload.RingAddress given) throws IOException {
        change(() -> {
            SplitRing running = ring;
            if (running != null) {
                running.move(given, memory.memory);
            }
            address = given;
        });
    }

    void features(long negotiated) throws IOException {
        change(() -> features = negotiated);
    }

    /// Uses another table from now on; requests in flight keep theirs.
    void memory(GuestMemory table) throws IOException {
        change(() -> {
            Payload.RingAddress known = address;
            SplitRing running = ring;
            if (running != null && known != null) {
                running.move(known, table);
            }
            table.retain();
            Hold old = memory;
            memory = new Hold(table);
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
            DirtyLog old = log;
            log = next;
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
            SharedMemory old = inflightMemory;
            inflightMemory = next;
            inflightAt = at;
            inflightSize = entries;
            if (old != null) {
                old.release();
            }
        });
    }

    /// @param fd this queue's from here on, -1 for none
    void call(int fd) throws IOException {
        change(() -> {
            Native.close(call);
            call = fd;
            if (fd >= 0) {
                Native.nonBlocking(fd);
            }
        });
    }

    /// @param fd this queue's from here on, -1 for none
    void err(int fd) throws IOException {
        change(() -> {
            Native.close(err);
            err = fd;
            if (fd >= 0) {
                Native.nonBlocking(fd);
            }
        });
    }

    void enable(boolean on) throws IOException {
        change(() -> enabled = on);
    }

    /// Answers all further requests with an error.
    void refuse() throws IOException {
        change(() -> refusing = true);
    }

    /// Starts the ring.
    ///
    /// @param fd the kick descriptor, this queue's from here on; -1: look at the ring again and
    ///   again
    void start(int fd) throws IOException {
        change(() -> {
            if (thread != null) {
                // Another descriptor for a ring that runs. Its thread may wait for the old one; it
                // is woken below, and the new one is looked at from then on.
                replaceKick(fd);
                return;
            }
            replaceKick(fd);
            Payload.RingAddress known = address;
            if (size == 0 || known == null) {
                throw new VhostException("a ring was started before its size and place were given");
            }
            SplitRing made =
                    new SplitRing(new SplitRing.Layout(size, features, known), memory.memory);
            jobs = new Job[size];
            batch = new int[size];
            recover(made);
            ring = made;
            stopping = false;
            Thread started = Thread.ofPlatform().daemon().name(name).unstarted(this::run);
            thread = started;
            started.start();
        });
    }

    private void replaceKick(int fd) throws IOException {
        // The thread may be waiting for the old one: it closes it when it does not any more.
        retired.add(kick);
        kick = fd;
        if (fd >= 0) {
            Native.nonBlocking(fd);
        }
    }

    private void recover(SplitRing made) throws VhostException {
        resubmit.clear();
        SharedMemory area = inflightMemory;
        if (area == null) {
            inflight = null;
            made.lastAvailable(base);
            return;
        }
        // A guest may use a part of the ring that it was offered.
        if (inflightSize < size) {
            throw new VhostException(
                    "an area for rings of " + inflightSize + " entries, and a ring of " + size);
        }
        InflightArea found = new InflightArea(area, inflightAt, inflightSize);
        List<Integer> heads = found.recover(made.usedIndex());
        for (int head : heads) {
            if (head >= size) {
                throw new VhostException("head " + head + " in flight in a ring of " + size);
            }
        }
        // What was taken and is not in flight was answered, in whatever order.
        made.lastAvailable(made.usedIndex() + heads.size());
        resubmit.addAll(heads);
        shared.counters.resubmitted.add(heads.size());
        if (!heads.isEmpty()) {
            LOG.info("{}: submitting {} requests again", name, heads.size());
        }
        inflight = found;
    }

    /// Takes no more requests, waits until those under way are answered, and stops.
    ///
    /// @return the index of the next request in the ring
    int stop() throws IOException {
        Thread running;
        lock.lock();
        try {
            stopping = true;
            running = thread;
        } finally {
            lock.unlock();
        }
        Native.signal(wake);
        if (running != null) {
            join(running);
        }
        lock.lock();
        try {
            SplitRing stopped = ring;
            if (stopped != null) {
                base = stopped.lastAvailable();
            }
            ring = null;
            thread = null;
            retired.add(kick);
            kick = -1;
            closeRetired();
            return base;
        } finally {
            lock.unlock();
        }
    }

    /// Stops without answering anything: the guest's memory is not touched any more once this has
    /// returned.
    void abandon() {
        lock.lock();
        try {
            broken = true;
        } finally {
            lock.unlock();
        }
        Native.signal(wake);
    }

    /// Waits until the device has ended what was under way, and frees everything.
    void close() throws IOException {
        stop();
        memory(GuestMemory.NONE);
        log(null);
        inflight(null, 0, 0);
        call(-1);
        err(-1);
        WakeUps.giveBack(wake);
    }

    private static void join(Thread running) {
        boolean interrupted = false;
        while (true) {
            try {
                running.join();
                break;
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    // ---- the queue's thread

    /// By any thread: a request of this queue has ended.
    void completed(Job job) {
        Job first;
        do {
            first = completed.get();
            job.nextCompleted = first;
        } while (!completed.compareAndSet(first, job));
        if (sleeping) {
            Native.signal(wake);
        }
    }

    private void run() {
        long idleSince = 0;
        while (true) {
            boolean worked;
            boolean over;
            lock.lock();
            try {
                worked = round();
                over = inFlight == 0 && waiting == null && (stopping || broken);
            } finally {
                lock.unlock();
            }
            if (over) {
                return;
            }
            if (worked) {
                idleSince = 0;
                continue;
            }
            long now = System.nanoTime();
            if (idleSince == 0) {
                idleSince = now;
            }
            if (now - idleSince < polling.windowNanos()) {
                Thread.onSpinWait();
                continue;
            }
            sleep();
            idleSince = 0;
        }
    }

    /// Answers what has ended and takes what is new.
    ///
    /// @return false where there was nothing to do
    private boolean round() {
        closeRetired();
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
        boolean worked = ended != null;
        try {
            worked |= take();
            publish();
        } catch (VhostException | RuntimeException | InternalError e) {
            fail(e);
        }
        return worked;
    }

    private void closeRetired() {
        while (!retired.isEmpty()) {
            Native.close(retired.removeFirst());
        }
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
            if (err >= 0) {
                Native.signal(err);
            }
            String reason = String.valueOf(cause.getMessage());
            if (cause instanceof InternalError) {
                reason = "the guest's memory went away: the front end has made it shorter";
            } else if (cause instanceof RuntimeException) {
                LOG.error("{}: closing the connection", name, cause);
                reason = "internal error: " + cause;
            }
            shared.broken.accept(name + ": " + reason);
        }
        Job held = waiting;
        waiting = null;
        if (held != null) {
            finish(held);
        }
        batched = 0;
    }

    private boolean take() throws VhostException {
        SplitRing running = ring;
        if (running == null || broken) {
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
            begin(running, resubmit.removeFirst());
            worked = true;
        }
        if (stopping || !enabled || waiting != null) {
            return worked;
        }
        int pending = running.pending();
        for (int i = 0; i < pending && waiting == null; i++) {
            int head = running.head();
            if (job(head).busy) {
                throw new VhostException("head " + head + " is in the ring twice");
            }
            InflightArea area = inflight;
            if (area != null) {
                area.take(head);
            }
            running.taken();
            begin(running, head);
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

    private void begin(SplitRing running, int head) throws VhostException {
        Job job = job(head);
        Hold hold = memory;
        job.busy = true;
        job.hold = hold;
        hold.jobs++;
        inFlight++;
        boolean begun = false;
        try {
            running.read(head, hold.memory, job.chain);
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
        Hold hold = job.hold;
        if (hold == null) {
            throw new IllegalStateException("a request that was not begun");
        }
        int bytes = job.bufferBytes();
        if (bytes > 0 && job.buffer() == null) {
            ByteBuffer buffer = shared.buffers.take(bytes);
            if (buffer == null) {
                return false;
            }
            job.buffer(buffer);
        }
        CompletableFuture<?> future = null;
        boolean started = false;
        try {
            if (refusing) {
                job.status = Job.IOERR;
            } else {
                future = job.start(shared.target, hold.memory);
            }
            started = true;
        } catch (io.cistern.block.CisternException e) {
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

    /// Puts the request's answer into the batch.
    private void answer(Job job) throws VhostException {
        SplitRing running = ring;
        Hold hold = job.hold;
        if (broken || running == null || hold == null) {
            finish(job);
            return;
        }
        boolean answered = false;
        try {
            io.cistern.block.CisternException reason = job.reason();
            if (reason != null) {
                LOG.warn("{}: a request failed: {}", name, reason.getMessage());
            }
            long written = job.answer(hold.memory);
            DirtyLog marks = log;
            if (marks != null && (features & Features.LOG_ALL) != 0) {
                job.chain.mark(marks, written);
            }
            shared.counters.count(job);
            running.use(job.head, written + 1, batched);
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
            shared.buffers.giveBack(buffer);
            job.buffer(null);
        }
        Hold hold = job.hold;
        job.hold = null;
        job.busy = false;
        inFlight--;
        if (hold != null && --hold.jobs == 0 && hold != memory) {
            hold.memory.release();
        }
    }

    /// Shows the guest the batch.
    private void publish() throws VhostException {
        SplitRing running = ring;
        if (batched == 0 || running == null || broken) {
            return;
        }
        running.publish(batched);
        InflightArea area = inflight;
        if (area != null) {
            for (int i = 0; i < batched; i++) {
                area.clear(batch[i]);
            }
            area.published(running.usedIndex());
        }
        batched = 0;
        DirtyLog marks = log;
        Payload.RingAddress known = address;
        if (marks != null && known != null && (known.flags() & Payload.RingAddress.FLAG_LOG) != 0) {
            running.mark(marks, known.log());
        }
        if (running.wantsSignal() && call >= 0) {
            Native.signal(call);
        }
    }

    private void sleep() {
        int waitFor;
        int limit;
        lock.lock();
        try {
            SplitRing running = ring;
            waitFor = kick;
            boolean taking = !stopping && !broken && enabled && waiting == null;
            limit = waiting != null || (taking && kick < 0) ? RETRY_MS : -1;
            if (taking && running != null && running.arm()) {
                running.disarm();
                return;
            }
            if (!taking) {
                waitFor = -1;
            }
        } catch (VhostException | InternalError e) {
            fail(e);
            return;
        } finally {
            lock.unlock();
        }
        sleeping = true;
        try {
            java.lang.invoke.VarHandle.fullFence();
            if (completed.get() != null) {
                return;
            }
            long before = System.nanoTime();
            int ready = Native.await(waitFor, wake, limit);
            polling.slept(System.nanoTime() - before);
            if ((ready & 2) != 0) {
                Native.drain(wake);
            }
            if ((ready & 1) != 0 && !Native.drain(waitFor)) {
                throw new IOException("the kick descriptor has ended");
            }
        } catch (IOException e) {
            lock.lock();
            try {
                fail(e);
            } finally {
                lock.unlock();
            }
        } finally {
            sleeping = false;
        }
        awake();
    }

    private void awake() {
        lock.lock();
        try {
            SplitRing running = ring;
            if (running != null && !broken) {
                running.disarm();
            }
        } catch (InternalError e) {
            fail(e);
        } finally {
            lock.unlock();
        }
    }
}
