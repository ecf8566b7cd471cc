package io.cistern.volume.node;

import io.cistern.volume.client.Waits;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// A question that is asked once for all who want its answer at the same time. The answer that a
/// caller gets was asked for after it came: who comes while one is asked waits for the next.
///
/// One question follows the other, unless the one before takes long: then the next is asked beside
/// it, so that an answer that never comes keeps nobody.
///
/// @param <T> the answer
final class Joint<T> {
    private final Supplier<T> question;
    private final long patienceNanos;
    private final ReentrantLock asking = new ReentrantLock();

    /// What the next question is answered with, null while nobody waits for it. Guarded by this.
    private @Nullable CompletableFuture<T> next;

    /// @param question blocks; asked on a virtual thread of its own
    /// @param patience how long a question may take before the next one is asked all the same
    Joint(Supplier<T> question, Duration patience) {
        this.question = question;
        this.patienceNanos = patience.toNanos();
    }

    /// @param longest that the question can take, with the one before it
    /// @throws io.cistern.block.CisternException what the question ended with
    T ask(Duration longest) {
        return Waits.get(joined(), longest);
    }

    private synchronized CompletableFuture<T> joined() {
        CompletableFuture<T> answer = next;
        if (answer == null) {
            CompletableFuture<T> mine = new CompletableFuture<>();
            Thread.ofVirtual().name("joint-question").start(() -> answer(mine));
            next = mine;
            return mine;
        }
        return answer;
    }

    private void answer(CompletableFuture<T> mine) {
        boolean turn = false;
        try {
            turn = asking.tryLock(patienceNanos, TimeUnit.NANOSECONDS);
            synchronized (this) {
                next = null; // from here on who comes is too late for this question
            }
            mine.complete(question.get());
        } catch (Throwable e) {
            synchronized (this) {
                next = next == mine ? null : next;
            }
            mine.completeExceptionally(e);
        } finally {
            if (turn) {
                asking.unlock();
            }
        }
    }
}
