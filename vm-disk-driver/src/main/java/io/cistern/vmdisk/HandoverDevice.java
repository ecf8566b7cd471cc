package io.cistern.vmdisk;

import io.cistern.block.BlockDevice;
import io.cistern.block.CisternException;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Function;
import java.util.function.LongConsumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A volume whose guest is about to be migrated here: reads go to a read-only attachment, which
/// leaves the guest's present host its own; the first write takes the volume over, for good.
///
/// A guest writes on one host at a time, so its first write here means that it has left the other.
/// Taking over is one entry of the group's log: whatever the other host would still write after it
/// is refused. Writes that come before it has been granted wait for it.
final class HandoverDevice implements BlockDevice {
    private static final Logger LOG = LoggerFactory.getLogger(HandoverDevice.class);
    private static final long RETRY_MS = 500;

    private final Supplier<BlockDevice> takeOver;
    private final List<LongConsumer> listeners = new CopyOnWriteArrayList<>();
    private volatile BlockDevice current;

    // Guarded by this.
    private @Nullable CompletableFuture<BlockDevice> taking;
    private AutoCloseable listening;
    private boolean closed;

    /// @param reader belongs to this device from here on
    /// @param takeOver attaches for writing; blocks, is called once at a time, and again after it
    ///   has failed in a way that may pass
    HandoverDevice(BlockDevice reader, Supplier<BlockDevice> takeOver) {
        this.current = reader;
        this.takeOver = takeOver;
        this.listening = reader.onResize(this::resized);
    }

    private void resized(long sizeBytes) {
        listeners.forEach(listener -> listener.accept(sizeBytes));
    }

    /// The device to write to.
    private synchronized CompletableFuture<BlockDevice> writer() {
        CompletableFuture<BlockDevice> asked = taking;
        if (asked != null && !asked.isCompletedExceptionally()) {
            return asked;
        }
        CompletableFuture<BlockDevice> answer = new CompletableFuture<>();
        taking = answer;
        Thread.ofVirtual().name("take-over").start(() -> take(answer));
        return answer;
    }

    private void take(CompletableFuture<BlockDevice> answer) {
        try {
            BlockDevice writer = takeOverAtLast();
            BlockDevice reader;
            boolean late;
            synchronized (this) {
                reader = current;
                current = writer;
                listening.close();
                listening = writer.onResize(this::resized);
                late = closed;
            }
            if (late) {
                writer.close();
            }
            reader.close();
            answer.complete(writer);
        } catch (Exception e) {
            answer.completeExceptionally(CisternException.of(e));
        }
    }

    /// The guest waits as long as the pool has no majority: it has nowhere else to go.
    private BlockDevice takeOverAtLast() throws InterruptedException {
        while (true) {
            try {
                return takeOver.get();
            } catch (CisternException e) {
                boolean over;
                synchronized (this) {
                    over = closed;
                }
                if (over || !e.code().retryable()) {
                    throw e;
                }
                LOG.warn("taking a volume over: {}; trying on", e.getMessage());
                Thread.sleep(RETRY_MS);
            }
        }
    }

    @Override
    public long sizeBytes() {
        return current.sizeBytes();
    }

    @Override
    public boolean readOnly() {
        return false;
    }

    @Override
    public boolean tryRead(long offset, ByteBuffer dst) {
        return current.tryRead(offset, dst);
    }

    @Override
    public CompletableFuture<Void> read(long offset, ByteBuffer dst) {
        return onCurrent(device -> device.read(offset, dst));
    }

    /// Asks the present device; and where that failed while another took its place, that one: what
    /// was on its way to the reader ends with it, and the guest must not notice.
    private <T> CompletableFuture<T> onCurrent(Function<BlockDevice, CompletableFuture<T>> ask) {
        BlockDevice asked = current;
        return ask.apply(asked)
                .exceptionallyCompose(failure ->
                        current == asked
                                ? CompletableFuture.failedFuture(failure)
                                : ask.apply(current));
    }

    @Override
    public CompletableFuture<Void> write(long offset, ByteBuffer src) {
        return writer().thenCompose(device -> device.write(offset, src));
    }

    @Override
    public CompletableFuture<Void> zero(long offset, long length, boolean unmap) {
        return writer().thenCompose(device -> device.zero(offset, length, unmap));
    }

    @Override
    public CompletableFuture<Void> discard(long offset, long length) {
        return writer().thenCompose(device -> device.discard(offset, length));
    }

    @Override
    public CompletableFuture<Void> flush() {
        return current.flush();
    }

    @Override
    public CompletableFuture<List<Extent>> extents(long offset, long length, int maxExtents) {
        return onCurrent(device -> device.extents(offset, length, maxExtents));
    }

    @Override
    public AutoCloseable onResize(LongConsumer listener) {
        listeners.add(listener);
        return () -> listeners.remove(listener);
    }

    @Override
    public void close() {
        synchronized (this) {
            closed = true;
        }
        current.close();
    }
}
