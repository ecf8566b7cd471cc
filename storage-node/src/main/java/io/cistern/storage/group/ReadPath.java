package io.cistern.storage.group;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.GuardedDevice;
import io.cistern.block.fs.WouldBlockException;
import io.cistern.raft.Leadership;
import io.cistern.storage.CorruptBlocksException;
import io.cistern.storage.View;
import io.cistern.storage.VolumeState;
import io.cistern.storage.group.VolumeGroup.ReadRequest;
import io.cistern.storage.group.VolumeGroup.Receipt;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// Reads of one replica.
///
/// A read by index is served here once that index is applied. A read under the lease is served if,
/// after the data was read, no other replica can have been elected: then the data was the newest
/// when it was read. Both are refused until the replica has applied what its log held when it was
/// opened (before that its disk may be ahead of its map), unless it leads and is ready.
final class ReadPath {
    /// How often a read starts over because the volume's view moved or damage was repaired under
    /// it.
    private static final int MAX_ATTEMPTS = 8;

    private final ReplicaParts parts;
    private final BlockRepair repair;
    private volatile boolean caughtUp;
    private volatile boolean suspended;

    ReadPath(ReplicaParts parts, BlockRepair repair) {
        this.parts = parts;
        this.repair = repair;
    }

    /// True once this replica may serve reads at all.
    boolean readable() {
        return !suspended && (caughtUp || becomesReadable());
    }

    /// Refuses all reads while the replica's contents are being replaced.
    void suspend(boolean on) {
        suspended = on;
    }

    private boolean becomesReadable() {
        boolean now =
                parts.machine().appliedIndex() >= parts.raft().lastIndexAtOpen()
                        || parts.raft().leadership().ready();
        caughtUp = now;
        return now;
    }

    /// See [VolumeGroup#tryRead].
    boolean tryRead(ReadRequest request, long offset, ByteBuffer dst) {
        if (!readable() || parts.machine().appliedIndex() < request.minIndex()) {
            return false;
        }
        VolumeState state = parts.store().volume(request.volume());
        if (state == null
                || request.snapshot() != null
                || !attached(state, request.attachment())
                || !current(state, request)
                || offset < 0
                || dst.remaining() > state.sizeBytes() - offset) {
            return false;
        }
        int position = dst.position();
        long term = parts.raft().leadership().term();
        try {
            if (!parts.store().tryRead(parts.store().headView(request.volume()), offset, dst)) {
                return false;
            }
        } catch (CisternException | CorruptBlocksException needsMore) {
            dst.position(position);
            return false;
        }
        if (request.minIndex() == ReadRequest.LEADER_LEASE && !leaseCovers(term)) {
            dst.position(position);
            return false;
        }
        if (request.guard() != GuardedDevice.NO_GUARD && !stillCurrent(request)) {
            dst.position(position);
            return false;
        }
        return true;
    }

    /// Runs `task`, which does not block, where a read of a head may be served here now.
    ///
    /// @return null where that is not so, or the task gives up
    <T> @Nullable T tryServe(ReadRequest request, Supplier<T> task) {
        if (!readable() || parts.machine().appliedIndex() < request.minIndex()) {
            return null;
        }
        VolumeState state = parts.store().volume(request.volume());
        if (state == null
                || request.snapshot() != null
                || request.guard() != GuardedDevice.NO_GUARD
                || !attached(state, request.attachment())) {
            return null;
        }
        long term = parts.raft().leadership().term();
        T result;
        try {
            result = task.get();
        } catch (CisternException | CorruptBlocksException | WouldBlockException needsMore) {
            return null;
        }
        return request.minIndex() == ReadRequest.LEADER_LEASE && !leaseCovers(term) ? null : result;
    }

    /// Whether the shared record has the version that the reader acted upon. Versions only grow, so
    /// one that is current after the bytes were read was current when they were.
    private boolean stillCurrent(ReadRequest request) {
        VolumeState after = parts.store().volume(request.volume());
        return after != null && current(after, request);
    }

    private static boolean current(VolumeState state, ReadRequest request) {
        return request.guard() == GuardedDevice.NO_GUARD
                || request.guard() == state.recordVersion();
    }

    /// What to answer to a read that [#tryRead] has just served.
    Receipt receipt(long volume) {
        VolumeState state = parts.store().volume(volume);
        return new Receipt(parts.machine().visibleIndex(), state == null ? 0 : state.version(), 0);
    }

    /// Reads `dst.remaining()` bytes.
    CompletableFuture<Receipt> read(ReadRequest request, long offset, ByteBuffer dst) {
        int start = dst.position();
        int length = dst.remaining();
        return serve(
                request,
                () ->
                        onView(
                                request,
                                offset,
                                length,
                                view -> {
                                    dst.position(start);
                                    parts.store().read(view, offset, dst);
                                }));
    }

