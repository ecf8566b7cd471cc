package io.cistern.storage.group;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// Keeps apart, in the log of a leader's term, writes that reserve less than they touch because
/// their granules own slots, and commands that end such ownership (snapshots, clones, rollbacks,
/// discards, changes of files). Otherwise one of these, logged between a write's evaluation and its
/// application, makes the write take a slot that nobody reserved.
///
/// Who enters stays in until what it proposed is applied, or can take effect no more. Those of one
/// [Mode] are in together; the others wait, first come, first served. Only writes in a pool that is
/// all but full rely on ownership, so elsewhere nobody waits.
///
/// Any thread may call any method; a task runs on the caller's thread, or where `later` takes it.
final class OwnershipGate {
    enum Mode {
        /// Counts on slots that are owned now.
        RELIES,
        /// May end the ownership of slots.
        DISOWNS,
        /// Both; with nobody else.
        ALONE
    }

    private record Waiting(Mode mode, Runnable task) {}

    private final Deque<Waiting> queue = new ArrayDeque<>();
    private @Nullable Mode held;
    private int holders;

    /// Runs `task` once it may be in. The task, or what follows from it, must [#leave].
    void enter(Mode mode, Runnable task) {
        synchronized (this) {
            if (!queue.isEmpty() || !fits(mode)) {
                queue.add(new Waiting(mode, task));
                return;
            }
            take(mode);
        }
        task.run();
    }

    /// @param later runs what has waited
    void leave(Consumer<Runnable> later) {
        List<Runnable> next = new ArrayList<>();
        synchronized (this) {
            if (--holders == 0) {
                held = null;
            }
            Waiting first = queue.peek();
            while (first != null && fits(first.mode)) {
                take(first.mode);
                next.add(first.task);
                queue.remove();
                first = queue.peek();
            }
        }
        next.forEach(later);
    }

    private boolean fits(Mode mode) {
        return held == null || (held == mode && mode != Mode.ALONE);
    }

    private void take(Mode mode) {
        held = mode;
        holders++;
    }
}
