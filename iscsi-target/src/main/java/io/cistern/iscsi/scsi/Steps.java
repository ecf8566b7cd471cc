package io.cistern.iscsi.scsi;

import java.util.concurrent.CompletableFuture;

/// Long work cut into steps that follow one another.
final class Steps {
    interface Step {
        CompletableFuture<Void> run(long at, long length);
    }

    private final long total;
    private final long stride;
    private final Step step;
    private final CompletableFuture<Void> result = new CompletableFuture<>();

    private Steps(long total, long stride, Step step) {
        this.total = total;
        this.stride = stride;
        this.step = step;
    }

    /// Runs `step` for each `stride` of `[0, total)`, one after the other, until one fails.
    static CompletableFuture<Void> run(long total, long stride, Step step) {
        Steps steps = new Steps(total, stride, step);
        steps.from(0);
        return steps.result;
    }

    private void from(long start) {
        long at = start;
        while (at < total) {
            long length = Math.min(stride, total - at);
            CompletableFuture<Void> done;
            try {
                done = step.run(at, length);
            } catch (RuntimeException e) {
                result.completeExceptionally(e);
                return;
            }
            at += length;
            if (!done.isDone() || done.isCompletedExceptionally()) {
                long next = at;
                done.whenComplete((value, failure) -> {
                    if (failure == null) {
                        from(next);
                    } else {
                        result.completeExceptionally(failure);
                    }
                });
                return;
            }
        }
        result.complete(null);
    }
}
