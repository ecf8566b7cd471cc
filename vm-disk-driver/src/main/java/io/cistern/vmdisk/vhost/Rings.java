package io.cistern.vmdisk.vhost;

import io.cistern.vmdisk.vhost.GuestMemory.Region;
import java.io.IOException;
import java.util.List;
import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The rings of a connection and what they have in common: the features, the guest's memory, the
/// area of requests in flight, the dirty log. A ring is made when a message first names it.
///
/// All methods are called by the connection's thread, but those whose doc says otherwise.
final class Rings {
    private static final Logger LOG = LoggerFactory.getLogger(Rings.class);
    private static final int MAX = Connection.MAX_QUEUES;

    private final String name;
    private final Gate gate;
    private final Queue.Shared shared;
    private final AtomicReferenceArray<@Nullable Queue> queues = new AtomicReferenceArray<>(MAX);

    private GuestMemory memory = GuestMemory.NONE;
    private @Nullable SharedMemory inflight;
    private Payload.@Nullable Inflight inflightLayout;
    private @Nullable DirtyLog log;
    private long features;
    private volatile boolean refusing;

    /// @param name of the connection's threads
    /// @param broken called with the reason why the connection must end
    Rings(Connection.Serving serving, String name, Consumer<String> broken) {
        this.name = name;
        this.gate = new Gate(() -> forEach(Queue::wake));
        this.shared =
                new Queue.Shared(
                        serving.target(),
                        serving.buffers(),
                        serving.counters(),
                        serving.pollNanos(),
                        gate,
                        broken);
    }

    /// Something done to a ring.
    private interface Change {
        void on(Queue queue) throws IOException;
    }

    private void each(Change change) throws IOException {
        for (int i = 0; i < MAX; i++) {
            Queue queue = queues.get(i);
            if (queue != null) {
                change.on(queue);
            }
        }
    }

    private void forEach(Consumer<Queue> what) {
        for (int i = 0; i < MAX; i++) {
            Queue queue = queues.get(i);
            if (queue != null) {
                what.accept(queue);
            }
        }
    }

    /// @throws VhostException where there is no ring of that number
    Queue get(int index) throws IOException {
        if (index < 0 || index >= MAX) {
            throw new VhostException(
                    "ring " + Integer.toUnsignedLong(index) + "; there are " + MAX);
        }
        Queue known = queues.get(index);
        if (known != null) {
            return known;
        }
        Queue made = new Queue(shared, name + "-" + index);
        queues.set(index, made);
        made.features(features);
        made.memory(memory);
        made.log(log);
        tellInflight(index);
        if (refusing) {
            made.refuse();
        }
        return made;
    }

    /// Lets requests of the guest begin. By any thread.
    void open() {
        gate.open();
    }

    /// Answers further requests of the guest with errors. By any thread.
    void refuse() {
        refusing = true;
        forEach(queue -> {
            try {
                queue.refuse();
            } catch (IOException e) {
                LOG.debug("{}: refusing failed", name, e);
            }
        });
    }

    /// Answers nothing any more: neither rings nor the guest's memory are touched from here on.
    /// What was under way stays marked as in flight. By any thread.
    void abandon() {
        forEach(Queue::abandon);
        forEach(Queue::forsake);
    }

    // ---- what they have in common

    void features(long negotiated) throws IOException {
        features = negotiated;
        each(queue -> queue.features(negotiated));
    }

    GuestMemory memory() {
        return memory;
    }

    /// @param fresh mappings of `next` that are held once already
    void memory(GuestMemory next, List<SharedMemory> fresh) throws IOException {
        next.retain();
        fresh.forEach(SharedMemory::release);
        GuestMemory old = memory;
        memory = next;
        old.release();
        each(queue -> queue.memory(next));
    }

    /// @param next this object's from here on
    void log(DirtyLog next) throws IOException {
        each(queue -> queue.log(next));
        DirtyLog old = log;
        log = next;
        if (old != null) {
            old.release();
        }
    }

    /// @param next this object's from here on
    /// @throws VhostException where a ring runs
    void inflight(SharedMemory next, Payload.Inflight layout) throws IOException {
        SharedMemory old = inflight;
        inflight = next;
        inflightLayout = layout;
        try {
            for (int i = 0; i < MAX; i++) {
                tellInflight(i);
            }
        } finally {
            if (old != null) {
                old.release();
            }
        }
    }

    private void tellInflight(int index) throws IOException {
        Queue queue = queues.get(index);
        Payload.Inflight layout = inflightLayout;
        if (queue == null) {
            return;
        }
        if (layout == null || index >= layout.queues()) {
            queue.inflight(null, 0, 0);
        } else {
            long at = layout.mapOffset() + index * InflightArea.bytes(layout.queueSize());
            queue.inflight(inflight, at, layout.queueSize());
        }
    }

    // ---- ends

    /// Whether [#giveUp] loses nothing: no live migration goes on, and where requests are under way
    /// the front end keeps track of them.
    boolean canGiveUp() {
        boolean[] can = {(features & Features.LOG_ALL) == 0};
        forEach(queue -> can[0] &= queue.canGiveUp());
        return can[0];
    }

    /// Stops all rings with requests under way. Reads that are still to come do not reach the
    /// guest: its memory is mapped anew for the rings' next life, and taken away where they go.
    void giveUp() throws IOException {
        GuestMemory again = memory.again();
        boolean given = false;
        try {
            each(Queue::giveUp);
            forEach(Queue::forsake);
            given = true;
        } finally {
            if (!given) {
                again.release();
            }
        }
        memory(again, again.regions().stream().map(Region::memory).toList());
    }

    /// Waits until the device has ended what was under way, and frees everything.
    void close() throws IOException {
        each(Queue::close);
        memory.release();
        DirtyLog marks = log;
        if (marks != null) {
            marks.release();
        }
        SharedMemory area = inflight;
        if (area != null) {
            area.release();
        }
    }
}
