package io.cistern.vmdisk.vhost;

import io.cistern.vmdisk.vhost.GuestMemory.Region;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// One front end's connection, from accept to close, on a thread of its own: carries out the
/// requests on the socket and owns the rings.
///
/// ```
/// begins no requests --open--> SERVING --run returns: the front end is gone--> LEAVING --close--> gone
/// ```
///
/// Whoever leaves waits for the device to end what was under way; the next connection is not opened
/// before that.
final class Connection implements Runnable {
    /// Most queues: each is a thread, and more than a guest's processors are of no use.
    static final int MAX_QUEUES = 16;

    private static final Logger LOG = LoggerFactory.getLogger(Connection.class);
    private static final int NO_FD = 1 << 8;
    private static final int RING_INDEX = 0xff;

    /// What the connections of a server have in common.
    ///
    /// @param pollNanos how long a ring looks for more before it sleeps, at most
    /// @param drainMillis how long GET_VRING_BASE waits for requests under way
    record Serving(
            Target target, Buffers buffers, Counters counters, long pollNanos, long drainMillis) {}

    private final int fd;
    private final int pid;
    private final String name;
    private final Target target;
    private final Counters counters;
    private final long drainMillis;
    private final MessageChannel channel;
    private final Rings rings;
    private final BackendChannel backend = new BackendChannel();
    private final ConfigSpace config;

    private long protocolFeatures;
    private volatile @Nullable String problem;

    // Guarded by this.
    private boolean closed;

    /// @param fd this connection's from here on
    /// @param serving what the server's connections have in common
    Connection(int fd, Serving serving) {
        this.fd = fd;
        this.pid = Native.peerPid(fd);
        this.target = serving.target;
        this.name = "vhost-" + target.name();
        this.counters = serving.counters;
        this.drainMillis = serving.drainMillis;
        this.channel = new MessageChannel(fd);
        this.config = new ConfigSpace(target);
        this.rings = new Rings(serving, name, this::broken);
    }

    int pid() {
        return pid;
    }

    /// By any thread: a queue cannot go on, so neither can the connection.
    private void broken(String reason) {
        if (problem == null) {
            problem = reason;
        }
        hangUp();
    }

    /// Ends the stream of requests; the connection then ends in order. By any thread.
    synchronized void hangUp() {
        if (!closed) {
            Native.shutdown(fd);
        }
    }

    /// Answers nothing any more: neither rings nor the guest's memory are touched from here on.
    /// What was under way stays marked as in flight. By any thread.
    void abandon() {
        rings.abandon();
    }

    /// Lets requests of the guest begin. By any thread.
    void open() {
        rings.open();
    }

    /// Answers further requests of the guest with errors. By any thread.
    void refuse() {
        rings.refuse();
    }

    /// Tells the front end that the configuration space has changed. By any thread.
    void configChanged() {
        backend.configChanged();
    }

    @Override
    public void run() {
        try {
            for (Message message = channel.receive(); message != null; ) {
                try {
                    handle(message);
                } finally {
                    message.closeFds();
                }
                message = channel.receive();
            }
        } catch (VhostException e) {
            if (problem == null) {
                problem = e.getMessage();
            }
        } catch (IOException e) {
            LOG.debug("{}: the connection ended: {}", name, e.getMessage());
        } catch (RuntimeException e) {
            LOG.error("{}: closing the connection", name, e);
            problem = "internal error: " + e;
        } finally {
            report();
            if (problem != null) {
                abandon();
            }
            hangUp();
        }
    }

    private void report() {
        String reason = problem;
        if (reason != null) {
            counters.protocolErrors.increment();
            LOG.warn("{}: closing the connection of process {}: {}", target.name(), pid, reason);
        }
    }

    /// Waits until the device has ended what was under way, which is answered unless [#abandon] was
    /// called, and frees everything. After [#run].
    void close() {
        try {
            rings.close();
        } catch (IOException e) {
            LOG.error("{}: closing failed", name, e);
        }
        backend.close();
        synchronized (this) {
            closed = true;
            Native.close(fd);
        }
    }

