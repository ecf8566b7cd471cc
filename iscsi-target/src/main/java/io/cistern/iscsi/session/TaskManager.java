package io.cistern.iscsi.session;

import io.cistern.iscsi.pdu.Pdu;
import io.cistern.iscsi.pdu.ScsiRequest;
import io.cistern.iscsi.pdu.TaskManagementRequest;
import io.cistern.iscsi.pdu.TaskManagementResponse;
import io.cistern.iscsi.scsi.TaskManagement;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Task management (RFC 7143 4.2.3.3, 11.5, 11.6; RFC 7144 for functions 9 to 12). Event loop only.
///
/// A function on one task is carried out at once. One on many tasks first waits until the commands
/// before it have come and the R2Ts of the affected writes are answered, but no longer than
/// [#GRACE_MS]: initiators with fast abort do not answer them. Meanwhile nothing new is given to
/// the nexus.
final class TaskManager {
    private static final Logger LOG = LoggerFactory.getLogger(TaskManager.class);
    private static final long GRACE_MS = 500;
    private static final int MAX_PENDING = 8;

    /// The level at which functions 9 to 12 exist (RFC 7144 section 3).
    private static final int LEVEL_7144 = 2;

    private static final int ABORT_TASK = 1;
    private static final int TARGET_WARM_RESET = 6;
    private static final int TARGET_COLD_RESET = 7;
    private static final int TASK_REASSIGN = 8;
    private static final int QUERY_TASK = 9;

    private final Connection connection;
    private final Session session;
    private final TaskSet tasks;
    private final Runnable commandsPlugged;

    /// Functions on many tasks that wait, oldest first; the first one is next.
    private final Deque<Pending> waiting = new ArrayDeque<>();

    private int pending;
    private boolean progressing;

    private record Pending(
            TaskManagementRequest request,
            TaskManagement function,
            Predicate<Task> affected,
            long deadline) {}

    /// @param commandsPlugged called when missing commands were given up, so that those after them
    ///   get their turn
    TaskManager(Connection connection, Session session, TaskSet tasks, Runnable commandsPlugged) {
        this.connection = connection;
        this.session = session;
        this.tasks = tasks;
        this.commandsPlugged = commandsPlugged;
    }

    /// @return false where too many functions are under way
    boolean received(TaskManagementRequest request) {
        if (pending >= MAX_PENDING) {
            return false;
        }
        pending++;
        int code = request.function();
        TaskManagement function = function(code);
        if (code == TASK_REASSIGN) {
            respond(request, TaskManagementResponse.REASSIGNMENT_NOT_SUPPORTED);
        } else if (function == null) {
            respond(request, TaskManagementResponse.NOT_SUPPORTED);
        } else if (code == ABORT_TASK || code == QUERY_TASK) {
            one(request, function);
        } else if (aborts(function)) {
            many(request, function);
        } else if (function == TaskManagement.QUERY_TASK_SET && gathering(request.lun())) {
            respond(request, TaskManagementResponse.SUCCEEDED);
        } else {
            pass(request, function, null, List.of());
        }
        return true;
    }

    private @Nullable TaskManagement function(int code) {
        return switch (code) {
            case ABORT_TASK -> TaskManagement.ABORT_TASK;
            case 2 -> TaskManagement.ABORT_TASK_SET;
            case 3 -> TaskManagement.CLEAR_ACA;
            case 4 -> TaskManagement.CLEAR_TASK_SET;
            case 5 -> TaskManagement.LOGICAL_UNIT_RESET;
            case TARGET_WARM_RESET -> TaskManagement.TARGET_WARM_RESET;
            case TARGET_COLD_RESET -> TaskManagement.TARGET_COLD_RESET;
            default ->
                    session.login().parameters().protocolLevel() < LEVEL_7144
                            ? null
                            : switch (code) {
                                case QUERY_TASK -> TaskManagement.QUERY_TASK;
                                case 10 -> TaskManagement.QUERY_TASK_SET;
                                case 11 -> TaskManagement.I_T_NEXUS_RESET;
                                case 12 -> TaskManagement.QUERY_ASYNC_EVENT;
                                default -> null;
                            };
        };
    }

    private static boolean aborts(TaskManagement function) {
        return switch (function) {
            case ABORT_TASK_SET,
                    CLEAR_TASK_SET,
                    LOGICAL_UNIT_RESET,
                    TARGET_WARM_RESET,
                    TARGET_COLD_RESET,
                    I_T_NEXUS_RESET ->
                    true;
            case ABORT_TASK, CLEAR_ACA, QUERY_TASK, QUERY_TASK_SET, QUERY_ASYNC_EVENT -> false;
        };
    }

    /// Whether the task set has a task that the nexus does not know yet.
    private boolean gathering(long lun) {
        return !tasks.select(
                        task -> task.request().lun() == lun && task.state != Task.State.EXECUTING)
                .isEmpty();
    }

    // ---- one task ------------------------------------------------------------------------------

    private void one(TaskManagementRequest request, TaskManagement function) {
        Task task = tasks.find(request.referencedTag());
        if (task != null && task.request().lun() != request.lun()) {
            task = null; // a task is told by its LUN and its tag (SAM-5 4.7.4)
        }
        boolean abort = function == TaskManagement.ABORT_TASK;
        if (task == null) {
            respond(request, abort ? abortMissing(request) : TaskManagementResponse.COMPLETE);
        } else if (task.state == Task.State.EXECUTING) {
            pass(request, function, task, abort ? List.of(task) : List.of());
        } else if (abort) {
            tasks.discard(task);
            respond(request, TaskManagementResponse.COMPLETE);
        } else {
            respond(request, TaskManagementResponse.SUCCEEDED);
        }
    }

