package io.cistern.iscsi.scsi;

import java.util.concurrent.CompletableFuture;

/// What carries out a command. Stateless; any thread; never blocks. Fails, at once or in its
/// future, with a [Refusal] or a [io.cistern.block.CisternException].
interface Operation {
    /// How much data the command takes from the initiator, judged by its CDB, in bytes.
    ///
    /// @throws Refusal where it will be refused anyway
    default long dataOutLength(Cdb cdb, LogicalUnit unit) {
        return 0;
    }

    /// Narrows or widens the access that the command's row in the table states.
    default Opcode.Access access(Cdb cdb, Opcode.Access stated) {
        return stated;
    }

    CompletableFuture<ScsiResult> execute(Request request);

    /// One that needs no I/O.
    interface Immediate extends Operation {
        ScsiResult answer(Request request);

        @Override
        default CompletableFuture<ScsiResult> execute(Request request) {
            return CompletableFuture.completedFuture(answer(request));
        }
    }
}
