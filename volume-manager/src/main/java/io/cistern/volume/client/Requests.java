package io.cistern.volume.client;

import io.cistern.block.BlockDevice.Extent;
import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.GuardedDevice;
import io.cistern.block.fs.engine.Reply;
import io.cistern.storage.Command;
import io.cistern.storage.Origin;
import io.cistern.storage.group.AtomicWrite;
import io.cistern.storage.group.VolumeGroup.FileReceipt;
import io.cistern.storage.group.VolumeGroup.ReadRequest;
import io.cistern.storage.group.VolumeGroup.Receipt;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/// The kinds of [Request].
final class Requests {
    private Requests() {}

    /// Replaces bytes.
    static final class Write extends Request {
        private final ByteBuffer data;
        private final long guard;
        private final CompletableFuture<Void> result;

        Write(
                Device device,
                long offset,
                ByteBuffer data,
                long guard,
                CompletableFuture<Void> result,
                long nowNanos) {
            super(device, offset, data.remaining(), nowNanos);
            this.data = data;
            this.guard = guard;
            this.result = result;
        }

        @Override
        long carriedBytes() {
            return length;
        }

        @Override
        boolean changes() {
            return true;
        }

        @Override
        @Nullable Member target(int attempt) {
            return device.route().leader();
        }

        @Override
        CompletableFuture<?> attempt(Member member) {
            return member.group()
                    .write(device.volumeId(), device.origin(seq, guard), offset, data.duplicate());
        }

        @Override
        void finish(@Nullable Object answer, @Nullable CisternException failure) {
            complete(result, failure);
        }
    }

    /// Makes a range read as zeroes.
    static final class Zero extends Request {
        private final boolean unmap;
        private final long guard;
        private final CompletableFuture<Void> result;

        Zero(
                Device device,
                long offset,
                long length,
                boolean unmap,
                long guard,
                CompletableFuture<Void> result,
                long nowNanos) {
            super(device, offset, length, nowNanos);
            this.unmap = unmap;
            this.guard = guard;
            this.result = result;
        }

        @Override
        boolean changes() {
            return true;
        }

        @Override
        @Nullable Member target(int attempt) {
            return device.route().leader();
        }

        @Override
        CompletableFuture<?> attempt(Member member) {
            Origin origin = device.origin(seq, guard);
            return member.group().zero(device.volumeId(), origin, offset, length, unmap);
        }

        @Override
        void finish(@Nullable Object answer, @Nullable CisternException failure) {
            complete(result, failure);
        }
    }

    /// Reads bytes.
    static final class Read extends Request {
        private final ByteBuffer target;
        private final long guard;
        private final CompletableFuture<Void> result;

        Read(
                Device device,
                long offset,
                ByteBuffer target,
                long guard,
                CompletableFuture<Void> result,
                long nowNanos) {
            super(device, offset, target.remaining(), nowNanos);
            this.target = target;
            this.guard = guard;
            this.result = result;
        }

        @Override
        long carriedBytes() {
            return length;
        }

        @Override
        boolean changes() {
            return false;
        }

        @Override
        @Nullable Member target(int attempt) {
            return guard == GuardedDevice.NO_GUARD
                    ? device.view().reader(attempt)
                    : device.route().leader();
        }

        @Override
        CompletableFuture<?> attempt(Member member) {
            return member.group().read(device.view().request(guard), offset, target.duplicate());
        }

        @Override
        void finish(@Nullable Object answer, @Nullable CisternException failure) {
            complete(result, failure);
        }
    }

    /// A change whose receipt's value is wanted.
    abstract static class Valued extends Request {
        private final CompletableFuture<Long> result = new CompletableFuture<>();

        Valued(Device device, long offset, long length, long nowNanos) {
            super(device, offset, length, nowNanos);
        }

        final CompletableFuture<Long> result() {
            return result;
        }

        @Override
        final boolean changes() {
            return true;
        }

        @Override
        final @Nullable Member target(int attempt) {
            return device.route().leader();
        }

        @Override
        final void finish(@Nullable Object answer, @Nullable CisternException failure) {
            if (failure == null && answer instanceof Receipt receipt) {
                result.complete(receipt.value());
            } else {
                result.completeExceptionally(
                        failure == null
                                ? new CisternException(ErrorCode.INTERNAL, "no receipt")
                                : failure);
            }
        }
    }

    /// Changes a range as one step.
    static final class Atomic extends Valued {
        private final AtomicWrite write;
        private final long guard;

        Atomic(Device device, AtomicWrite write, long guard, long nowNanos) {
            super(device, write.offset(), write.data().remaining(), nowNanos);
            this.write = write;
            this.guard = guard;
        }

