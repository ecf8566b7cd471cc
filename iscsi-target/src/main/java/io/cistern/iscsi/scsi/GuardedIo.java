package io.cistern.iscsi.scsi;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import java.nio.ByteBuffer;
import java.util.concurrent.CompletableFuture;
import java.util.function.LongFunction;

/// The medium as one task may use it. Each request is permitted under the state this node knows and
/// carries that state's version; where the state has changed meanwhile, nothing was done, and the
/// request is judged again under the new one. A task that a reset or a preemption has ended gets no
/// further.
final class GuardedIo {
    /// Changes of the state that one request lives through before its command is BUSY.
    static final int MAX_CHANGES = 16;

    private final LogicalUnit unit;
    private final Task task;
    private final NexusId nexus;
    private final boolean changesMedium;
    private final Opcode.Access access;

    /// What the task's own logical unit lets it do.
    GuardedIo(LogicalUnit unit, Task task, Opcode opcode, Opcode.Access access) {
        this(unit, task, task.nexus().id(), access, opcode.is(Opcode.Trait.CHANGES_MEDIUM));
    }

    private GuardedIo(
            LogicalUnit unit,
            Task task,
            NexusId nexus,
            Opcode.Access access,
            boolean changesMedium) {
        this.unit = unit;
        this.task = task;
        this.nexus = nexus;
        this.changesMedium = changesMedium;
        this.access = access;
    }

    /// What another logical unit lets the task do on behalf of the same initiator's nexus there.
    ///
    /// @param access READ or WRITE
    static GuardedIo onBehalf(LuNexus other, Task task, Opcode.Access access) {
        boolean writes = access == Opcode.Access.WRITE;
        return new GuardedIo(other.unit(), task, other.id(), access, writes);
    }

    CompletableFuture<Void> read(long offset, ByteBuffer dst) {
        return guarded(guard -> unit.device().read(offset, dst.duplicate(), guard));
    }

    CompletableFuture<Void> write(long offset, ByteBuffer src) {
        return guarded(guard -> unit.device().write(offset, src.duplicate(), guard));
    }

    CompletableFuture<Void> writeAtomic(long offset, ByteBuffer src) {
        return guarded(guard -> unit.device().writeAtomic(offset, src.duplicate(), guard));
    }

    CompletableFuture<Void> zero(long offset, long length, boolean unmap) {
        return guarded(guard -> unit.device().zero(offset, length, unmap, guard));
    }

    CompletableFuture<Long> compareAndWrite(long offset, ByteBuffer expected, ByteBuffer data) {
        return guarded(guard ->
                unit.device()
                        .compareAndWrite(offset, expected.duplicate(), data.duplicate(), guard));
    }

    CompletableFuture<Void> or(long offset, ByteBuffer data) {
        return guarded(guard -> unit.device().or(offset, data.duplicate(), guard));
    }

    LogicalUnit unit() {
        return unit;
    }

    Opcode.Access access() {
        return access;
    }

    /// Whether the task may go on, under the state this node knows.
    ///
    /// @return the version of that state
    /// @throws Refusal RESERVATION CONFLICT, or write protected
    long permit() {
        SharedState.View view = unit.shared().view();
        if (task.aborted()) {
            throw Refusal.busy();
        }
        Reservations.check(view.state(), nexus, access);
        if (changesMedium) {
            if (unit.device().readOnly()) {
                throw Refusal.of(Condition.WRITE_PROTECTED);
            }
            if (view.state().mode().writeProtect()) {
                throw Refusal.of(Condition.SOFTWARE_WRITE_PROTECTED);
            }
        }
        return view.version();
    }

    private <T> CompletableFuture<T> guarded(LongFunction<CompletableFuture<T>> request) {
        return attempt(request, 1);
    }

    private <T> CompletableFuture<T> attempt(LongFunction<CompletableFuture<T>> request, int n) {
        CompletableFuture<T> attempted;
        try {
            attempted = request.apply(permit());
        } catch (Refusal | CisternException e) {
            return CompletableFuture.failedFuture(e);
        }
        if (attempted.isDone() && !attempted.isCompletedExceptionally()) {
            return attempted;
        }
        return attempted
                .handle((value, failure) -> {
                    if (failure == null) {
                        return CompletableFuture.completedFuture(value);
                    }
                    CisternException why = CisternException.of(failure);
                    if (why.code() == ErrorCode.FENCED && nexus != task.nexus().id()) {
                        // The other unit's sessions end by its own commands, not this unit's.
                        return CompletableFuture.<T>failedFuture(
                                Refusal.of(Condition.THIRD_PARTY_DEVICE_FAILURE));
                    }
                    if (why.code() != ErrorCode.CHANGED || n == MAX_CHANGES) {
                        return CompletableFuture.<T>failedFuture(why);
                    }
                    return unit.shared().fresh().thenCompose(newer -> attempt(request, n + 1));
                })
                .thenCompose(done -> done);
    }
}
