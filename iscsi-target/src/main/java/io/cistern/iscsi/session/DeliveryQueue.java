package io.cistern.iscsi.session;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashSet;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.Predicate;

/// The order in which tasks are given to the nexus (SAM-5 8.7): as they become ready, but an
/// ordered task after all before it and before all after it. Event loop only.
///
/// Invariants: `undelivered` holds the tasks that are not READY or wait for an ordered one, oldest
/// first; `backlog` those that are READY and wait to be admitted.
final class DeliveryQueue {
    private final Predicate<Task> admit;
    private final Consumer<Task> deliver;
    private final Set<Task> undelivered = new LinkedHashSet<>();
    private final Deque<Task> backlog = new ArrayDeque<>();
    private int orderedUndelivered;
    private boolean held;
    private boolean draining;

    /// @param admit whether there is memory for the task's data; it is asked again at [#retry]
    /// @param deliver gives the task to the nexus
    DeliveryQueue(Predicate<Task> admit, Consumer<Task> deliver) {
        this.admit = admit;
        this.deliver = deliver;
    }

    /// A task that is not ready, younger than all others.
    void arrived(Task task) {
        undelivered.add(task);
        if (task.ordered()) {
            orderedUndelivered++;
        }
    }

    /// The task has its data.
    void ready(Task task) {
        task.state = Task.State.READY;
        if (orderedUndelivered == 0) {
            undelivered.remove(task);
            backlog.add(task);
            drain();
        } else {
            deliverInOrder();
        }
    }

    private void deliverInOrder() {
        for (Task task : new ArrayList<>(undelivered)) {
            boolean first = !undelivered.isEmpty() && undelivered.iterator().next() == task;
            if (task.ordered() && !(first && task.state == Task.State.READY)) {
                return;
            }
            if (task.state == Task.State.READY) {
                remove(task);
                backlog.add(task);
                drain();
            }
        }
    }

    /// The task has ended.
    void remove(Task task) {
        if (undelivered.remove(task) && task.ordered()) {
            orderedUndelivered--;
        }
    }

    /// Holds back deliveries while a task management function is waiting.
    void hold(boolean on) {
        held = on;
        if (!on) {
            drain();
        }
    }

    /// Tries again what could not be delivered.
    void retry() {
        if (orderedUndelivered > 0) {
            deliverInOrder();
        }
        drain();
    }

    private void drain() {
        if (draining) {
            return;
        }
        draining = true;
        try {
            while (!held) {
                Task task = backlog.peek();
                if (task == null || task.state == Task.State.READY && !admit.test(task)) {
                    return;
                }
                backlog.poll();
                if (task.state == Task.State.READY) {
                    deliver.accept(task);
                }
            }
        } finally {
            draining = false;
        }
    }

    boolean isEmpty() {
        return undelivered.isEmpty() && backlog.isEmpty();
    }
}