    /// Runs `task` on a reader thread once the request may be served here, and checks the lease
    /// after it.
    <T> CompletableFuture<T> serve(ReadRequest request, Supplier<T> task) {
        if (request.minIndex() == ReadRequest.LEADER_LEASE) {
            return leased(task);
        }
        if (request.guard() != GuardedDevice.NO_GUARD) {
            return CompletableFuture.failedFuture(
                    new CisternException(
                            ErrorCode.INVALID, "a guarded read has to be under the lease"));
        }
        if (!readable()) {
            return CompletableFuture.failedFuture(notYet());
        }
        if (parts.machine().appliedIndex() >= request.minIndex()) {
            return NodeParts.supply(parts.node().readers(), task);
        }
        return parts.raft()
                .awaitApplied(request.minIndex(), parts.node().tuning().readWait())
                .thenCompose(applied -> NodeParts.supply(parts.node().readers(), task));
    }

    /// Runs `task` on a reader thread of the leader, under its lease.
    <T> CompletableFuture<T> leased(Supplier<T> task) {
        Leadership now = parts.raft().leadership();
        if (!now.ready()) {
            return CompletableFuture.failedFuture(parts.notLeader(now));
        }
        CompletableFuture<Void> lease = parts.raft().awaitLease();
        CompletableFuture<T> result = NodeParts.supply(parts.node().readers(), task);
        return result.thenCombine(lease, (value, held) -> value)
                .thenCompose(value -> stillLeased(now.term(), value));
    }

    private <T> CompletableFuture<T> stillLeased(long term, T value) {
        if (leaseCovers(term)) {
            return CompletableFuture.completedFuture(value);
        }
        return parts.raft()
                .awaitLease()
                .thenApply(held -> {
                    if (parts.raft().leadership().term() != term) {
                        throw new CisternException(
                                ErrorCode.UNAVAILABLE,
                                "the leader of group "
                                        + parts.raft().id()
                                        + " changed during a read; ask again");
                    }
                    return value;
                });
    }

    /// True if nobody else can have acknowledged anything since this replica became ready in
    /// `term`, so that what it read in between was the newest.
    private boolean leaseCovers(long term) {
        return parts.raft().leaseValid() && parts.raft().leadership().term() == term;
    }

    /// Runs `task`, which may block, on the view that the request names, repairing damage it meets.
    Receipt onView(ReadRequest request, long offset, long length, Consumer<View> task) {
        CisternException last = notYet();
        for (int attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
            VolumeState state = parts.volume(request.volume());
            View view = view(request, state, offset, length);
            try {
                task.accept(view);
                if (!current(state, request)
                        || (request.guard() != GuardedDevice.NO_GUARD && !stillCurrent(request))) {
                    throw changed(request);
                }
                return new Receipt(parts.machine().visibleIndex(), state.version(), 0);
            } catch (CorruptBlocksException damage) {
                last = mend(damage, attempt);
            } catch (CisternException e) {
                if (e.code() == ErrorCode.CORRUPT) {
                    throw damagedMap(e);
                }
                if (e.code() != ErrorCode.STALE) {
                    throw e;
                }
                last = e;
            }
        }
        throw last;
    }

    private static CisternException changed(ReadRequest request) {
        return new CisternException(
                ErrorCode.CHANGED,
                "the shared record of volume "
                        + request.volume()
                        + " is no longer at version "
                        + request.guard());
    }

    /// The other replicas have what this one's map no longer tells.
    private CisternException damagedMap(CisternException damage) {
        parts.damaged().accept(damage);
        return new CisternException(
                ErrorCode.UNAVAILABLE,
                parts.raft().self().id() + " is damaged and going out of use; ask another replica",
                damage);
    }

    /// Damage that cannot be mended may be gone when read again: the row may have been rewritten.
    private CisternException mend(CorruptBlocksException damage, int attempt) {
        try {
            repair.repair(damage);
            return notYet();
        } catch (CisternException beyondRepair) {
            if (attempt >= 2) {
                throw beyondRepair;
            }
            return beyondRepair;
        }
    }

    private View view(ReadRequest request, VolumeState state, long offset, long length) {
        if (!attached(state, request.attachment())) {
            throw fenced(state, request.attachment());
        }
        String snapshot = request.snapshot();
        if (snapshot != null) {
            return parts.store().snapshotView(request.volume(), snapshot);
        }
        ReplicaParts.checkRange(state, offset, length);
        return parts.store().headView(request.volume());
    }

    private static boolean attached(VolumeState state, long attachment) {
        if (attachment == 0) {
            return true;
        }
        List<VolumeState.Attachment> attachments = state.attachments();
        for (int i = 0; i < attachments.size(); i++) {
            if (attachments.get(i).id() == attachment) {
                return true;
            }
        }
        return false;
    }

    private static CisternException fenced(VolumeState state, long attachment) {
        return new CisternException(
                ErrorCode.FENCED,
                "attachment "
                        + attachment
                        + " of volume "
                        + state.volume()
                        + " has ended; attach again to use the volume");
    }

    CisternException notYet() {
        return new CisternException(
                ErrorCode.STALE,
                parts.raft().self().id()
                        + " is at index "
                        + parts.machine().appliedIndex()
                        + " and catching up with group "
                        + parts.raft().id()
                        + "; ask another replica");
    }
}
