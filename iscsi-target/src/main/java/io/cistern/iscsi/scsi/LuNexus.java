package io.cistern.iscsi.scsi;

import io.netty.buffer.ByteBuf;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/// An I_T nexus of a [LogicalUnit]: its tasks and its unit attention conditions.
final class LuNexus implements Nexus {
    private final LogicalUnit unit;
    private final NexusId id;
    private final ScsiTarget.NexusEvents events;
    private final UnitAttentions attentions = new UnitAttentions();
    private final CopyResults copyResults = new CopyResults();
    private final Map<ScsiCommand, Task> tasks = new ConcurrentHashMap<>();
    private final AtomicInteger taskCount = new AtomicInteger();
    private volatile boolean asksForPorts;
    private volatile boolean closed;

    LuNexus(LogicalUnit unit, NexusId id, ScsiTarget.NexusEvents events) {
        this.unit = unit;
        this.id = id;
        this.events = events;
    }

    LogicalUnit unit() {
        return unit;
    }

    NexusId id() {
        return id;
    }

    ScsiTarget.NexusEvents events() {
        return events;
    }

    UnitAttentions attentions() {
        return attentions;
    }

    CopyResults copyResults() {
        return copyResults;
    }

    /// The initiator looks at the states of the target ports: from now on it is told of changes.
    void asksForPorts() {
        asksForPorts = true;
    }

    /// Tells an initiator that has looked at the states of the target ports that they changed.
    void portsChanged() {
        if (asksForPorts) {
            attentions.add(Condition.ASYMMETRIC_ACCESS_CHANGED);
        }
    }

    Collection<Task> tasks() {
        return tasks.values();
    }

    boolean closed() {
        return closed;
    }

    @Override
    public int dataOutLength(ScsiCommand command) {
        Opcode opcode = Opcodes.find(command.cdb());
        if (opcode == null || command.lun() != 0) {
            return 0;
        }
        try {
            Cdb cdb = new Cdb(command.cdb());
            opcode.check(cdb);
            long length = opcode.operation().dataOutLength(cdb, unit);
            return length > unit.maxTransferBytes() ? 0 : (int) length;
        } catch (Refusal e) {
            return 0;
        }
    }

    @Override
    public void execute(ScsiCommand command, ByteBuf dataOut, Completion completion) {
        Task task = new Task(this, command, Opcodes.find(command.cdb()), dataOut, completion);
        if (closed) {
            task.abort();
            task.becomeQuiet();
            return;
        }
        if (taskCount.incrementAndGet() > LogicalUnit.MAX_TASKS_PER_NEXUS) {
            taskCount.decrementAndGet();
            refuse(task);
            return;
        }
        tasks.put(command, task);
        switch (unit.taskSet().add(task)) {
            case START -> unit.dispatcher().startArrived(task);
            case WAIT -> {}
            case FULL -> {
                forget(task);
                refuse(task);
            }
        }
        if (closed) {
            abort(List.of(task));
        }
    }

    @Override
    public CompletableFuture<TaskManagement.Response> manage(
            TaskManagement function, long lun, @Nullable ScsiCommand referenced) {
        return new TaskManager(unit, this).manage(function, lun, referenced);
    }

    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        abort(tasks.values());
        unit.lost(this);
    }

    @Override
    public boolean descriptorSense() {
        return unit.descriptorSense();
    }

    @Override
    public CompletableFuture<Void> gone() {
        return unit.released(id);
    }

    @Nullable Task find(@Nullable ScsiCommand command) {
        return command == null ? null : tasks.get(command);
    }

    /// A task is quiet: it counts no longer.
    void forget(Task task) {
        if (tasks.remove(task.command()) != null) {
            taskCount.decrementAndGet();
        }
    }

    /// Aborts tasks without a status.
    ///
    /// @return those that had not ended
    List<Task> abort(Collection<Task> which) {
        List<Task> aborted = new ArrayList<>();
        for (Task task : which) {
            if (task.abort()) {
                aborted.add(task);
                unit.dispatcher().drop(task);
            }
        }
        return aborted;
    }

    /// An aborted task: if it never started, nothing of it will.
    void drop(Task task) {
        unit.dispatcher().drop(task);
    }

    private static void refuse(Task task) {
        task.becomeQuiet();
        task.complete(ScsiResult.status(ScsiResult.TASK_SET_FULL));
    }
}
