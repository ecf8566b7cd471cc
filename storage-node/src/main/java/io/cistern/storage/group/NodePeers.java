package io.cistern.storage.group;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.raft.net.RpcClient;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// The way from this node to the others, over the node wire.
public final class NodePeers {
    private final RpcClient client;
    private final Function<String, @Nullable InetSocketAddress> addresses;
    private final Duration timeout;

    /// @param client with the node's own identity
    /// @param addresses where a node, by name, listens for the node wire; null if it is not known
    /// @param timeout for one question
    public NodePeers(
            RpcClient client,
            Function<String, @Nullable InetSocketAddress> addresses,
            Duration timeout) {
        this.client = client;
        this.addresses = addresses;
        this.timeout = timeout;
    }

    /// Asks `node`. The answer is decoded on an event loop: `decode` must not block, and must copy
    /// what it keeps.
    <T> CompletableFuture<T> call(
            String node, int opcode, Consumer<ByteBuf> request, Function<ByteBuf, T> decode) {
        InetSocketAddress address = addresses.apply(node);
        if (address == null) {
            return CompletableFuture.failedFuture(
                    new CisternException(
                            ErrorCode.UNAVAILABLE,
                            "the address of node " + node + " is not known"));
        }
        ByteBuf out = ByteBufAllocator.DEFAULT.buffer();
        try {
            request.accept(out);
        } catch (RuntimeException e) {
            out.release();
            throw e;
        }
        return client.call(address, opcode, timeout, out)
                .thenApply(answer -> {
                    try {
                        return Wire.decode(answer, decode);
                    } finally {
                        answer.release();
                    }
                });
    }

    /// As [#call], and waits. Not for event loops.
    ///
    /// @throws CisternException what the other node answered, or UNAVAILABLE
    <T> T ask(String node, int opcode, Consumer<ByteBuf> request, Function<ByteBuf, T> decode) {
        return await(call(node, opcode, request, decode));
    }

    /// The future's value.
    ///
    /// @throws CisternException what it failed with; UNAVAILABLE if this thread is interrupted
    static <T> T await(CompletableFuture<T> future) {
        try {
            return future.get();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CisternException(ErrorCode.UNAVAILABLE, "interrupted: the node stops", e);
        } catch (ExecutionException e) {
            throw CisternException.of(e);
        }
    }
}
