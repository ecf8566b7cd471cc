package io.cistern.raft.testing;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.raft.GroupId;
import io.cistern.raft.Leadership;
import io.cistern.raft.LogPosition;
import io.cistern.raft.Peer;
import io.cistern.raft.RaftCommand;
import io.cistern.raft.RaftGroup;
import io.cistern.raft.StateMachine;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// A group of one replica whose log is in memory: no Raft, no files, leader at once. For tests of
/// state machines and of what proposes to them.
///
/// The log outlives the state machine: open a second group on the [Log] of a closed one, and what
/// the state machine had not checkpointed is applied again, as after a crash.
public final class LocalRaftGroup implements RaftGroup {
    /// What has been committed, entry by entry; index 0 is the first.
    public static final class Log {
        private final List<List<byte[]>> entries = new ArrayList<>();

        synchronized long append(List<byte[]> commands) {
            entries.add(commands);
            return entries.size() - 1L;
        }

        synchronized List<byte[]> get(long index) {
            return entries.get((int) index);
        }

        /// The number of entries.
        public synchronized long size() {
            return entries.size();
        }
    }

    private static final long TERM = 1;

    private final GroupId id;
    private final Peer self;
    private final StateMachine machine;
    private final Log log;
    private final long lastIndexAtOpen;
    private final ExecutorService applyThread;
    private volatile long applied;
    private volatile boolean closed;

    /// Opens on an empty log.
    public LocalRaftGroup(GroupId id, StateMachine machine) {
        this(id, machine, new Log());
    }

    /// Opens on a log that may hold entries, and applies those after the checkpoint.
    public LocalRaftGroup(GroupId id, StateMachine machine, Log log) {
        this.id = id;
        this.machine = machine;
        this.log = log;
        this.self =
                new Peer(
                        "local.0",
                        "local",
                        new InetSocketAddress(InetAddress.getLoopbackAddress(), 1),
                        0);
        this.lastIndexAtOpen = log.size() - 1;
        this.applied = machine.checkpointed().index();
        this.applyThread =
                Executors.newSingleThreadExecutor(
                        Thread.ofPlatform().name("local-" + id + "-apply").daemon().factory());
        applyThread.execute(this::replay);
        machine.leadershipChanged(leadership());
    }

    private void replay() {
        for (long index = applied + 1; index <= lastIndexAtOpen; index++) {
            applyEntry(index, log.get(index));
        }
    }

    private List<@Nullable Object> applyEntry(long index, List<byte[]> commands) {
        List<ByteBuffer> buffers = new ArrayList<>();
        commands.forEach(command -> buffers.add(ByteBuffer.wrap(command).asReadOnlyBuffer()));
        List<@Nullable Object> results = machine.apply(new LogPosition(TERM, index), buffers);
        if (results.size() != commands.size()) {
            throw new IllegalStateException(
                    results.size() + " results for " + commands.size() + " commands");
        }
        applied = index;
        return results;
    }

    @Override
    public GroupId id() {
        return id;
    }

    @Override
    public Peer self() {
        return self;
    }

    @Override
    public List<Peer> members() {
        return List.of(self);
    }

    @Override
    public CompletableFuture<Applied> propose(RaftCommand command) {
        if (command.bytes() > MAX_COMMAND_BYTES) {
            return CompletableFuture.failedFuture(
                    new CisternException(
                            ErrorCode.LIMIT, "a command of " + command.bytes() + " bytes"));
        }
        CompletableFuture<Applied> done = new CompletableFuture<>();
        synchronized (this) {
            if (closed) {
                return CompletableFuture.failedFuture(closedFailure());
            }
            applyThread.execute(() -> commit(command, done));
        }
        return done;
    }

    private void commit(RaftCommand command, CompletableFuture<Applied> done) {
        byte[] copy = new byte[command.bytes()];
        command.writeTo(ByteBuffer.wrap(copy));
        try {
            long index = log.append(List.of(copy));
            List<@Nullable Object> results = applyEntry(index, List.of(copy));
            done.complete(new Applied(index, TERM, results.getFirst()));
        } catch (Throwable e) {
            // A real group halts the process here; a test sees the failure and a dead group.
            closed = true;
            done.completeExceptionally(e);
        }
    }

    @Override
    public Leadership leadership() {
        return new Leadership(TERM, self, !closed);
    }

    @Override
    public boolean leaseValid() {
        return !closed;
    }

    @Override
    public CompletableFuture<Void> awaitLease() {
        return closed
                ? CompletableFuture.failedFuture(closedFailure())
                : CompletableFuture.completedFuture(null);
    }

    @Override
    public long appliedIndex() {
        return applied;
    }

    @Override
    public CompletableFuture<Void> awaitApplied(long index, Duration timeout) {
        if (applied >= index) {
            return CompletableFuture.completedFuture(null);
        }
        CompletableFuture<Void> done = new CompletableFuture<>();
        synchronized (this) {
            if (closed) {
                return CompletableFuture.failedFuture(closedFailure());
            }
            // Behind everything proposed so far.
            applyThread.execute(() -> {
                if (applied >= index) {
                    done.complete(null);
                } else {
                    done.completeExceptionally(
                            new CisternException(
                                    ErrorCode.STALE, "index " + index + " not applied"));
                }
            });
        }
        return done;
    }

    @Override
    public long lastIndexAtOpen() {
        return lastIndexAtOpen;
    }

    @Override
    public CompletableFuture<Void> transferLeadership(String peerId, Duration timeout) {
        return peerId.equals(self.id())
                ? CompletableFuture.completedFuture(null)
                : CompletableFuture.failedFuture(
                        new CisternException(ErrorCode.NOT_FOUND, "no member " + peerId));
    }

    @Override
    public CompletableFuture<Void> setMembers(List<Peer> voters, List<Peer> listeners) {
        return voters.equals(List.of(self)) && listeners.isEmpty()
                ? CompletableFuture.completedFuture(null)
                : CompletableFuture.failedFuture(
                        new CisternException(
                                ErrorCode.INVALID, "a local group has one member, itself"));
    }

    @Override
    public Stats stats() {
        return new Stats(0, log.size(), log.size(), 0, 0, -1, Map.of());
    }

    /// Waits for what was proposed, then ends the apply thread.
    @Override
    public void close() {
        synchronized (this) {
            closed = true;
            applyThread.shutdown();
        }
        try {
            if (!applyThread.awaitTermination(10, TimeUnit.SECONDS)) {
                throw new IllegalStateException("the apply thread of " + id + " hangs");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private CisternException closedFailure() {
        return new CisternException(ErrorCode.UNAVAILABLE, "group " + id + " is closed");
    }
}
