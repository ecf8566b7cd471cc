package io.cistern.raft;

import java.util.Objects;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/// Who leads, whether this replica may act as the leader, and its lease.
///
/// The lease rests on one promise: a replica that was elected acknowledges nothing (is not ready)
/// for [RaftTimings#lease] after its election. An entry that this leader proposed at T and that a
/// majority then stored proves that no other was elected before T: those who voted for it would
/// have refused the entry. So until T + lease no one else can have acknowledged a newer command. It
/// does not rest on the election time-outs, which a real vote does not respect.
///
/// States of this replica, per term:
///
/// ```
/// not leader -> elected -> own entry applied and the wait over: ready -> not leader
/// ```
final class LeadershipTracker {
    private record Lease(long term, long startNanos) {}

    private final String selfId;
    private final RaftTimings timings;
    private final LongSupplier nanoTime;
    private final ScheduledExecutorService timer;
    private final Consumer<Leadership> listener;

    private volatile Leadership current = new Leadership(0, null, false);
    private volatile @Nullable Lease lease;

    // Guarded by this.
    private long leaderTerm = -1;
    private long electedNanos;
    private boolean ownEntryApplied;
    private int transfers;

    /// @param listener told of every change, in order, under this object's lock: must only enqueue
    LeadershipTracker(
            String selfId,
            RaftTimings timings,
            LongSupplier nanoTime,
            ScheduledExecutorService timer,
            Consumer<Leadership> listener) {
        this.selfId = selfId;
        this.timings = timings;
        this.nanoTime = nanoTime;
        this.timer = timer;
        this.listener = listener;
    }

    Leadership current() {
        return current;
    }

    synchronized void leaderIs(long term, @Nullable Peer leader) {
        if (term < current.term()) {
            return;
        }
        boolean self = leader != null && leader.id().equals(selfId);
        if (self) {
            if (leaderTerm == term) {
                return;
            }
            leaderTerm = term;
            electedNanos = nanoTime.getAsLong();
            ownEntryApplied = false;
        } else {
            leaderTerm = -1;
        }
        lease = null;
        change(new Leadership(term, leader, false));
    }

    /// This replica led and no longer does.
    synchronized void stoppedLeading() {
        lease = null;
        leaderTerm = -1;
        change(new Leadership(current.term(), null, false));
    }

    /// The first entry of this leader's own term is applied.
    synchronized void ownEntryApplied(long term) {
        if (leaderTerm != term || ownEntryApplied) {
            return;
        }
        ownEntryApplied = true;
        becomeReadyWhenWaited(term);
    }

    private synchronized void becomeReadyWhenWaited(long term) {
        if (leaderTerm != term || !ownEntryApplied || current.ready()) {
            return;
        }
        long left = timings.lease().toNanos() - (nanoTime.getAsLong() - electedNanos);
        if (left > 0) {
            timer.schedule(() -> becomeReadyWhenWaited(term), left, TimeUnit.NANOSECONDS);
            return;
        }
        change(new Leadership(term, current.leader(), true));
    }

    /// An entry that this leader proposed at `proposedNanos` is committed.
    void committed(long term, long proposedNanos) {
        Lease held = lease;
        if (held != null && held.term == term && held.startNanos - proposedNanos >= 0) {
            return;
        }
        synchronized (this) {
            if (leaderTerm == term && transfers == 0) {
                lease = new Lease(term, proposedNanos);
            }
        }
    }

    /// True if no other replica can have acknowledged anything that this one has not applied.
    boolean leaseValid() {
        Lease held = lease;
        return held != null
                && current.ready()
                && current.term() == held.term
                && nanoTime.getAsLong() - held.startNanos < timings.trustedLeaseNanos();
    }

    /// Gives up the lease, and takes none until the matching [#transferEnded]: leadership is about
    /// to be handed over.
    synchronized void transferBegins() {
        transfers++;
        lease = null;
    }

    synchronized void transferEnded() {
        transfers--;
    }

    private void change(Leadership next) {
        if (!Objects.equals(next, current)) {
            current = next;
            listener.accept(next);
        }
    }
}
