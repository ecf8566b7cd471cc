package io.cistern.vmdisk;

import io.cistern.block.BlockDevice;
import io.cistern.block.CisternException;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.LongConsumer;

/// Stands in for a volume that this driver may no longer use: whoever still waits for it at its
/// socket gets the reason, and does not wait for ever.
///
/// @param reason FENCED or NOT_FOUND
record EndedDevice(long sizeBytes, CisternException reason) implements BlockDevice {

    @Override
    public boolean readOnly() {
        return false;
    }

    @Override
    public boolean tryRead(long offset, ByteBuffer dst) {
        return false;
    }

    private <T> CompletableFuture<T> refuse() {
        return CompletableFuture.failedFuture(reason);
    }

    @Override
    public CompletableFuture<Void> read(long offset, ByteBuffer dst) {
        return refuse();
    }

    @Override
    public CompletableFuture<Void> write(long offset, ByteBuffer src) {
        return refuse();
    }

    @Override
    public CompletableFuture<Void> zero(long offset, long length, boolean unmap) {
        return refuse();
    }

    @Override
    public CompletableFuture<Void> discard(long offset, long length) {
        return refuse();
    }

    @Override
    public CompletableFuture<Void> flush() {
        return refuse();
    }

    @Override
    public CompletableFuture<List<Extent>> extents(long offset, long length, int maxExtents) {
        return refuse();
    }

    @Override
    public AutoCloseable onResize(LongConsumer listener) {
        return () -> {};
    }

    @Override
    public void close() {}
}
