package io.cistern.iscsi.scsi;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;

/// Runs tasks: from the task set's word that one may start to its status. The order of checks is
/// that of SPC-4: unit attention, the CDB, reservations, write protection.
final class Dispatcher {
    private final LogicalUnit unit;
    private final Queue<Task> startable = new ConcurrentLinkedQueue<>();
    private final AtomicInteger waiting = new AtomicInteger();

    Dispatcher(LogicalUnit unit) {
        this.unit = unit;
    }

    /// Starts a task that has just arrived, in the caller's thread.
    void startArrived(Task task) {
        run(task);
    }

    /// Starts tasks that have waited. Each may let others start; the stack does not grow by it.
    private void start(List<Task> tasks) {
        if (tasks.isEmpty()) {
            return;
        }
        startable.addAll(tasks);
        if (waiting.getAndAdd(tasks.size()) != 0) {
            return;
        }
        do {
            Task next = startable.poll();
            if (next != null) {
                run(next);
            }
        } while (waiting.decrementAndGet() != 0);
    }

    /// An aborted task: if it never started, nothing of it will.
    void drop(Task task) {
        if (unit.taskSet().withdraw(task)) {
            start(leave(task));
        }
    }

    private void run(Task task) {
        CompletableFuture<ScsiResult> outcome;
        try {
            outcome = task.ended() ? aborted() : arrive(task);
        } catch (RuntimeException e) {
            outcome = CompletableFuture.failedFuture(e);
        }
        outcome.whenComplete((result, failure) -> finish(task, result, failure));
    }

    private void finish(Task task, ScsiResult result, Throwable failure) {
        ScsiResult answer = failure == null ? result : Failures.result(unit, task, failure);
        List<Task> next = leave(task);
        if (answer.status() == ScsiResult.GOOD && changesMedium(task)) {
            unit.thresholds().look(); // before the answer: the next command is to find out
        }
        task.complete(answer);
        start(next);
    }

    private static boolean changesMedium(Task task) {
        Opcode opcode = task.opcode();
        return opcode != null && opcode.is(Opcode.Trait.CHANGES_MEDIUM);
    }

    private List<Task> leave(Task task) {
        List<Task> next = unit.taskSet().remove(task);
        task.nexus().forget(task);
        task.becomeQuiet();
        return next;
    }

    private CompletableFuture<ScsiResult> arrive(Task task) {
        if (task.command().lun() != 0) {
            return CompletableFuture.completedFuture(OtherLun.answer(unit, task));
        }
        Opcode opcode = task.opcode();
        if (opcode == null || !opcode.is(Opcode.Trait.FRESH)) {
            return admit(task);
        }
        task.arriving(true);
        return unit.shared()
                .fresh()
                .thenCompose(view -> {
                    task.arriving(false);
                    return admit(task);
                });
    }

    private CompletableFuture<ScsiResult> admit(Task task) {
        if (task.ended()) {
            return aborted();
        }
        Opcode opcode = task.opcode();
        if (opcode == null || !opcode.is(Opcode.Trait.ATTENTION_EXEMPT)) {
            Condition attention = task.nexus().attentions().take();
            if (attention != null) {
                throw Refusal.of(attention);
            }
        }
        if (task.command().attribute() == ScsiCommand.Attribute.ACA) {
            throw Refusal.of(Condition.INVALID_MESSAGE);
        }
        Cdb cdb = new Cdb(task.command().cdb());
        if (opcode == null) {
            throw Opcodes.refusal(cdb);
        }
        opcode.check(cdb);
        Opcode.Access access = opcode.operation().access(cdb, opcode.access());
        GuardedIo io = new GuardedIo(unit, task, opcode, access);
        long wanted = opcode.operation().dataOutLength(cdb, unit);
        io.permit();
        checkData(task, opcode, wanted);
        return opcode.operation().execute(new Request(unit, task, cdb, io));
    }

    private static void checkData(Task task, Opcode opcode, long wanted) {
        int sent = task.dataOut().readableBytes();
        if (sent < wanted && !opcode.is(Opcode.Trait.SHORT_DATA)) {
            throw Refusal.of(
                    opcode.is(Opcode.Trait.PARAMETERS)
                            ? Condition.PARAMETER_LIST_LENGTH_ERROR
                            : Condition.INVALID_FIELD_IN_COMMAND_IU);
        }
        if (opcode.is(Opcode.Trait.EXACT_LENGTH)
                && Math.max(sent, task.command().expectedDataOut()) > wanted) {
            throw Refusal.of(Condition.INVALID_FIELD_IN_CDB);
        }
    }

    private static CompletableFuture<ScsiResult> aborted() {
        return CompletableFuture.failedFuture(
                new CisternException(ErrorCode.UNAVAILABLE, "the task was aborted"));
    }
}
