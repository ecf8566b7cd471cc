package io.cistern.iscsi.scsi;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// The one task set of a logical unit at this node (SAM-5 clause 8, TST = 000b): says when tasks
/// may start. SIMPLE tasks run at once and in any order, an ORDERED task after all before it and
/// before all after it, a HEAD OF QUEUE task at once. Thread-safe.
final class TaskSet {
    private final int limit;
    private final Set<Task> running = new LinkedHashSet<>();
    private final Deque<Task> dormant = new ArrayDeque<>();
    private @Nullable Task barrier;

    /// @param limit tasks that it holds at most
    TaskSet(int limit) {
        this.limit = limit;
    }

    enum Entry {
        START,
        WAIT,
        FULL
    }

    synchronized Entry add(Task task) {
        if (running.size() + dormant.size() >= limit) {
            return Entry.FULL;
        }
        if (heads(task) || dormant.isEmpty() && startable(task)) {
            start(task);
            return Entry.START;
        }
        dormant.add(task);
        return Entry.WAIT;
    }

    /// Removes a task that is quiet.
    ///
    /// @return tasks that may start now
    synchronized List<Task> remove(Task task) {
        if (!running.remove(task)) {
            dormant.remove(task);
        }
        if (barrier == task) {
            barrier = null;
        }
        if (dormant.isEmpty()) {
            return List.of();
        }
        List<Task> started = new ArrayList<>();
        while (!dormant.isEmpty() && startable(dormant.peek())) {
            Task next = dormant.remove();
            start(next);
            started.add(next);
        }
        return started;
    }

    /// Takes out a task that has not started; it never will.
    synchronized boolean withdraw(Task task) {
        return dormant.remove(task);
    }

    synchronized List<Task> tasks() {
        List<Task> all = new ArrayList<>(running);
        all.addAll(dormant);
        return all;
    }

    private static boolean heads(Task task) {
        Opcode opcode = task.opcode();
        return task.command().attribute() == ScsiCommand.Attribute.HEAD_OF_QUEUE
                || opcode != null && opcode.is(Opcode.Trait.ATTENTION_EXEMPT);
    }

    private boolean startable(Task task) {
        return barrier == null
                && (task.command().attribute() != ScsiCommand.Attribute.ORDERED
                        || running.isEmpty());
    }

    private void start(Task task) {
        running.add(task);
        if (task.command().attribute() == ScsiCommand.Attribute.ORDERED && !heads(task)) {
            barrier = task;
        }
    }
}