    private void handle(Message message) throws IOException {
        LOG.debug("{}: {}", name, message);
        switch (message.request().reply) {
            case VALUE -> value(message);
            case ACK -> {
                boolean asked = message.needReply() && has(Features.PROTOCOL_REPLY_ACK);
                boolean done;
                try {
                    done = act(message);
                } catch (IOException e) {
                    if (asked) {
                        acknowledge(message, false); // and then the connection ends
                    }
                    throw e;
                }
                if (asked) {
                    acknowledge(message, done);
                }
            }
        }
    }

    private void acknowledge(Message message, boolean done) throws IOException {
        channel.reply(message.request(), new Payload.Number(done ? 0 : 1), -1);
    }

    private boolean has(long protocolFeature) {
        return (protocolFeatures & protocolFeature) != 0;
    }

    // ---- requests that are answered with something

    private void value(Message message) throws IOException {
        Request request = message.request();
        switch (request) {
            case GET_FEATURES -> number(request, Features.offered(target.readOnly()));
            case GET_PROTOCOL_FEATURES -> number(request, Features.PROTOCOL);
            case GET_QUEUE_NUM -> number(request, MAX_QUEUES);
            case GET_MAX_MEM_SLOTS -> number(request, GuestMemory.MAX_REGIONS);
            case GET_VRING_BASE -> {
                Payload.RingState state = (Payload.RingState) message.payload();
                int base = drain(rings.get(state.index()));
                channel.reply(request, new Payload.RingState(state.index(), base), -1);
            }
            case GET_CONFIG -> getConfig(request, (Payload.Config) message.payload());
            case GET_INFLIGHT_FD -> makeInflight((Payload.Inflight) message.payload());
            case SET_LOG_BASE -> {
                setLogBase((Payload.LogArea) message.payload(), message.takeFd(0));
                number(request, 0);
            }
            default -> throw new IllegalStateException(request + " is not answered here");
        }
    }

    /// Stops a ring: all that it had taken is answered then, as the protocol wants it, since
    /// whoever goes on with the guest elsewhere knows nothing of requests in flight.
    ///
    /// The front end, and with it its monitor, waits as long. Where the device takes too long, all
    /// rings are given up instead: what is under way stays marked as in flight, and is submitted
    /// again when they are started again. (Hanging up is no way out: QEMU 7.2 does not connect
    /// again where it loses its back end while it stops a ring.) During a live migration (the
    /// rings' dirty log is on), and where nothing tracks requests in flight, this waits until they
    /// have ended by themselves: they would be lost.
    private int drain(Queue queue) throws IOException {
        long end = System.nanoTime() + drainMillis * 1_000_000;
        boolean stopped =
                queue.stop(() -> {
                    boolean late = System.nanoTime() - end >= 0;
                    return !gone() && !(late && rings.canGiveUp());
                });
        if (!stopped && gone()) {
            abandon();
            throw new IOException("the front end left while it stopped a ring");
        }
        if (!stopped) {
            counters.stalled.increment();
            LOG.warn(
                    "{}: the volume did not answer within {} ms of the guest being stopped;"
                            + " the requests are submitted again when it goes on",
                    target.name(),
                    drainMillis);
            rings.giveUp();
            // Where it has ended by itself meanwhile, this takes its place in the ring over.
            queue.stop(() -> true);
        }
        return queue.base();
    }

    private boolean gone() {
        try {
            return Native.hungUp(fd);
        } catch (IOException e) {
            return true;
        }
    }

    private void number(Request request, long value) throws IOException {
        channel.reply(request, new Payload.Number(value), -1);
    }

    /// An answer without payload says that there is no such piece.
    private void getConfig(Request request, Payload.Config asked) throws IOException {
        ByteBuffer piece = config.read(asked.offset(), asked.content().remaining());
        Payload answer =
                piece == null
                        ? Payload.Empty.INSTANCE
                        : new Payload.Config(asked.offset(), asked.flags(), piece);
        channel.reply(request, answer, -1);
    }

    private void makeInflight(Payload.Inflight asked) throws IOException {
        InflightArea.check(asked);
        long bytes = asked.queues() * InflightArea.bytes(asked.queueSize());
        int memfd = NativeMemory.memfd("cistern-inflight", bytes);
        try {
            Payload.Inflight made =
                    new Payload.Inflight(
                            bytes, 0, asked.queues(), asked.queueSize(), asked.bytes());
            channel.reply(Request.GET_INFLIGHT_FD, made, memfd);
        } finally {
            Native.close(memfd);
        }
    }

