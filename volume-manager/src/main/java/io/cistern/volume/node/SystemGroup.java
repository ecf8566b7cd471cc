package io.cistern.volume.node;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.raft.RaftGroup;
import io.cistern.storage.Outcome;
import io.cistern.volume.system.SystemCodec;
import io.cistern.volume.system.SystemCommand;
import io.cistern.volume.system.SystemState;
import io.cistern.volume.system.SystemStateMachine;
import java.nio.ByteBuffer;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;

/// This node's replica of the system group.
record SystemGroup(RaftGroup raft, SystemStateMachine machine) implements AutoCloseable {
    /// Fails with NOT_LEADER or UNAVAILABLE.
    ///
    /// @throws CisternException LIMIT for a change beyond [SystemCommand#MAX_BYTES]; INVALID or
    ///   CORRUPT for one that cannot be read
    CompletableFuture<Outcome> propose(ByteBuffer command) {
        if (command.remaining() > SystemCommand.MAX_BYTES) {
            throw new CisternException(ErrorCode.LIMIT, "the change is too large");
        }
        SystemCodec.decode(command); // what cannot be read must not reach the log
        return raft.propose(command)
                .thenApply(applied -> (Outcome) Objects.requireNonNull(applied.result()));
    }

    /// The state with every change anyone was told of. Fails with NOT_LEADER or UNAVAILABLE.
    CompletableFuture<SystemState> fresh() {
        return raft.awaitLease()
                .thenApply(lease -> {
                    SystemState state = machine.state();
                    if (!raft.leaseValid()) {
                        throw new CisternException(
                                ErrorCode.UNAVAILABLE, "the lease of g0 has run out");
                    }
                    return state;
                });
    }

    boolean leads() {
        return raft.leadership().ready();
    }

    /// The latest state applied here, for a program that reads versions up to `newest`.
    byte[] encoded(int newest) {
        return machine.encoded(newest);
    }

    /// A state as [SystemCodec] encodes it.
    static SystemState decode(byte[] encoded, String source) {
        return SystemCodec.decodeCheckpoint(encoded, source).state();
    }

    @Override
    public void close() {
        raft.close();
        machine.close();
    }
}
