package io.cistern.storage.group;

import io.cistern.block.BlockDevice.Extent;
import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.GuardedDevice.SharedRecord;
import io.cistern.block.fs.engine.FileQuery;
import io.cistern.block.fs.engine.Reply;
import io.cistern.raft.GroupId;
import io.cistern.raft.net.RpcChannel;
import io.cistern.raft.net.RpcClient;
import io.cistern.storage.Command;
import io.cistern.storage.CommandCodec;
import io.cistern.storage.Origin;
import io.cistern.storage.VolumeState;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.buffer.Unpooled;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;
import java.util.function.IntFunction;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// A group's replica on another node, asked over the node wire. Futures complete on an event loop.
///
/// Data longer than one message travels as several, at most [#WINDOW] at a time. A write's data is
/// sent from where it is and a read's is copied from the message into its place: nothing between.
///
/// Where too much is in flight to the node, requests for data fail with UNAVAILABLE, like any other
/// request that should be sent again a little later.
public final class RemoteVolumeGroup implements VolumeGroup, AutoCloseable {
    /// Messages of one request in flight.
    static final int WINDOW = 4;

    /// A zero request works in pieces at the leader, each of which waits for the log.
    private static final int SLOW_FACTOR = 10;

    private final Supplier<? extends RpcChannel> connect;
    private final InetSocketAddress address;
    private volatile RpcChannel connection;
    private final GroupId id;
    private final Duration timeout;
    private final Duration slowTimeout;

    /// @param client makes this stub's own connection
    /// @param address where the node listens for the node wire
    /// @param timeout for one attempt; scans and long zero requests get ten times as much
    public RemoteVolumeGroup(
            RpcClient client, InetSocketAddress address, GroupId id, Duration timeout) {
        this(() -> client.connect(address), address, id, timeout);
    }

    /// @param connect makes a connection to `address`
    RemoteVolumeGroup(
            Supplier<? extends RpcChannel> connect,
            InetSocketAddress address,
            GroupId id,
            Duration timeout) {
        this.connect = connect;
        this.address = address;
        this.connection = connect.get();
        this.id = id;
        this.timeout = timeout;
        this.slowTimeout = timeout.multipliedBy(SLOW_FACTOR);
    }

    @Override
    public GroupId id() {
        return id;
    }

    /// The node asked.
    public InetSocketAddress address() {
        return address;
    }

    /// Ends every call in flight with UNAVAILABLE: none of them touches its buffers any more once
    /// its future has completed. Later calls use a new connection.
    public void reset() {
        RpcChannel old;
        synchronized (this) {
            old = connection;
            connection = connect.get();
        }
        old.close();
    }

    /// Closes the connection; the stub is of no more use.
    @Override
    public void close() {
        connection.close();
    }

    @Override
    public CompletableFuture<Receipt> write(
            long volume, Origin origin, long offset, ByteBuffer data) {
        long base = Pieces.alignDown(offset);
        long end = offset + data.remaining();
        int parts = parts(base, end);
        return inParts(
                parts,
                i -> {
                    long from = Math.max(offset, base + (long) i * Wire.MAX_DATA_BYTES);
                    long to = Math.min(end, base + (i + 1L) * Wire.MAX_DATA_BYTES);
                    int firstPiece = i * (Wire.MAX_DATA_BYTES / Pieces.WRITE_BYTES);
                    ByteBuffer part =
                            data.slice(data.position() + (int) (from - offset), (int) (to - from));
                    return writePart(
                            new WireRequest.Write(id, volume, origin, firstPiece, from), part);
                });
    }

    private CompletableFuture<Receipt> writePart(WireRequest.Write request, ByteBuffer data) {
        ByteBuf header = header(request, WireRequest.Write.BYTES);
        return receipt(connection.call(Wire.WRITE, timeout, header, Unpooled.wrappedBuffer(data)));
    }

    @Override
    public CompletableFuture<Receipt> zero(
            long volume, Origin origin, long offset, long length, boolean unmap) {
        WireRequest request = new WireRequest.Zero(id, volume, origin, offset, length, unmap);
        return receipt(connection.call(Wire.ZERO, slowTimeout, header(request, 64)));
    }

    @Override
    public CompletableFuture<Receipt> writeAtomic(long volume, Origin origin, AtomicWrite write) {
        WireRequest request =
                new WireRequest.Atomic(id, volume, origin, write.kind(), write.offset());
        return receipt(
                connection.call(
                        Wire.ATOMIC_WRITE,
                        timeout,
                        header(request, 64),
                        Unpooled.wrappedBuffer(write.expected()),
                        Unpooled.wrappedBuffer(write.data())));
    }

    @Override
    public CompletableFuture<SharedRecord> record(long volume) {
        return ask(Wire.RECORD, new WireRequest.Describe(id, volume), WireAnswer::record);
    }

    @Override
    public CompletableFuture<FileReceipt> change(
            long volume, Origin origin, ByteBuffer request, ByteBuffer data) {
        ByteBuf header =
                header(
                        new WireRequest.FileChange(id, volume, origin, request),
                        64 + request.remaining());
        return fileReceipt(
                connection.call(Wire.FILE_CHANGE, timeout, header, Unpooled.wrappedBuffer(data)));
    }

    @Override
    public CompletableFuture<FileReceipt> query(ReadRequest request, ByteBuffer query) {
        ByteBuf header = header(new WireRequest.FileQuery(id, request, query), 256);
        return fileReceipt(connection.call(Wire.FILE_QUERY, timeout, header));
    }

    @Override
    public @Nullable Reply tryQuery(
            ReadRequest request, FileQuery query, @Nullable ByteBuffer into) {
        return null;
    }

