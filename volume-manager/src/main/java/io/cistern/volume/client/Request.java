package io.cistern.volume.client;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.storage.group.VolumeGroup.Receipt;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BiConsumer;
import org.jspecify.annotations.Nullable;

/// One request of a device on its way to a group's member, and again where that fails.
///
/// ```
/// QUEUED --admitted--> SENT <--> PARKED (waits for a leader or a pause)
///    '------------------'----------'---------> DONE
/// ```
///
/// At most one attempt is under way at a time, and an attempt always ends before the next begins or
/// the request completes: so nobody touches a buffer that its owner has back.
abstract class Request implements BiConsumer<Object, @Nullable Throwable> {
    private static final int QUEUED = 0;
    private static final int SENT = 1;
    private static final int PARKED = 2;
    private static final int DONE = 3;

    final Device device;
    final long offset;
    final long length;
    private final long submittedNanos;

    private final AtomicInteger state = new AtomicInteger(QUEUED);
    private int attempts;

    /// Position among the device's requests.
    long order;

    /// Index in the device's table while admitted.
    int slot = -1;

    /// The write's number, 0 for others.
    long seq;

    private volatile long deadlineNanos;
    private volatile long attemptNanos;
    private volatile @Nullable Member member;

    Request(Device device, long offset, long length, long nowNanos) {
        this.device = device;
        this.offset = offset;
        this.length = length;
        this.submittedNanos = nowNanos;
    }

    /// True for what needs a number and goes to the leader only.
    abstract boolean changes();

    /// Who should get the next attempt, null where it has to wait for a leader.
    abstract @Nullable Member target(int attempt);

    /// Begins an attempt; its future is passed to [#accept].
    abstract CompletableFuture<?> attempt(Member member);

    /// The request is over; called once.
    abstract void finish(@Nullable Object answer, @Nullable CisternException failure);

    /// Bytes that travel with it, for limits.
    long carriedBytes() {
        return 0;
    }

    long order() {
        return order;
    }

    /// When it was submitted, in `nanoTime`.
    long submittedNanos() {
        return submittedNanos;
    }

    /// First attempt; the deadline stays the same for later ones.
    final void start(long deadline) {
        deadlineNanos = deadline;
        state.set(SENT);
        send();
    }

    /// Goes on after [GroupRoute#park].
    final void resume() {
        if (state.compareAndSet(PARKED, SENT)) {
            send();
        }
    }

    private void send() {
        Member next = target(attempts);
        if (next == null) {
            park();
            return;
        }
        attempts++;
        member = next;
        attemptNanos = device.nanoTime();
        CompletableFuture<?> sent;
        try {
            sent = attempt(next);
        } catch (RuntimeException e) {
            accept(null, e);
            return;
        }
        sent.whenComplete(this);
    }

    private void park() {
        member = null;
        state.set(PARKED);
        device.route().park(this);
    }

    @Override
    public final void accept(@Nullable Object answer, @Nullable Throwable failure) {
        if (failure == null) {
            done(answer, null);
            return;
        }
        CisternException reason = CisternException.of(failure);
        Member tried = member;
        member = null;
        boolean again = reason.code().retryable() || reason.code() == ErrorCode.LIMIT;
        if (!again || tried == null || device.closed()) {
            done(null, reason);
            return;
        }
        if (device.nanoTime() - deadlineNanos >= 0) {
            done(null, late(reason));
            return;
        }
        device.retried();
        if (reason.code() == ErrorCode.LIMIT) {
            state.set(PARKED);
            device.later(this);
            return;
        }
        if (changes() || tried == device.route().leader()) {
            device.route().failed(tried);
            park();
        } else {
            send();
        }
    }

    private CisternException late(CisternException reason) {
        return new CisternException(
                ErrorCode.UNAVAILABLE,
                "no answer for "
                        + device.name()
                        + " in time, after "
                        + attempts
                        + " attempts; the last: "
                        + reason.getMessage(),
                reason);
    }

    private void done(@Nullable Object answer, @Nullable CisternException failure) {
        state.set(DONE);
        member = null;
        if (answer instanceof Receipt receipt) {
            device.learned(receipt);
        }
        device.finished(this, failure);
        finish(answer, failure);
    }

    /// Fails a request that waits; one under way goes on.
    final void abandon(CisternException reason) {
        if (state.compareAndSet(PARKED, DONE)) {
            device.finished(this, reason);
            finish(null, reason);
        }
    }

    /// Fails a request that was never admitted.
    final void refuse(CisternException reason) {
        if (state.compareAndSet(QUEUED, DONE)) {
            finish(null, reason);
        }
    }

    /// Looks at the clock: an attempt that takes long makes its member suspect; a request that has
    /// waited too long ends.
    final void tick(long nowNanos, long patienceNanos) {
        Member trying = member;
        boolean late = deadlineNanos != 0 && nowNanos - deadlineNanos >= 0;
        if (state.get() == PARKED && late) {
            abandon(
                    late(
                            new CisternException(
                                    ErrorCode.UNAVAILABLE,
                                    "g" + device.route().group() + " has no leader")));
        } else if (trying != null && late) {
            trying.reset();
        } else if (trying != null && nowNanos - attemptNanos >= patienceNanos) {
            device.slow(trying, patienceNanos);
        }
    }
}
