package io.cistern.iscsi.scsi;

import io.netty.buffer.ByteBuf;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/// A command from its arrival to its end.
///
/// It *ends* once, with a status or by being aborted; it is *quiet* when nothing of it runs any
/// more, so that it can have no further effect and its data is released. An aborted task may end
/// long before it is quiet.
final class Task {
    private final LuNexus nexus;
    private final ScsiCommand command;
    private final @Nullable Opcode opcode;
    private final ByteBuf dataOut;
    private final Nexus.Completion completion;
    private final AtomicBoolean ended = new AtomicBoolean();
    private final AtomicBoolean silenced = new AtomicBoolean();
    private final CompletableFuture<Void> quiet = new CompletableFuture<>();
    private volatile boolean aborted;
    private volatile boolean arriving;

    Task(
            LuNexus nexus,
            ScsiCommand command,
            @Nullable Opcode opcode,
            ByteBuf dataOut,
            Nexus.Completion completion) {
        this.nexus = nexus;
        this.command = command;
        this.opcode = opcode;
        this.dataOut = dataOut;
        this.completion = completion;
    }

    LuNexus nexus() {
        return nexus;
    }

    ScsiCommand command() {
        return command;
    }

    /// Null for a command that is not supported.
    @Nullable Opcode opcode() {
        return opcode;
    }

    /// Valid until the task is quiet.
    ByteBuf dataOut() {
        return dataOut;
    }

    /// While true, the task is still finding out what state it arrived in: what it learns of then
    /// happened before it.
    boolean arriving() {
        return arriving;
    }

    void arriving(boolean isArriving) {
        arriving = isArriving;
    }

    boolean aborted() {
        return aborted;
    }

    boolean ended() {
        return ended.get();
    }

    /// Completes when the task is quiet.
    CompletableFuture<Void> quiet() {
        return quiet;
    }

    /// Nothing of the task runs any more.
    void becomeQuiet() {
        if (silenced.compareAndSet(false, true)) {
            dataOut.release();
            quiet.complete(null);
        }
    }

    /// Ends it with a result, unless it has ended; then the result is released.
    void complete(ScsiResult result) {
        if (ended.compareAndSet(false, true)) {
            completion.completed(result);
        } else {
            result.dataIn().release();
        }
    }

    /// Ends it without a result.
    ///
    /// @return false where it had ended
    boolean abort() {
        if (!ended.compareAndSet(false, true)) {
            return false;
        }
        aborted = true;
        return true;
    }

    /// Tells an aborted task's initiator (TAS = 1).
    void reportAborted() {
        completion.completed(ScsiResult.status(ScsiResult.TASK_ABORTED));
    }
}
