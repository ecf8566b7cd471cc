package io.cistern.volume.system;

import io.cistern.block.CisternException;
import io.cistern.block.DurableFiles;
import io.cistern.block.ErrorCode;
import io.cistern.raft.Leadership;
import io.cistern.raft.LogPosition;
import io.cistern.raft.Peer;
import io.cistern.raft.StateMachine;
import io.cistern.volume.system.SystemCodec.Checkpoint;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// A replica of the system group. The state is one immutable value; a checkpoint is a file with all
/// of it, written beside the apply thread: to a temporary name, fsync, rename, fsync of the
/// directory.
public final class SystemStateMachine implements StateMachine, AutoCloseable {
    /// The checkpoint's name in its directory.
    public static final String FILE = "system.ckpt";

    /// Commands between two checkpoints, and so most that are applied again after a start. A
    /// checkpoint is all of the state: what is done at that moment waits for the processor and
    /// disk.
    private static final int CHECKPOINT_COMMANDS = 512;

    private final Path directory;
    private final Function<Peer, CompletableFuture<byte[]>> fetch;
    private final Failure failure;
    private final Runnable changed;
    private final ExecutorService writer =
            Executors.newSingleThreadExecutor(
                    Thread.ofPlatform().daemon().name("system-checkpoint").factory());

    private volatile Checkpoint current;
    private volatile LogPosition durable;
    private volatile Leadership leadership = new Leadership(0, null, false);

    /// Commands applied since the last checkpoint was begun; apply thread only. Begins at a number
    /// of its own, so that not all replicas write theirs at the same moment.
    private int pending;

    /// Notified of each change of the state.
    private final Object applied = new Object();

    /// What to do where a checkpoint cannot be written: it stops the process.
    @FunctionalInterface
    public interface Failure {
        void halt(String message, Throwable cause);
    }

    /// Opens the replica in `directory` (created if absent).
    ///
    /// @param fetch asks a peer for its state, encoded as a checkpoint
    /// @param changed called after each change of the state or of leadership, on the thread that
    ///   made it; must not block
    /// @throws CisternException CORRUPT or INVALID (too new) for an existing checkpoint; IO
    public SystemStateMachine(
            Path directory,
            Function<Peer, CompletableFuture<byte[]>> fetch,
            Failure failure,
            Runnable changed) {
        this.directory = directory;
        this.fetch = fetch;
        this.failure = failure;
        this.changed = changed;
        this.current = open(directory);
        this.durable = current.position();
        this.pending = Math.floorMod(directory.toString().hashCode(), CHECKPOINT_COMMANDS);
    }

    private static Checkpoint open(Path directory) {
        Path file = directory.resolve(FILE);
        try {
            DurableFiles.createDirectories(directory);
            if (!Files.exists(file)) {
                return new Checkpoint(LogPosition.START, SystemState.EMPTY);
            }
            return known(
                    SystemCodec.decodeCheckpoint(Files.readAllBytes(file), file.toString()),
                    file.toString());
        } catch (IOException e) {
            throw new CisternException(ErrorCode.IO, "cannot read " + file + ": " + e, e);
        }
    }

    private static Checkpoint known(Checkpoint checkpoint, String source) {
        Level.require(checkpoint.state().level(), Level.NEWEST, source);
        return checkpoint;
    }

    /// The state as of the last command applied here.
    public SystemState state() {
        return current.state();
    }

    /// The state, once it is of `version` or newer here; null where it is not in time. Blocks.
    public @Nullable SystemState await(long version, Duration timeout) {
        long end = System.nanoTime() + timeout.toNanos();
        synchronized (applied) {
            while (state().version() < version) {
                long millis = (end - System.nanoTime()) / 1_000_000;
                if (millis <= 0) {
                    return null;
                }
                try {
                    applied.wait(millis);
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                    throw new CisternException(
                            ErrorCode.UNAVAILABLE, "interrupted while waiting", e);
                }
            }
        }
        return state();
    }

    /// The state and the position it holds, encoded for a peer.
    ///
    /// @param newest see [SystemCodec#encode(Checkpoint, int)]
    public byte[] encoded(int newest) {
        return SystemCodec.encode(current, newest);
    }

    public Leadership leadership() {
        return leadership;
    }

    @Override
    public LogPosition checkpointed() {
        return durable;
    }

    /// Results are [Outcome]s.
    @Override
    public List<@Nullable Object> apply(LogPosition position, List<ByteBuffer> commands) {
        SystemState state = current.state();
        List<@Nullable Object> outcomes = new ArrayList<>(commands.size());
        for (ByteBuffer command : commands) {
            SystemRules.Step step = SystemRules.apply(state, SystemCodec.decode(command));
            state = step.state();
            outcomes.add(step.outcome());
        }
        current = known(new Checkpoint(position, state), "the cluster");
        pending += commands.size();
        if (pending >= CHECKPOINT_COMMANDS) {
            pending = 0;
            writer.execute(this::checkpoint);
        }
        tell();
        return outcomes;
    }

    private void tell() {
        synchronized (applied) {
            applied.notifyAll();
        }
        changed.run();
    }

    @Override
    public void advance(LogPosition position) {
        current = new Checkpoint(position, current.state());
    }

    private void checkpoint() {
        try {
            write(current);
        } catch (IOException | RuntimeException e) {
            failure.halt("cannot write the checkpoint of the system group in " + directory, e);
        }
    }

    private void write(Checkpoint checkpoint) throws IOException {
        if (checkpoint.position().index() <= durable.index()) {
            return;
        }
        DurableFiles.replace(directory.resolve(FILE), SystemCodec.encode(checkpoint));
        durable = checkpoint.position();
    }

    @Override
    public CompletableFuture<LogPosition> install(Peer leader, LogPosition firstAvailable) {
        return fetch.apply(leader)
                .thenApplyAsync(
                        encoded -> {
                            Checkpoint got =
                                    received(encoded, "the state sent by " + leader.node());
                            if (got.position().index() < firstAvailable.index() - 1) {
                                throw new CisternException(
                                        ErrorCode.STALE,
                                        "the state sent by "
                                                + leader.node()
                                                + " ends at index "
                                                + got.position().index()
                                                + ", before "
                                                + firstAvailable.index());
                            }
                            try {
                                write(got);
                            } catch (IOException e) {
                                failure.halt("cannot write " + directory.resolve(FILE), e);
                                throw new CisternException(ErrorCode.IO, e.toString(), e);
                            }
                            current = got;
                            tell();
                            return got.position();
                        },
                        writer);
    }

    private static Checkpoint received(byte[] encoded, String source) {
        return known(SystemCodec.decodeCheckpoint(encoded, source), source);
    }

    @Override
    public void leadershipChanged(Leadership now) {
        leadership = now;
        changed.run();
    }

    @Override
    public void membersChanged(List<Peer> members) {
        changed.run();
    }

    /// Deletes the checkpoint: the replica is gone for good.
    public void discard() {
        writer.close();
        try {
            Files.deleteIfExists(directory.resolve(FILE));
            Files.deleteIfExists(directory);
        } catch (IOException e) {
            throw new CisternException(ErrorCode.IO, "cannot delete " + directory + ": " + e, e);
        }
    }

    /// Writes a last checkpoint. Call once nothing is applied any more.
    @Override
    public void close() {
        writer.execute(this::checkpoint);
        writer.close();
    }
}
