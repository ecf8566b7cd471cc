package io.cistern.vmdisk;

import io.cistern.block.BlockDevice;
import io.cistern.block.CisternException;
import io.cistern.vmdisk.ReplyEncoder.Failure;
import java.io.IOException;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/// The transmission phase of one connection, run by the connection's thread.
///
/// Reads that the device can answer at once are answered by this thread and leave together before
/// it waits for more requests; everything else is answered by the thread that completes it.
final class Transmission {
    /// Longest payload of a refused write that is read and thrown away to stay in step. Beyond it
    /// the connection is closed.
    static final long MAX_SKIPPED_BYTES = 2L * BlockDevice.MAX_IO_BYTES;

    /// Most extents in one block status reply: 8 KiB.
    static final int MAX_EXTENTS = 1000;

    private static final int OPEN_REPLY_BYTES = 128 << 10;
    private static final int INLINE_READ_BYTES = 64 << 10;
    private static final int CACHE_BYTES = 1 << 20;

    private final Session session;
    private final BlockDevice device;
    private final boolean structured;
    private final RequestReader reader;
    private final Thread thread;

    /// Replies of this thread that have not left: filled up to `openTo`.
    private @Nullable PooledBuffer open;

    private int openTo;
    private volatile boolean stopped;
    private volatile boolean refusing;

    /// @param received the connection's receive buffer, with `buffered` bytes that came after the
    ///   handshake
    Transmission(
            Session session, RequestReader.Source source, PooledBuffer received, int buffered) {
        this.session = session;
        this.device = session.export().device();
        this.structured = session.structured();
        this.reader = new RequestReader(source, received, buffered, this::sendReady);
        this.thread = Thread.currentThread();
    }

    /// Serves requests until the client disconnects, breaks the protocol or [#stop] is called.
    ///
    /// @return true where the connection ends in order, so that requests under way are still to be
    ///   answered
    boolean run() throws IOException, InterruptedException {
        try {
            while (!stopped) {
                RequestHeader request = reader.next();
                if (request == null) {
                    return stopped;
                }
                if (request.type() == NbdProtocol.CMD_DISC) {
                    return true;
                }
                if (request.type() == NbdProtocol.CMD_WRITE) {
                    write(request);
                } else {
                    dispatch(request);
                }
            }
            return true;
        } finally {
            sendReady();
            PooledBuffer unused = open;
            open = null;
            if (unused != null) {
                unused.release();
            }
        }
    }

    /// Ends [#run] after the request it is at. The caller also ends the stream of requests, in case
    /// it waits for one.
    void stop() {
        stopped = true;
    }

    /// From now on requests are answered with ESHUTDOWN.
    void refuse() {
        refusing = true;
    }

    private void dispatch(RequestHeader request) throws InterruptedException {
        Failure refused = Rules.check(request, session, refusing);
        if (refused != null) {
            fail(request, refused);
        } else if (request.length() == 0 && request.type() != NbdProtocol.CMD_FLUSH) {
            succeed(request);
        } else {
            try {
                start(request);
            } catch (CisternException e) {
                fail(request, Failure.of(e, Rules.writes(request.type())));
            }
        }
    }

    private void start(RequestHeader request) throws InterruptedException {
        switch (request.type()) {
            case NbdProtocol.CMD_READ -> read(request);
            case NbdProtocol.CMD_CACHE -> cache(request);
            case NbdProtocol.CMD_BLOCK_STATUS -> blockStatus(request);
            case NbdProtocol.CMD_FLUSH -> {
                session.metrics().flushes.increment();
                PooledBuffer reply = take(0);
                submit(request, reply, () -> device.flush());
            }
            case NbdProtocol.CMD_TRIM -> {
                session.metrics().trims.increment();
                PooledBuffer reply = take(0);
                submit(request, reply, () -> device.discard(request.offset(), request.length()));
            }
            default -> {
                session.metrics().zeroes.increment();
                PooledBuffer reply = take(0);
                boolean unmap = !request.has(NbdProtocol.CMD_FLAG_NO_HOLE);
                submit(
                        request,
                        reply,
                        () -> device.zero(request.offset(), request.length(), unmap));
            }
        }
    }

