package io.cistern.iscsi.scsi;

import io.netty.buffer.ByteBuf;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/// One I_T nexus of a [ScsiTarget]. Any thread may call any method; none blocks. Calls for one
/// nexus arrive in the order of the initiator's commands.
public interface Nexus extends AutoCloseable {
    /// How much data a command needs from the initiator before it can be executed, judged by its
    /// CDB alone: 0 for reads, for commands that will be refused whatever the data, and for those
    /// that carry none. At most [ScsiTarget#maxTransferBytes].
    int dataOutLength(ScsiCommand command);

    /// Executes a command.
    ///
    /// @param dataOut what the initiator sent, as much as [#dataOutLength] or less where the
    ///   initiator's expected length was smaller. Ownership passes to the nexus.
    /// @param completion called once, on any thread, unless the command is aborted
    void execute(ScsiCommand command, ByteBuf dataOut, Completion completion);

    /// Task management (SAM-5 clause 7).
    ///
    /// @param referenced for ABORT_TASK, a command of this nexus that was given to [#execute] and
    ///   has not completed; null for others
    /// @return completes when the function is performed: every affected task has ended, or can have
    ///   no further effect
    CompletableFuture<TaskManagement.Response> manage(
            TaskManagement function, long lun, @Nullable ScsiCommand referenced);

    /// I_T nexus loss: aborts what is running. Completions are not called after this returns.
    @Override
    void close();

    /// Completes when nothing that ends with the nexus binds other nexuses any more, after
    /// [#close].
    default CompletableFuture<Void> gone() {
        return CompletableFuture.completedFuture(null);
    }

    /// Whether sense data is wanted in descriptor format (D_SENSE, SPC-4 7.5.8).
    default boolean descriptorSense() {
        return false;
    }

    interface Completion {
        void completed(ScsiResult result);
    }
}
