package io.cistern.volume.client;

import io.cistern.block.BlockDevice.Extent;
import io.cistern.block.CisternException;
import io.cistern.storage.Origin;
import io.cistern.storage.group.VolumeGroup.ReadRequest;
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
        private final CompletableFuture<Void> result;

        Write(
                Device device,
                long offset,
                ByteBuffer data,
                CompletableFuture<Void> result,
                long nowNanos) {
            super(device, offset, data.remaining(), nowNanos);
            this.data = data;
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
                    .write(device.volumeId(), device.origin(seq), offset, data.duplicate());
        }

        @Override
        void finish(@Nullable Object answer, @Nullable CisternException failure) {
            complete(result, failure);
        }
    }

    /// Makes a range read as zeroes.
    static final class Zero extends Request {
        private final boolean unmap;
        private final CompletableFuture<Void> result;

        Zero(
                Device device,
                long offset,
                long length,
                boolean unmap,
                CompletableFuture<Void> result,
                long nowNanos) {
            super(device, offset, length, nowNanos);
            this.unmap = unmap;
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
            Origin origin = device.origin(seq);
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
        private final CompletableFuture<Void> result;

        Read(
                Device device,
                long offset,
                ByteBuffer target,
                CompletableFuture<Void> result,
                long nowNanos) {
            super(device, offset, target.remaining(), nowNanos);
            this.target = target;
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
            return device.reader(attempt);
        }

        @Override
        CompletableFuture<?> attempt(Member member) {
            return member.group().read(device.readRequest(), offset, target.duplicate());
        }

        @Override
        void finish(@Nullable Object answer, @Nullable CisternException failure) {
            complete(result, failure);
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
            return device.reader(attempt);
        }

        @Override
        CompletableFuture<?> attempt(Member member) {
            ReadRequest request = device.readRequest();
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

    private static void complete(
            CompletableFuture<Void> result, @Nullable CisternException failure) {
        if (failure == null) {
            result.complete(null);
        } else {
            result.completeExceptionally(failure);
        }
    }
}
