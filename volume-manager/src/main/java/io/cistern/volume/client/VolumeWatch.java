package io.cistern.volume.client;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.storage.Command.AttachMode;
import io.cistern.storage.Command.Limits;
import io.cistern.storage.VolumeState;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/// An open volume as its group last described it, and whether it is still ours: until it was closed
/// here, or ended by the cluster. Any thread.
final class VolumeWatch {
    private final Opened opened;
    private final Admission admission;
    private final CompletableFuture<CisternException> ended = new CompletableFuture<>();
    private final CopyOnWriteArrayList<LongConsumer> resizeListeners = new CopyOnWriteArrayList<>();

    private volatile long version;
    private volatile long sizeBytes;
    private volatile Limits limits = Limits.NONE;
    private volatile boolean closed;

    /// @param admission learns of new limits, and loses what it has queued when the volume ends
    VolumeWatch(Opened opened, Admission admission, long sizeBytes) {
        this.opened = opened;
        this.admission = admission;
        this.sizeBytes = sizeBytes;
    }

    long version() {
        return version;
    }

    long sizeBytes() {
        return sizeBytes;
    }

    Limits limits() {
        return limits;
    }

    boolean closed() {
        return closed;
    }

    boolean readOnly() {
        return opened.mode() == AttachMode.READ_ONLY;
    }

    /// Completes when the cluster ends the attachment; cancelled when it is closed here.
    CompletableFuture<CisternException> ended() {
        return ended.copy();
    }

    /// Why the cluster has ended it, null where it has not.
    ///
    /// @throws java.util.concurrent.CancellationException where it was closed here
    @Nullable CisternException end() {
        return ended.getNow(null);
    }

    AutoCloseable onResize(LongConsumer listener) {
        resizeListeners.add(listener);
        return () -> resizeListeners.remove(listener);
    }

    /// Why a request cannot be, null where it can.
    @Nullable CisternException refusal(long offset, long length) {
        CisternException over = ended.isDone() && !closed ? ended.getNow(null) : null;
        if (over != null) {
            return over;
        }
        if (closed) {
            return new CisternException(ErrorCode.UNAVAILABLE, opened.name() + " was closed");
        }
        if (offset < 0 || length < 0 || offset > sizeBytes - length) {
            return new CisternException(
                    ErrorCode.OUT_OF_RANGE,
                    length
                            + " bytes at "
                            + offset
                            + " end beyond "
                            + opened.name()
                            + " of "
                            + sizeBytes
                            + " bytes");
        }
        return null;
    }

    @Nullable CisternException writeRefusal(long offset, long length) {
        return readOnly()
                ? new CisternException(
                        ErrorCode.READ_ONLY, opened.name() + " is open for reading only")
                : refusal(offset, length);
    }

    /// Takes over what the group says, unless it is older than what is known.
    ///
    /// @return false where nothing was taken over
    boolean apply(VolumeState state) {
        boolean grown;
        synchronized (this) {
            if (state.version() < version) {
                return false;
            }
            version = state.version();
            if (opened.snapshot() != null) {
                return false;
            }
            grown = state.sizeBytes() != sizeBytes;
            sizeBytes = state.sizeBytes();
            if (!limits.equals(state.limits())) {
                limits = state.limits();
                admission.limits(limits);
            }
        }
        if (grown) {
            resizeListeners.forEach(listener -> listener.accept(state.sizeBytes()));
        }
        if (state.attachments().stream().noneMatch(a -> a.id() == opened.attachment())) {
            end(new CisternException(ErrorCode.FENCED, opened.name() + " is held by another now"));
        }
        return true;
    }

    /// The cluster has ended it.
    void end(CisternException reason) {
        if (!closed && ended.complete(reason)) {
            admission.removeQueued().forEach(r -> r.refuse(reason));
        }
    }

    /// It is closed here.
    ///
    /// @return false where it was before
    boolean close() {
        synchronized (this) {
            if (closed) {
                return false;
            }
            closed = true;
        }
        ended.cancel(false);
        return true;
    }
}
