package io.cistern.storage.group;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.storage.Store;
import io.cistern.storage.StoreCut;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// Holds this replica's store still for a comparison with the others: behind one entry of the log,
/// which is the same for all of them.
///
/// ```
/// (none) --open--> OPEN --at(N)--> ARMED --entry N applied--> HELD --close, or idle--> (none)
/// ```
///
/// One comparison at a time: the map keeps what is overwritten meanwhile.
final class Cuts {
    /// So long no checkpoint begins: the comparison has to arrange the entry by then.
    private static final long HOLD_NANOS = TimeUnit.SECONDS.toNanos(5);

    /// So long it waits for a checkpoint that is under way.
    private static final long CHECKPOINT_NANOS = TimeUnit.SECONDS.toNanos(1);

    private static final long IDLE_NANOS = TimeUnit.SECONDS.toNanos(30);

    private final Store store;
    private final VolumeStateMachine machine;
    private final NodeParts node;

    // Guarded by this.
    private @Nullable Session session;
    private boolean stopped;

    private static final class Session {
        final long id;
        final CompletableFuture<StoreCut> cut = new CompletableFuture<>();
        long usedNanos;
        boolean closed;

        Session(long id, long nowNanos) {
            this.id = id;
            this.usedNanos = nowNanos;
        }
    }

    Cuts(Store store, VolumeStateMachine machine, NodeParts node) {
        this.store = store;
        this.machine = machine;
        this.node = node;
    }

    /// Blocks while a checkpoint is under way.
    ///
    /// @throws CisternException UNAVAILABLE where another comparison is under way
    WireCut.Opened open() {
        Session begun;
        synchronized (this) {
            if (stopped) {
                throw stopping();
            }
            if (session != null) {
                throw new CisternException(
                        ErrorCode.UNAVAILABLE,
                        "group " + store.group() + " is being compared already; ask again later");
            }
            begun = new Session(node.threads().freshId(), node.threads().nanoTime());
            session = begun;
        }
        try {
            long deadline = node.threads().nanoTime() + CHECKPOINT_NANOS;
            while (!machine.holdCheckpoints(HOLD_NANOS)
                    && node.threads().nanoTime() - deadline < 0
                    && node.threads().sleep(TimeUnit.MILLISECONDS.toNanos(10))) {
                // Until the checkpoint under way has ended.
            }
            return new WireCut.Opened(begun.id, machine.appliedIndex());
        } catch (RuntimeException e) {
            close(begun.id);
            throw e;
        }
    }

    /// @throws CisternException STALE where the entry has been applied already
    void at(long id, long index) {
        Session mine = find(id);
        machine.cutAt(index, () -> take(mine));
        if (machine.appliedIndex() >= index) {
            machine.cutAt(Long.MAX_VALUE, () -> {});
            throw new CisternException(
                    ErrorCode.STALE,
                    "entry " + index + " is applied already, " + machine.appliedIndex() + " was");
        }
    }

    /// On the apply thread, between entries.
    private void take(Session mine) {
        CompletableFuture<StoreCut> begun;
        try {
            begun = store.cut();
        } catch (RuntimeException e) {
            mine.cut.completeExceptionally(e);
            return;
        }
        if (begun == null) {
            mine.cut.completeExceptionally(
                    new CisternException(ErrorCode.STALE, "a checkpoint was under way"));
            return;
        }
        begun.whenComplete((cut, failure) -> {
            if (failure != null) {
                mine.cut.completeExceptionally(failure);
                return;
            }
            synchronized (this) {
                if (!mine.closed) {
                    mine.cut.complete(cut);
                    return;
                }
            }
            cut.close();
        });
    }

    /// Completes when the store is held.
    CompletableFuture<WireCut.Ready> ready(long id) {
        return find(id).cut.thenApply(WireCut.Ready::of);
    }

    WireCut.Page page(WireCut.PageRequest request) {
        StoreCut cut = held(request.session());
        byte[] last = request.last();
        if (!request.list()) {
            return new WireCut.Page(cut.page(request.after(), last, WireCut.PAGE_ITEMS), List.of());
        }
        byte[] end = last == null ? StoreCut.end() : last;
        return new WireCut.Page(
                new StoreCut.CutPage(end, 0, 0, 0),
                cut.items(request.after(), end, WireCut.MAX_LISTED));
    }

    /// The store as it is held; STALE before it is.
    StoreCut held(long id) {
        StoreCut cut = find(id).cut.getNow(null);
        if (cut == null) {
            throw new CisternException(ErrorCode.STALE, "the store is not held still yet");
        }
        return cut;
    }

    private synchronized Session find(long id) {
        Session now = session;
        if (now == null || now.id != id) {
            throw new CisternException(
                    ErrorCode.NOT_FOUND,
                    "the comparison of group " + store.group() + " has ended here; begin again");
        }
        now.usedNanos = node.threads().nanoTime();
        return now;
    }

    /// Ends a comparison; no effect where it has ended.
    void close(long id) {
        Session mine;
        synchronized (this) {
            mine = session;
            if (mine == null || mine.id != id) {
                return;
            }
            session = null;
            mine.closed = true;
        }
        machine.cutAt(Long.MAX_VALUE, () -> {});
        machine.holdCheckpoints(0);
        mine.cut.completeExceptionally(
                new CisternException(ErrorCode.NOT_FOUND, "the comparison has ended"));
        if (!mine.cut.isCompletedExceptionally()) {
            mine.cut.join().close();
        }
    }

    /// Ends what nobody asks for any more; called regularly.
    void expire() {
        long id;
        synchronized (this) {
            Session now = session;
            if (now == null || node.threads().nanoTime() - now.usedNanos <= IDLE_NANOS) {
                return;
            }
            id = now.id;
        }
        close(id);
    }

    /// Ends everything, before the store is closed.
    void stop() {
        long id;
        synchronized (this) {
            stopped = true;
            id = session == null ? -1 : session.id;
        }
        close(id);
    }

    private CisternException stopping() {
        return new CisternException(
                ErrorCode.UNAVAILABLE, "the replica of group " + store.group() + " is closing");
    }
}