        @Override
        long carriedBytes() {
            return length;
        }

        @Override
        CompletableFuture<?> attempt(Member member) {
            return member.group().writeAtomic(device.volumeId(), device.origin(seq, guard), write);
        }
    }

    /// Replaces the shared record.
    static final class ReplaceRecord extends Valued {
        private final long expected;
        private final ByteBuffer bytes;

        ReplaceRecord(Device device, long expected, ByteBuffer bytes, long nowNanos) {
            super(device, 0, 0, nowNanos);
            this.expected = expected;
            this.bytes = bytes;
        }

        @Override
        CompletableFuture<?> attempt(Member member) {
            return member.group()
                    .execute(
                            new Command.ReplaceRecord(
                                    device.volumeId(), device.origin(seq, expected), bytes));
        }
    }

    /// Asks what is allocated.
    static final class Extents extends Request {
        private final int max;
        private final CompletableFuture<List<Extent>> result = new CompletableFuture<>();
        private volatile List<Extent> found = List.of();

        Extents(Device device, long offset, long length, int max, long nowNanos) {
            super(device, offset, length, nowNanos);
            this.max = max;
        }

        CompletableFuture<List<Extent>> result() {
            return result;
        }

        @Override
        boolean changes() {
            return false;
        }

        @Override
        @Nullable Member target(int attempt) {
            return device.view().reader(attempt);
        }

        @Override
        CompletableFuture<?> attempt(Member member) {
            ReadRequest request = device.view().request();
            return member.group()
                    .extents(request, offset, length, max)
                    .thenAccept(extents -> found = extents);
        }

        @Override
        void finish(@Nullable Object answer, @Nullable CisternException failure) {
            if (failure == null) {
                result.complete(found);
            } else {
                result.completeExceptionally(failure);
            }
        }
    }

    /// Changes a share.
    static final class ShareChange extends ShareRequest {
        private final ByteBuffer request;
        private final ByteBuffer data;

        ShareChange(Device device, ByteBuffer request, ByteBuffer data, long nowNanos) {
            super(device, request.remaining() + data.remaining(), nowNanos);
            this.request = request;
            this.data = data;
        }

        @Override
        boolean changes() {
            return true;
        }

        @Override
        @Nullable Member target(int attempt) {
            return device.route().leader();
        }

        @Override
        CompletableFuture<FileReceipt> send(Member member) {
            return member.group()
                    .change(
                            device.volumeId(),
                            device.origin(seq, GuardedDevice.NO_GUARD),
                            request.duplicate(),
                            data.duplicate());
        }
    }

    /// Asks a share.
    static final class ShareQuery extends ShareRequest {
        private final ByteBuffer query;

        /// @param carried bytes of the answer
        ShareQuery(Device device, ByteBuffer query, int carried, long nowNanos) {
            super(device, carried, nowNanos);
            this.query = query;
        }

        @Override
        boolean changes() {
            return false;
        }

        @Override
        @Nullable Member target(int attempt) {
            return device.view().reader(attempt);
        }

        @Override
        CompletableFuture<FileReceipt> send(Member member) {
            return member.group().query(device.view().request(), query.duplicate());
        }
    }

    /// What requests of shares have in common: the answer is a reply.
    abstract static class ShareRequest extends Request {
        private final CompletableFuture<Reply> result = new CompletableFuture<>();
        private volatile @Nullable ByteBuffer reply;

        ShareRequest(Device device, long carried, long nowNanos) {
            super(device, 0, carried, nowNanos);
        }

        abstract CompletableFuture<FileReceipt> send(Member member);

        CompletableFuture<Reply> result() {
            return result;
        }

        @Override
        long carriedBytes() {
            return length;
        }

        @Override
        CompletableFuture<?> attempt(Member member) {
            return send(member)
                    .thenApply(receipt -> {
                        reply = receipt.reply();
                        return new Receipt(receipt.index(), receipt.version(), 0);
                    });
        }

        @Override
        void finish(@Nullable Object answer, @Nullable CisternException failure) {
            ByteBuffer got = reply;
            if (failure != null || got == null) {
                result.completeExceptionally(
                        failure != null
                                ? failure
                                : new CisternException(
                                        ErrorCode.INTERNAL, "an answer without a reply"));
                return;
            }
            try {
                result.complete(Reply.decode(got));
            } catch (CisternException malformed) {
                result.completeExceptionally(malformed);
            }
        }
    }

    private static void complete(
            CompletableFuture<Void> result, @Nullable CisternException failure) {
        if (failure == null) {
            result.complete(null);
        } else {
            result.completeExceptionally(failure);
        }
    }
}
