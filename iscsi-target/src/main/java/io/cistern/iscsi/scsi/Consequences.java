package io.cistern.iscsi.scsi;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;

/// What a change of the shared state, made through whichever node, means to the nexuses of this
/// one: unit attention conditions, and tasks that end.
final class Consequences {
    private final LogicalUnit unit;

    Consequences(LogicalUnit unit) {
        this.unit = unit;
    }

    /// Establishes unit attention conditions and ends tasks.
    ///
    /// @return how initiators and transport are told of the ended tasks, to be run without locks
    Runnable of(ScsiState before, ScsiState now) {
        List<SharedEvent> events = now.eventsAfter(before.eventCount());
        List<Runnable> after = new ArrayList<>();
        if (events == null) {
            // More happened than the record lists: as good as a reset.
            for (LuNexus nexus : unit.nexuses()) {
                nexus.attentions().add(Condition.POWER_ON_RESET_OR_BUS_DEVICE_RESET);
                abort(nexus, before, true, task -> true, after);
            }
        } else {
            for (SharedEvent event : events) {
                for (LuNexus nexus : unit.nexuses()) {
                    tell(nexus, event, before, now, after);
                }
                if (event.kind() == SharedEvent.Kind.TARGET_COLD_RESET) {
                    // The actor's own transport ends its session, once it has answered.
                    after.add(() -> unit.endAll("the target was reset", event.actor()));
                }
            }
        }
        return () -> after.forEach(Runnable::run);
    }

    private static void tell(
            LuNexus nexus,
            SharedEvent event,
            ScsiState before,
            ScsiState now,
            List<Runnable> after) {
        boolean other = !nexus.id().equals(event.actor());
        boolean removed = before.isRegistered(nexus.id()) && !now.isRegistered(nexus.id());
        UnitAttentions attentions = nexus.attentions();
        switch (event.kind()) {
            case LOGICAL_UNIT_RESET, TARGET_WARM_RESET, TARGET_COLD_RESET -> {
                attentions.add(resetCondition(event.kind()));
                abort(nexus, before, other, task -> true, after);
            }
            case CLEAR_TASK_SET -> {
                boolean any = abort(nexus, before, other, task -> true, after);
                if (any && other && !before.mode().taskAbortedStatus()) {
                    attentions.add(Condition.COMMANDS_CLEARED);
                }
            }
            case PREEMPTED, PREEMPTED_AND_ABORTED -> {
                if (removed && other) {
                    attentions.add(Condition.REGISTRATIONS_PREEMPTED);
                }
                if (removed && event.kind() == SharedEvent.Kind.PREEMPTED_AND_ABORTED) {
                    abort(nexus, before, other, task -> other || !isPreempt(task), after);
                }
            }
            case CLEARED -> {
                if (removed && other) {
                    attentions.add(Condition.RESERVATIONS_PREEMPTED);
                }
            }
            case RELEASED -> {
                if (other && now.isRegistered(nexus.id())) {
                    attentions.add(Condition.RESERVATIONS_RELEASED);
                }
            }
            case MODE_CHANGED -> {
                if (other) {
                    attentions.add(Condition.MODE_PARAMETERS_CHANGED);
                }
            }
        }
    }

    private static Condition resetCondition(SharedEvent.Kind kind) {
        return switch (kind) {
            case TARGET_WARM_RESET -> Condition.BUS_RESET;
            case TARGET_COLD_RESET -> Condition.POWER_ON;
            default -> Condition.BUS_DEVICE_RESET;
        };
    }

    private static boolean isPreempt(Task task) {
        return task.command().operationCode() == Opcodes.PERSISTENT_RESERVE_OUT;
    }

    /// Ends the tasks of a nexus, with TASK ABORTED where another nexus is the cause and TAS is
    /// set.
    private static boolean abort(
            LuNexus nexus,
            ScsiState before,
            boolean other,
            Predicate<Task> which,
            List<Runnable> after) {
        boolean report = other && before.mode().taskAbortedStatus();
        List<ScsiCommand> silent = new ArrayList<>();
        boolean any = false;
        for (Task task : nexus.tasks()) {
            if (task.arriving() || !which.test(task) || !task.abort()) {
                continue;
            }
            any = true;
            if (report) {
                after.add(task::reportAborted);
            } else {
                silent.add(task.command());
            }
            after.add(() -> nexus.drop(task));
        }
        if (!silent.isEmpty()) {
            after.add(() -> nexus.events().aborted(silent));
        }
        return any;
    }
}
