package io.cistern.volume.client;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.storage.group.VolumeGroup;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// A call to a group's leader without buffers of the caller's: an attempt that takes too long is
/// left alone and another one made.
final class ControlCall<T> {
    private static final long PAUSE_MILLIS = 20;

    /// How often the usual time for an attempt a control call may take: some wait for disks.
    private static final int PATIENCE = 3;

    private final Client client;
    private final GroupRoute route;
    private final Function<VolumeGroup, CompletableFuture<T>> call;
    private final @Nullable AtomicInteger attempts;
    private final CompletableFuture<T> result = new CompletableFuture<>();
    private volatile CisternException last;

    ControlCall(
            Client client,
            GroupRoute route,
            Function<VolumeGroup, CompletableFuture<T>> call,
            @Nullable AtomicInteger attempts) {
        this.client = client;
        this.route = route;
        this.call = call;
        this.attempts = attempts;
        this.last =
                new CisternException(
                        ErrorCode.UNAVAILABLE,
                        "g" + route.group() + " has no leader now; see 'cistern status'");
    }

    CompletableFuture<T> start(Duration timeout) {
        java.util.concurrent.Future<?> limit =
                client.after(timeout.toMillis(), () -> result.completeExceptionally(last));
        result.whenComplete((value, failure) -> limit.cancel(false));
        attempt();
        return result;
    }

    private void attempt() {
        if (result.isDone()) {
            return;
        }
        Member leader = route.leader();
        if (leader == null) {
            route.wake();
            client.after(PAUSE_MILLIS, this::attempt);
            return;
        }
        if (attempts != null) {
            attempts.incrementAndGet();
        }
        CompletableFuture<T> answer = call.apply(leader.group());
        java.util.concurrent.Future<?> limit =
                client.after(
                        PATIENCE * client.tryTimeout().toMillis(),
                        () -> answer.completeExceptionally(new TimeoutException()));
        answer.whenComplete((value, failure) -> {
            limit.cancel(false);
            if (failure == null) {
                result.complete(value);
            } else {
                failed(leader, failure);
            }
        });
    }

    private void failed(Member leader, Throwable failure) {
        boolean slow = failure instanceof TimeoutException;
        CisternException reason =
                slow
                        ? new CisternException(
                                ErrorCode.UNAVAILABLE, leader.node() + " does not answer", failure)
                        : CisternException.of(failure);
        if (!reason.code().retryable()) {
            result.completeExceptionally(reason);
            return;
        }
        last = reason;
        if (slow) {
            route.suspect(leader, client.tryTimeout().toNanos());
        } else {
            route.failed(leader);
        }
        client.after(PAUSE_MILLIS, this::attempt);
    }
}