    private void write(RequestHeader request) throws IOException, InterruptedException {
        Failure refused = Rules.check(request, session, refusing);
        if (refused != null || request.length() == 0) {
            if (request.length() > MAX_SKIPPED_BYTES) {
                throw new NbdException("a write of " + request.length() + " bytes");
            }
            reader.skip(request.length());
            if (refused != null) {
                fail(request, refused);
            } else {
                succeed(request);
            }
            return;
        }
        int length = (int) request.length();
        PooledBuffer buffer;
        try {
            buffer = take(length);
        } catch (CisternException e) {
            reader.skip(length);
            fail(request, Failure.of(e, true));
            return;
        }
        try {
            reader.payload(buffer, length);
        } catch (IOException e) {
            buffer.release();
            throw e;
        }
        session.metrics().writes.increment();
        session.metrics().writeBytes.add(length);
        submit(request, buffer, () -> device.write(request.offset(), buffer.data(length)));
    }

    private void read(RequestHeader request) throws InterruptedException {
        int length = (int) request.length();
        session.metrics().reads.increment();
        session.metrics().readBytes.add(length);
        if (length <= INLINE_READ_BYTES && readInline(request, length)) {
            session.metrics().inlineReads.increment();
            return;
        }
        PooledBuffer buffer = take(length);
        submit(request, buffer, () -> readInto(request.offset(), buffer, length));
    }

    /// Answers a read into the open reply if the device has the data at hand.
    private boolean readInline(RequestHeader request, int length) throws InterruptedException {
        int headerBytes = session.readHeaderBytes();
        PooledBuffer out = room(headerBytes + length);
        int dataAt = openTo + headerBytes;
        if (!device.tryRead(request.offset(), out.bytes().slice(dataAt, length))) {
            return false;
        }
        if (structured && ReplyEncoder.allZero(out.bytes(), dataAt, length)) {
            openTo += ReplyEncoder.hole(out.bytes(), openTo, request);
        } else {
            ReplyEncoder.readHeader(out.bytes(), openTo, structured, request);
            openTo = dataAt + length;
        }
        return true;
    }

    private CompletableFuture<Void> readInto(long offset, PooledBuffer buffer, int length) {
        if (length > INLINE_READ_BYTES && device.tryRead(offset, buffer.data(length))) {
            return CompletableFuture.completedFuture(null);
        }
        return device.read(offset, buffer.data(length));
    }

    /// Reads the beginning of the range and forgets it, which warms the caches on the way.
    private void cache(RequestHeader request) throws InterruptedException {
        int length = (int) Math.min(request.length(), CACHE_BYTES);
        PooledBuffer buffer = take(length);
        submit(request, buffer, () -> readInto(request.offset(), buffer, length));
    }

    private void blockStatus(RequestHeader request) throws InterruptedException {
        session.metrics().statusQueries.increment();
        int most = request.has(NbdProtocol.CMD_FLAG_REQ_ONE) ? 1 : MAX_EXTENTS;
        PooledBuffer reply = take(NbdProtocol.CHUNK_BYTES + 4 + 8 * most);
        CompletableFuture<java.util.List<BlockDevice.Extent>> extents;
        try {
            extents = device.extents(request.offset(), request.length(), most);
        } catch (RuntimeException e) {
            extents = CompletableFuture.failedFuture(e);
        }
        extents.whenComplete((found, failure) -> {
            Throwable thrown = failure;
            if (thrown == null) {
                try {
                    reply.sendRange(0, ReplyEncoder.blockStatus(reply.bytes(), request, found));
                } catch (RuntimeException e) {
                    thrown = e;
                }
            }
            finish(request, reply, thrown);
        });
    }

