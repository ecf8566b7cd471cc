package io.cistern.volume.node;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.raft.net.RpcClient;
import io.cistern.volume.system.SystemCodec;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;

/// Asks for the system state, see [Opcodes#STATE].
///
/// @param version that the caller has; -1 for none
/// @param fresh with every change that anyone was told of; the leader answers
/// @param versionAlone the caller has a replica of its own, which gets there by itself: the version
///   (i64) is answer enough
/// @param newest version of a checkpoint that the caller reads: volume clients outlive upgrades of
///   the nodes, and are sent what they can read
record StateRequest(long version, boolean fresh, boolean versionAlone, int newest) {
    /// Length of an answer that is a version alone; shorter than any state.
    static final int VERSION_BYTES = 8;

    /// What programs read that do not say.
    static final int UNSAID = 3;

    private static final int BYTES = 8 + 1;

    // Bits of the byte after the version. Nodes of earlier releases know only whether it is 0.
    private static final int FRESH = 1;
    private static final int VERSION_ALONE = 2;

    StateRequest(long version, boolean fresh) {
        this(version, fresh, false, SystemCodec.VERSION);
    }

    /// Where the newest state is, for a node whose replica has `version`.
    static StateRequest whichVersion(long version) {
        return new StateRequest(version, true, true, SystemCodec.VERSION);
    }

    /// @throws CisternException INVALID
    static StateRequest decode(ByteBuf in) {
        int bytes = in.readableBytes();
        boolean says = bytes == BYTES + 1 && in.getUnsignedByte(in.readerIndex() + BYTES) > 0;
        if (bytes != BYTES && !says) {
            throw new CisternException(ErrorCode.INVALID, "malformed question for the state");
        }
        long version = in.readLong();
        int how = in.readUnsignedByte();
        return new StateRequest(
                version,
                how != 0,
                (how & VERSION_ALONE) != 0,
                says ? in.readUnsignedByte() : UNSAID);
    }

    /// @param sayNewest false for a node of an earlier release
    ByteBuf encode(boolean sayNewest) {
        int how = (fresh ? FRESH : 0) | (versionAlone ? VERSION_ALONE : 0);
        ByteBuf out = Unpooled.buffer(BYTES + 1).writeLong(version).writeByte(how);
        return sayNewest ? out.writeByte(newest) : out;
    }

    /// Completes with the answer, which the caller releases.
    CompletableFuture<ByteBuf> ask(RpcClient rpc, InetSocketAddress node, Duration timeout) {
        return rpc.call(node, Opcodes.STATE, timeout, encode(true))
                .exceptionallyCompose(failure ->
                        CisternException.of(failure).code() == ErrorCode.INVALID
                                ? rpc.call(node, Opcodes.STATE, timeout, encode(false))
                                : CompletableFuture.failedFuture(failure));
    }
}
