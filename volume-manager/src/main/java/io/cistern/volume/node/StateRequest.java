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
/// @param newest version of a checkpoint that the caller reads: volume clients outlive upgrades of
///   the nodes, and are sent what they can read
record StateRequest(long version, boolean fresh, int newest) {
    /// What programs read that do not say.
    static final int UNSAID = 3;

    private static final int BYTES = 8 + 1;

    StateRequest(long version, boolean fresh) {
        this(version, fresh, SystemCodec.VERSION);
    }

    /// @throws CisternException INVALID
    static StateRequest decode(ByteBuf in) {
        int bytes = in.readableBytes();
        if (bytes == BYTES) {
            return new StateRequest(in.readLong(), in.readBoolean(), UNSAID);
        }
        if (bytes == BYTES + 1 && in.getUnsignedByte(in.readerIndex() + BYTES) > 0) {
            return new StateRequest(in.readLong(), in.readBoolean(), in.readUnsignedByte());
        }
        throw new CisternException(ErrorCode.INVALID, "malformed question for the state");
    }

    private ByteBuf encode(boolean sayNewest) {
        ByteBuf out = Unpooled.buffer(BYTES + 1).writeLong(version).writeByte(fresh ? 1 : 0);
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