    private interface Operation {
        CompletableFuture<Void> start();
    }

    /// Starts an operation and answers when it completes. Takes over `buffer`, which becomes the
    /// reply.
    private void submit(RequestHeader request, PooledBuffer buffer, Operation operation) {
        CompletableFuture<Void> future;
        try {
            future = operation.start();
        } catch (RuntimeException e) {
            future = CompletableFuture.failedFuture(e);
        }
        future.whenComplete((ignored, failure) -> {
            if (failure == null) {
                encodeSuccess(request, buffer);
            }
            finish(request, buffer, failure);
        });
    }

    private void encodeSuccess(RequestHeader request, PooledBuffer buffer) {
        if (request.type() != NbdProtocol.CMD_READ) {
            int n = ReplyEncoder.done(buffer.bytes(), 0, structured, request.cookie());
            buffer.sendRange(0, n);
            return;
        }
        int length = (int) request.length();
        if (structured && ReplyEncoder.allZero(buffer.bytes(), PooledBuffer.HEADROOM, length)) {
            buffer.sendRange(0, ReplyEncoder.hole(buffer.bytes(), 0, request));
            return;
        }
        int from = PooledBuffer.HEADROOM - session.readHeaderBytes();
        ReplyEncoder.readHeader(buffer.bytes(), from, structured, request);
        buffer.sendRange(from, PooledBuffer.HEADROOM + length);
    }

    /// Queues a reply, by whatever thread completed the request.
    private void finish(RequestHeader request, PooledBuffer reply, @Nullable Throwable failure) {
        if (failure != null) {
            session.metrics().errors.increment();
            Failure error = Failure.of(failure, Rules.writes(request.type()));
            int n = ReplyEncoder.error(reply.bytes(), 0, structured, request.cookie(), error);
            reply.sendRange(0, n);
        }
        session.outbox().add(reply);
        if (Thread.currentThread() != thread) {
            session.outbox().flush(false);
        }
    }

    private void succeed(RequestHeader request) throws InterruptedException {
        PooledBuffer out = room(NbdProtocol.CHUNK_BYTES);
        openTo += ReplyEncoder.done(out.bytes(), openTo, structured, request.cookie());
    }

    private void fail(RequestHeader request, Failure failure) throws InterruptedException {
        session.metrics().errors.increment();
        PooledBuffer out = room(NbdProtocol.CHUNK_BYTES + 6 + ReplyEncoder.MAX_MESSAGE_BYTES);
        openTo += ReplyEncoder.error(out.bytes(), openTo, structured, request.cookie(), failure);
    }

    /// The open reply buffer with room for that many bytes from `openTo` on.
    private PooledBuffer room(int bytes) throws InterruptedException {
        PooledBuffer current = open;
        if (current != null && current.capacity() - openTo >= bytes) {
            return current;
        }
        sendReady();
        PooledBuffer fresh = take(OPEN_REPLY_BYTES);
        open = fresh;
        openTo = 0;
        return fresh;
    }

    private void closeOpen() {
        PooledBuffer filled = open;
        if (filled != null && openTo > 0) {
            filled.sendRange(0, openTo);
            session.outbox().add(filled);
            open = null;
        }
    }

    /// Sends everything this thread has answered.
    private void sendReady() {
        closeOpen();
        session.outbox().flush(true);
    }

    /// A buffer charged to this connection; waits while the connection is at its limits.
    private PooledBuffer take(int dataBytes) throws InterruptedException {
        int charge = Math.max(dataBytes, BufferPool.SMALLEST_BYTES);
        InFlight inFlight = session.inFlight();
        if (!inFlight.tryAcquire(charge)) {
            sendReady();
            inFlight.acquire(charge);
        }
        try {
            PooledBuffer buffer = session.pool().take(dataBytes);
            buffer.charge(inFlight, charge);
            return buffer;
        } catch (CisternException e) {
            inFlight.release(charge);
            throw e;
        }
    }
}
