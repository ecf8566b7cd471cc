package io.cistern.iscsi.scsi;

import java.util.Collection;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/// Task management functions of one nexus (SAM-5 clause 7). What concerns other nexuses goes
/// through the shared state: once it is replaced, no node's request made under the old one takes
/// effect.
final class TaskManager {
    private final LogicalUnit unit;
    private final LuNexus nexus;

    TaskManager(LogicalUnit unit, LuNexus nexus) {
        this.unit = unit;
        this.nexus = nexus;
    }

    CompletableFuture<TaskManagement.Response> manage(
            TaskManagement function, long lun, @Nullable ScsiCommand referenced) {
        boolean wholeTarget =
                function == TaskManagement.TARGET_WARM_RESET
                        || function == TaskManagement.TARGET_COLD_RESET;
        if (lun != 0 && !wholeTarget) {
            return done(TaskManagement.Response.INCORRECT_LUN);
        }
        return switch (function) {
            case ABORT_TASK -> abortTask(referenced);
            case ABORT_TASK_SET -> abortAll();
            case CLEAR_TASK_SET -> shared(SharedEvent.Kind.CLEAR_TASK_SET);
            case LOGICAL_UNIT_RESET -> shared(SharedEvent.Kind.LOGICAL_UNIT_RESET);
            case TARGET_WARM_RESET -> shared(SharedEvent.Kind.TARGET_WARM_RESET);
            case TARGET_COLD_RESET -> shared(SharedEvent.Kind.TARGET_COLD_RESET);
            case CLEAR_ACA -> done(TaskManagement.Response.REJECTED);
            case QUERY_TASK -> {
                Task task = nexus.find(referenced);
                yield done(
                        task == null || task.ended()
                                ? TaskManagement.Response.NO_TASK
                                : TaskManagement.Response.SUCCEEDED);
            }
            case QUERY_TASK_SET ->
                    done(
                            nexus.tasks().stream().allMatch(Task::ended)
                                    ? TaskManagement.Response.COMPLETE
                                    : TaskManagement.Response.SUCCEEDED);
            case QUERY_ASYNC_EVENT ->
                    done(
                            nexus.attentions().isEmpty()
                                    ? TaskManagement.Response.COMPLETE
                                    : TaskManagement.Response.SUCCEEDED);
            case I_T_NEXUS_RESET -> {
                nexus.attentions().add(Condition.NEXUS_LOSS);
                unit.releaseReserve(nexus.id());
                yield abortAll();
            }
        };
    }

    private CompletableFuture<TaskManagement.Response> abortTask(@Nullable ScsiCommand referenced) {
        Task task = nexus.find(referenced);
        if (task == null || task.ended()) {
            return done(TaskManagement.Response.NO_TASK);
        }
        return abort(List.of(task));
    }

    private CompletableFuture<TaskManagement.Response> abortAll() {
        return abort(nexus.tasks());
    }

    private CompletableFuture<TaskManagement.Response> abort(Collection<Task> tasks) {
        List<Task> aborted = nexus.abort(tasks);
        if (!aborted.isEmpty()) {
            nexus.events().aborted(aborted.stream().map(Task::command).toList());
        }
        // Also those aborted before that still run.
        return CompletableFuture.allOf(
                        tasks.stream()
                                .filter(Task::ended)
                                .map(Task::quiet)
                                .toArray(CompletableFuture[]::new))
                .thenApply(quiet -> TaskManagement.Response.COMPLETE);
    }

    private CompletableFuture<TaskManagement.Response> shared(SharedEvent.Kind kind) {
        return unit.shared()
                .update(state -> {
                    ScsiState.Draft draft = state.draft();
                    if (kind.isReset()) {
                        draft.reservedBy = null;
                        draft.mode = draft.savedMode;
                    }
                    draft.event(kind, nexus.id());
                    return draft.build();
                })
                .handle((view, failure) ->
                        failure == null
                                ? TaskManagement.Response.COMPLETE
                                : TaskManagement.Response.REJECTED);
    }

    private static CompletableFuture<TaskManagement.Response> done(
            TaskManagement.Response response) {
        return CompletableFuture.completedFuture(response);
    }
}
