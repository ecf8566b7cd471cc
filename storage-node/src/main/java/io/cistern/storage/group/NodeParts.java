package io.cistern.storage.group;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.raft.GroupId;
import io.cistern.raft.Peer;
import io.netty.buffer.ByteBuf;
import java.time.InstantSource;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// What the replicas of one node share: threads, the way to other nodes, settings.
final class NodeParts implements AutoCloseable {
    private final NodeThreads threads;
    private final NodePeers peers;
    private final GroupTuning tuning;
    private volatile long copyBytesPerSecond;
    private volatile boolean remembersEnds = true;
    private volatile boolean countsEnds = true;

    NodeParts(NodeThreads threads, NodePeers peers, GroupTuning tuning) {
        this.threads = threads;
        this.peers = peers;
        this.tuning = tuning;
        this.copyBytesPerSecond = tuning.catchUpBytesPerSecond();
    }

    NodeThreads threads() {
        return threads;
    }

    Executor readers() {
        return threads.readers();
    }

    Executor workers() {
        return threads.workers();
    }

    /// Runs a task on a worker, or here where they have no room for it.
    void work(Runnable task) {
        try {
            threads.workers().execute(task);
        } catch (RejectedExecutionException full) {
            task.run();
        }
    }

    Executor menders() {
        return threads.menders();
    }

    ScheduledExecutorService timer() {
        return threads.timer();
    }

    NodePeers peers() {
        return peers;
    }

    GroupTuning tuning() {
        return tuning;
    }

    /// Most bytes a second that each copy to this node may receive; 0 for no bound.
    long copyBytesPerSecond() {
        return copyBytesPerSecond;
    }

    void limitCopies(long bytesPerSecond) {
        copyBytesPerSecond = bytesPerSecond;
    }

    /// Whether leaders here let the group remember which attachments have ended, see
    /// [io.cistern.storage.Command.Attach#remember].
    boolean remembersEnds() {
        return remembersEnds;
    }

    void rememberEnds(boolean on) {
        remembersEnds = on;
    }

    /// Whether leaders here say of attachments after which version of the volume they were asked
    /// for, see [io.cistern.storage.Command.Attach#since].
    boolean countsEnds() {
        return countsEnds;
    }

    void countEnds(boolean on) {
        countsEnds = on;
    }

    InstantSource clock() {
        return threads.clock();
    }

    /// As [NodePeers#call], and waits. Not for event loops.
    ///
    /// @throws CisternException what the other node answered, or UNAVAILABLE
    <T> T ask(String node, int opcode, Consumer<ByteBuf> request, Function<ByteBuf, T> decode) {
        return threads.await(peers.call(node, opcode, request, decode));
    }

    /// How a replica on another node is; null where that node does not list it. Not for event
    /// loops.
    ///
    /// @throws CisternException UNAVAILABLE where the node does not answer
    @Nullable ReplicaStatus status(GroupId group, Peer replica) {
        return ReplicaStatus.find(
                ask(replica.node(), Wire.REPLICAS, out -> {}, ReplicaStatus::decodeList),
                group,
                replica.id());
    }

    /// Runs a task on `executor`; a full queue or a node that shuts down is UNAVAILABLE.
    static <T> CompletableFuture<T> supply(Executor executor, Supplier<T> task) {
        CompletableFuture<T> done = new CompletableFuture<>();
        try {
            executor.execute(() -> {
                try {
                    done.complete(task.get());
                } catch (Throwable e) {
                    done.completeExceptionally(e);
                }
            });
        } catch (RejectedExecutionException full) {
            done.completeExceptionally(
                    new CisternException(
                            ErrorCode.UNAVAILABLE,
                            "this node has too much to do or is stopping; ask again"));
        }
        return done;
    }

    @Override
    public void close() {
        threads.close();
    }
}
