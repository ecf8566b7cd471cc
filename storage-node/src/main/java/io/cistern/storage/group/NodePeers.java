package io.cistern.storage.group;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.raft.net.RpcClient;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// The way from this node to the others, over the node wire.
public final class NodePeers {
    private final Way way;
    private final Duration timeout;

    /// How a question gets to another node.
    interface Way {
        /// @param request released by the callee
        CompletableFuture<ByteBuf> call(String node, int opcode, Duration timeout, ByteBuf request);
    }

    /// @param client with the node's own identity
    /// @param addresses where a node, by name, listens for the node wire; null if it is not known
    /// @param timeout for one question
    public NodePeers(
            RpcClient client,
            Function<String, @Nullable InetSocketAddress> addresses,
            Duration timeout) {
        this(
                (node, opcode, limit, request) -> {
                    InetSocketAddress address = addresses.apply(node);
                    if (address == null) {
                        request.release();
                        return CompletableFuture.failedFuture(
                                new CisternException(
                                        ErrorCode.UNAVAILABLE,
                                        "the address of node " + node + " is not known"));
                    }
                    return client.call(address, opcode, limit, request);
                },
                timeout);
    }

    NodePeers(Way way, Duration timeout) {
        this.way = way;
        this.timeout = timeout;
    }

    /// Asks `node`. The answer is decoded on an event loop: `decode` must not block, and must copy
    /// what it keeps.
    <T> CompletableFuture<T> call(
            String node, int opcode, Consumer<ByteBuf> request, Function<ByteBuf, T> decode) {
        ByteBuf out = ByteBufAllocator.DEFAULT.buffer();
        try {
            request.accept(out);
        } catch (RuntimeException e) {
            out.release();
            throw e;
        }
        return way.call(node, opcode, timeout, out)
                .thenApply(answer -> {
                    try {
                        return Wire.decode(answer, decode);
                    } finally {
                        answer.release();
                    }
                });
    }
}