    private static CompletableFuture<FileReceipt> fileReceipt(CompletableFuture<ByteBuf> call) {
        return call.handle((answer, failed) -> {
            if (failed != null) {
                throw retryable(failed);
            }
            return decoded(answer, WireAnswer::fileReceipt);
        });
    }

    @Override
    public CompletableFuture<Receipt> execute(Command command) {
        ByteBuf out;
        try {
            int size = CommandCodec.size(command);
            out = header(new WireRequest.Plain(id), 8 + size);
            ByteBuffer body = out.nioBuffer(out.writerIndex(), size);
            CommandCodec.encode(command, body);
            out.writerIndex(out.writerIndex() + size);
        } catch (CisternException refused) {
            return CompletableFuture.failedFuture(refused);
        }
        return connection
                .call(Wire.EXECUTE, slowTimeout, out)
                .thenApply(answer -> decoded(answer, WireAnswer::receipt));
    }

    @Override
    public CompletableFuture<Receipt> read(ReadRequest request, long offset, ByteBuffer dst) {
        int start = dst.position();
        int length = dst.remaining();
        int parts = parts(0, length);
        return inParts(
                        parts,
                        i -> {
                            int from = i * Wire.MAX_DATA_BYTES;
                            int bytes = Math.min(Wire.MAX_DATA_BYTES, length - from);
                            return readPart(
                                    new WireRequest.Read(id, request, offset + from, bytes),
                                    dst,
                                    start + from);
                        })
                .thenApply(receipt -> {
                    dst.position(start + length);
                    return receipt;
                });
    }

    private CompletableFuture<Receipt> readPart(
            WireRequest.Read request, ByteBuffer dst, int position) {
        CompletableFuture<ByteBuf> call;
        try {
            call = connection.call(Wire.READ, timeout, header(request, 64));
        } catch (CisternException refused) {
            return CompletableFuture.failedFuture(refused);
        }
        return call.handle((answer, failed) -> {
            if (failed != null) {
                throw retryable(failed);
            }
            try {
                Receipt receipt = WireAnswer.receipt(answer);
                if (answer.readableBytes() != request.length()) {
                    throw Wire.malformed(answer.readableBytes() + " bytes read");
                }
                ByteBuffer target = dst.slice(position, request.length());
                answer.readBytes(target);
                return receipt;
            } finally {
                answer.release();
            }
        });
    }

    @Override
    public boolean tryRead(ReadRequest request, long offset, ByteBuffer dst) {
        return false;
    }

    @Override
    public CompletableFuture<List<Extent>> extents(
            ReadRequest request, long offset, long length, int maxExtents) {
        int max = Math.clamp(maxExtents, 1, Wire.MAX_EXTENTS);
        return ask(
                Wire.EXTENTS,
                new WireRequest.Extents(id, request, offset, length, max),
                WireAnswer::extents);
    }

    @Override
    public CompletableFuture<VolumeState> describe(long volume) {
        return ask(Wire.DESCRIBE, new WireRequest.Describe(id, volume), WireAnswer::volume);
    }

    @Override
    public CompletableFuture<List<VolumeUsage>> usage() {
        return ask(Wire.VOLUME_USAGE, new WireRequest.Plain(id), WireAnswer::volumeUsages);
    }

    @Override
    public CompletableFuture<List<Range>> diff(
            long volume, @Nullable String from, @Nullable String to, long offset, int max) {
        int bounded = Math.clamp(max, 1, Wire.MAX_EXTENTS);
        return ask(
                Wire.DIFF,
                new WireRequest.Diff(id, volume, from, to, offset, bounded),
                WireAnswer::ranges);
    }

    private <T> CompletableFuture<T> ask(
            int opcode, WireRequest request, Function<ByteBuf, T> form) {
        ByteBuf out;
        try {
            out = header(request, 64);
        } catch (CisternException refused) {
            return CompletableFuture.failedFuture(refused);
        }
        return connection.call(opcode, slowTimeout, out).thenApply(answer -> decoded(answer, form));
    }

    private static ByteBuf header(WireRequest request, int bytes) {
        ByteBuf out = ByteBufAllocator.DEFAULT.directBuffer(bytes);
        try {
            request.encode(out);
        } catch (RuntimeException e) {
            out.release();
            throw e;
        }
        return out;
    }

    private static <T> T decoded(ByteBuf answer, Function<ByteBuf, T> form) {
        try {
            return Wire.decode(answer, form);
        } finally {
            answer.release();
        }
    }

    private static CompletableFuture<Receipt> receipt(CompletableFuture<ByteBuf> call) {
        return call.handle((answer, failed) -> {
            if (failed != null) {
                throw retryable(failed);
            }
            return decoded(answer, WireAnswer::receipt);
        });
    }

    /// Full queues empty themselves: the sender may come again.
    private static CisternException retryable(Throwable failed) {
        CisternException known = CisternException.of(failed);
        return known.code() == ErrorCode.LIMIT
                ? new CisternException(
                        ErrorCode.UNAVAILABLE, String.valueOf(known.getMessage()), known)
                : known;
    }

    private static int parts(long from, long end) {
        return (int) Math.max(1, (end - from + Wire.MAX_DATA_BYTES - 1) / Wire.MAX_DATA_BYTES);
    }

    /// Sends the parts of a request and yields the receipt of the newest index.
    private static CompletableFuture<Receipt> inParts(
            int parts, IntFunction<CompletableFuture<Receipt>> send) {
        return parts == 1 ? send.apply(0) : new PartsInFlight(parts, WINDOW, send).begin();
    }
}