    /// RFC 7143 11.5.1: a command that has not come counts as come and aborted, if its number is in
    /// the window and before the function's own.
    private int abortMissing(TaskManagementRequest request) {
        CommandWindow window = connection.out().window();
        Pdu held =
                window.takeHeld(
                        request.referencedTag(),
                        pdu -> pdu instanceof ScsiRequest r ? r.itt() : Pdu.NO_TAG);
        if (held != null) {
            held.release();
            return TaskManagementResponse.COMPLETE;
        }
        int sn = request.refCmdSn();
        if (window.contains(sn) && CommandWindow.before(sn, request.cmdSn())) {
            window.plug(sn);
            commandsPlugged.run();
            return TaskManagementResponse.COMPLETE;
        }
        return TaskManagementResponse.NO_TASK;
    }

    // ---- many tasks ----------------------------------------------------------------------------

    private void many(TaskManagementRequest request, TaskManagement function) {
        boolean all =
                switch (function) {
                    case TARGET_WARM_RESET, TARGET_COLD_RESET, I_T_NEXUS_RESET -> true;
                    default -> false;
                };
        int end = request.cmdSn();
        // Immediate commands have the number of the next one.
        Predicate<Task> affected =
                task ->
                        (all || task.request().lun() == request.lun())
                                && (CommandWindow.before(task.request().cmdSn(), end)
                                        || task.immediate() && task.request().cmdSn() == end);
        waiting.add(
                new Pending(
                        request,
                        function,
                        affected,
                        System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(GRACE_MS)));
        tasks.hold(true);
        connection
                .channel()
                .eventLoop()
                .schedule(this::progress, GRACE_MS + 1, TimeUnit.MILLISECONDS);
        progress();
    }

    /// Carries out what need not wait any longer.
    void progress() {
        if (progressing || connection.isClosed()) {
            return;
        }
        progressing = true;
        try {
            while (true) {
                Pending next = waiting.peek();
                if (next == null || !mayRun(next)) {
                    return;
                }
                waiting.poll();
                run(next);
            }
        } finally {
            progressing = false;
        }
    }

    private boolean mayRun(Pending next) {
        boolean late = System.nanoTime() - next.deadline >= 0;
        CommandWindow window = connection.out().window();
        int end = next.request.cmdSn();
        if (CommandWindow.before(window.exp(), end)) {
            // For the resets of the whole target nothing need be waited for (RFC 7143 4.2.3.3).
            boolean target =
                    next.function == TaskManagement.TARGET_WARM_RESET
                            || next.function == TaskManagement.TARGET_COLD_RESET;
            if (!late && !target) {
                return false;
            }
            window.plugBefore(end);
            commandsPlugged.run();
        }
        boolean dataComing = false;
        for (Task task : tasks.select(next.affected)) {
            if (task.state == Task.State.EXECUTING) {
                continue;
            }
            WriteGather gather = task.gather;
            if (!late && gather != null && gather.waitsForInitiator()) {
                task.doomed = true;
                dataComing = true;
            } else {
                tasks.discard(task);
            }
        }
        return !dataComing;
    }

    private void run(Pending next) {
        List<Task> running = tasks.select(next.affected);
        pass(next.request, next.function, null, running);
        if (waiting.isEmpty()) {
            tasks.hold(false);
        }
    }

    // ---- the nexus -----------------------------------------------------------------------------

    /// @param aborted tasks that are gone when the function is complete
    private void pass(
            TaskManagementRequest request,
            TaskManagement function,
            @Nullable Task referenced,
            List<Task> aborted) {
        tasks.nexus()
                .manage(function, request.lun(), referenced == null ? null : referenced.command())
                .whenComplete((response, failure) ->
                        tasks.later(() -> done(request, function, aborted, response, failure)));
    }

    private void done(
            TaskManagementRequest request,
            TaskManagement function,
            List<Task> aborted,
            TaskManagement.@Nullable Response response,
            @Nullable Throwable failure) {
        if (connection.isClosed()) {
            return;
        }
        if (response == null) {
            LOG.warn("{}: {} failed", connection.peer(), function, failure);
            respond(request, TaskManagementResponse.REJECTED);
            return;
        }
        boolean performed =
                response == TaskManagement.Response.COMPLETE
                        || response == TaskManagement.Response.SUCCEEDED;
        if (performed) {
            aborted.forEach(tasks::discard);
        }
        respond(
                request,
                switch (response) {
                    case COMPLETE -> TaskManagementResponse.COMPLETE;
                    case SUCCEEDED -> TaskManagementResponse.SUCCEEDED;
                    case REJECTED -> TaskManagementResponse.REJECTED;
                    case INCORRECT_LUN -> TaskManagementResponse.NO_LUN;
                    case NO_TASK ->
                            function == TaskManagement.QUERY_TASK
                                    ? TaskManagementResponse.COMPLETE
                                    : TaskManagementResponse.NO_TASK;
                });
        if (performed && function == TaskManagement.TARGET_COLD_RESET) {
            coldReset();
        }
    }

    /// RFC 7143 11.5.1: the target ends the sessions of all initiators.
    private void coldReset() {
        String target = session.login().targetName();
        for (Session one : connection.shared().registry().all()) {
            if (one.login().targetName().equals(target)) {
                one.end("cold reset of " + target, false);
            }
        }
    }

    private void respond(TaskManagementRequest request, int response) {
        pending--;
        Outbox out = connection.out();
        out.send(new TaskManagementResponse(response, request.itt(), out.next()));
    }
}
