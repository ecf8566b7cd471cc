package io.cistern.volume.client;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.GuardedDevice.SharedRecord;
import io.cistern.volume.VolumeDevice;
import java.nio.ByteBuffer;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// The shared record of an open volume: asked for, replaced and watched. Any thread.
final class RecordAccess {
    private final Device device;
    private final Opened opened;
    private final Client client;
    private final VolumeWatch volume;
    private final RecordWatch watch = new RecordWatch();

    RecordAccess(Device device, Opened opened, Client client, VolumeWatch volume) {
        this.device = device;
        this.opened = opened;
        this.client = client;
        this.volume = volume;
    }

    /// As its leader knows it.
    CompletableFuture<SharedRecord> ask() {
        CisternException refusal = volume.refusal(0, 0);
        if (refusal != null) {
            return CompletableFuture.failedFuture(refusal);
        }
        if (opened.snapshot() != null) {
            return CompletableFuture.completedFuture(SharedRecord.EMPTY);
        }
        return client.control(device.route(), group -> group.record(opened.volume()))
                .handle((record, failure) -> {
                    if (failure != null) {
                        throw CisternException.of(failure);
                    }
                    watch.learned(record);
                    return record;
                });
    }

    SharedRecord known() {
        return watch.known();
    }

    AutoCloseable listen(Consumer<SharedRecord> listener) {
        return watch.listen(listener);
    }

    CompletableFuture<SharedRecord> replace(long expectedVersion, ByteBuffer bytes) {
        CisternException refusal = replaceRefusal(expectedVersion, bytes.remaining());
        if (refusal != null) {
            return CompletableFuture.failedFuture(refusal);
        }
        ByteBuffer copy = ByteBuffer.allocate(bytes.remaining());
        copy.put(bytes.duplicate()).flip();
        Requests.ReplaceRecord request =
                new Requests.ReplaceRecord(
                        device, expectedVersion, copy.asReadOnlyBuffer(), device.nanoTime());
        return device.submit(request)
                .thenApply(version -> {
                    SharedRecord replaced = new SharedRecord(version, copy.asReadOnlyBuffer());
                    watch.learned(replaced);
                    return replaced;
                });
    }

    private @Nullable CisternException replaceRefusal(long expectedVersion, int bytes) {
        CisternException refusal = volume.writeRefusal(0, 0);
        if (refusal == null && expectedVersion < 0) {
            return new CisternException(
                    ErrorCode.INVALID, "no record has version " + expectedVersion);
        }
        if (refusal == null && bytes > VolumeDevice.MAX_RECORD_BYTES) {
            return new CisternException(
                    ErrorCode.LIMIT,
                    "a shared record of "
                            + bytes
                            + " bytes; at most "
                            + VolumeDevice.MAX_RECORD_BYTES);
        }
        return refusal;
    }
}