    private void setLogBase(Payload.LogArea area, int logFd) throws IOException {
        SharedMemory mapped = null;
        try {
            if (area.size() <= 0
                    || area.offset() < 0
                    || area.size() > GuestMemory.MAX_ADDRESS
                    || area.offset() > GuestMemory.MAX_ADDRESS) {
                throw new VhostException(
                        "a dirty log of " + area.size() + " bytes at " + area.offset());
            }
            mapped = SharedMemory.map(logFd, area.offset() + area.size());
        } finally {
            Native.close(logFd);
        }
        rings.log(new DirtyLog(mapped, area.offset(), area.size()));
    }

    // ---- requests that are only carried out

    /// @return false where it is refused and nothing has changed
    private boolean act(Message message) throws IOException {
        Request request = message.request();
        switch (request) {
            case SET_OWNER, RESET_OWNER -> {}
            case SET_FEATURES -> setFeatures(((Payload.Number) message.payload()).value());
            case SET_PROTOCOL_FEATURES -> {
                long asked = ((Payload.Number) message.payload()).value();
                if ((asked & ~Features.PROTOCOL) != 0) {
                    throw new VhostException(
                            "protocol features 0x" + Long.toHexString(asked) + " were not offered");
                }
                protocolFeatures = asked;
            }
            case SET_LOG_FD -> Native.close(message.takeFd(0));
            case SET_BACKEND_REQ_FD -> {
                backend.open(message.takeFd(0));
            }
            case SET_CONFIG -> {
                return config.write((Payload.Config) message.payload());
            }
            case SET_MEM_TABLE -> {
                GuestMemory table = Regions.table(message);
                List<SharedMemory> fresh = new ArrayList<>();
                table.regions().forEach(r -> fresh.add(r.memory()));
                rings.memory(table, fresh);
            }
            case ADD_MEM_REG -> {
                Payload.Region added = ((Payload.MemoryRegion) message.payload()).region();
                Region region = Regions.map(rings.memory(), added, message.takeFd(0));
                rings.memory(rings.memory().with(region), List.of(region.memory()));
            }
            case REM_MEM_REG -> {
                Payload.Region removed = ((Payload.MemoryRegion) message.payload()).region();
                rings.memory(Regions.without(rings.memory(), removed), List.of());
            }
            case SET_INFLIGHT_FD -> {
                Payload.Inflight layout = (Payload.Inflight) message.payload();
                rings.inflight(InflightArea.map(layout, message.takeFd(0)), layout);
            }
            default -> ring(message);
        }
        return true;
    }

    private void ring(Message message) throws IOException {
        switch (message.request()) {
            case SET_VRING_NUM -> {
                Payload.RingState state = (Payload.RingState) message.payload();
                rings.get(state.index()).size(state.value());
            }
            case SET_VRING_BASE -> {
                Payload.RingState state = (Payload.RingState) message.payload();
                rings.get(state.index()).base(state.value());
            }
            case SET_VRING_ENABLE -> {
                Payload.RingState state = (Payload.RingState) message.payload();
                rings.get(state.index()).enable(state.value() != 0);
            }
            case SET_VRING_ADDR -> {
                Payload.RingAddress address = (Payload.RingAddress) message.payload();
                rings.get(address.index()).address(address);
            }
            case SET_VRING_KICK -> ringQueue(message).start(ringFd(message));
            case SET_VRING_CALL -> ringQueue(message).call(ringFd(message));
            case SET_VRING_ERR -> ringQueue(message).err(ringFd(message));
            default -> throw new IllegalStateException(message.request() + " is not handled");
        }
    }

    private void setFeatures(long asked) throws IOException {
        long unknown = asked & ~Features.offered(target.readOnly());
        if (unknown != 0) {
            throw new VhostException(
                    "features 0x" + Long.toHexString(unknown) + " were not offered");
        }
        rings.features(asked);
    }

    private Queue ringQueue(Message message) throws IOException {
        return rings.get((int) ((Payload.Number) message.payload()).value() & RING_INDEX);
    }

    /// The descriptor of a ring message, -1 where it says that there is none.
    private static int ringFd(Message message) throws VhostException {
        boolean none = (((Payload.Number) message.payload()).value() & NO_FD) != 0;
        return none ? -1 : message.takeFd(0);
    }
}
