package io.cistern.storage.group;

import io.cistern.block.BlockDevice;
import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.storage.Command;
import io.cistern.storage.CommandCodec;
import io.cistern.storage.Origin;
import io.cistern.storage.Outcome;
import io.cistern.storage.Slots;
import io.cistern.storage.VolumeState;
import io.cistern.storage.group.VolumeGroup.ReadRequest;
import io.cistern.storage.group.VolumeGroup.Receipt;
import java.nio.ByteBuffer;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// Writes and zeroes of one replica while it leads.
///
/// Whole blocks go to the log as they came. Where a request changes part of a block, the block is
/// held alone, read, merged and proposed whole, for the term in which it was read; under any other
/// term the state machine refuses it. Requests are cut into [Pieces]; each sector lies in one
/// piece, so sectors change atomically.
final class WritePath {
    private static final long BARRIER_RETRY_MS = 20;

    private final ReplicaParts parts;
    private final ReadPath reads;
    private final Admissions admissions;
    private final Map<Long, BlockLocks> locks = new ConcurrentHashMap<>();

    WritePath(ReplicaParts parts, ReadPath reads, Admissions admissions) {
        this.parts = parts;
        this.reads = reads;
        this.admissions = admissions;
    }

    ReplicaParts parts() {
        return parts;
    }

    /// @param firstPiece number of the first piece, where `data` is part of a request
    CompletableFuture<Receipt> write(
            long volume, Origin origin, int firstPiece, long offset, ByteBuffer data) {
        int length = data.remaining();
        if (length > BlockDevice.MAX_IO_BYTES) {
            throw new CisternException(
                    ErrorCode.INVALID,
                    "a write of " + length + " bytes; at most " + BlockDevice.MAX_IO_BYTES);
        }
        check(volume, origin, offset, length);
        if (length == 0) {
            return CompletableFuture.completedFuture(reads.receipt(volume));
        }
        return new WriteChange(this, volume, origin, firstPiece, offset, data).begin();
    }

    CompletableFuture<Receipt> zero(
            long volume, Origin origin, long offset, long length, boolean unmap) {
        check(volume, origin, offset, length);
        if (length == 0) {
            return CompletableFuture.completedFuture(reads.receipt(volume));
        }
        return new ZeroChange(this, volume, origin, offset, length, unmap).begin();
    }

    /// See [VolumeGroup#writeAtomic].
    CompletableFuture<Receipt> atomic(long volume, Origin origin, AtomicWrite write) {
        int length = write.data().remaining();
        check(volume, origin, write.offset(), length);
        if (length == 0) {
            return CompletableFuture.completedFuture(reads.receipt(volume));
        }
        return write.kind() == AtomicWrite.Kind.WRITE
                ? WriteChange.atomic(this, volume, origin, write.offset(), write.data()).begin()
                : new EvaluatedChange(this, volume, origin, write).begin();
    }

    private void check(long volume, Origin origin, long offset, long length) {
        parts.leadingTerm();
        Pieces.check(origin);
        VolumeState state = parts.volume(volume);
        ReplicaParts.checkRange(state, offset, length);
    }

    BlockLocks locks(long volume) {
        return locks.computeIfAbsent(volume, id -> new BlockLocks());
    }

    /// Forgets the locks of volumes that are gone.
    void tidy() {
        for (Long volume : locks.keySet()) {
            locks.computeIfPresent(
                    volume,
                    (id, held) -> parts.store().volume(id) == null && held.idle() ? null : held);
        }
    }

    /// Reads the blocks that `change` covers in part, as they are applied now.
    CompletableFuture<Void> readBlocks(Change change) {
        ReadRequest head = new ReadRequest(change.volume, null, 0, 0);
        long first = Pieces.alignDown(change.offset);
        long last = Pieces.alignDown(change.offset + change.length - 1);
        return reads.serve(
                head,
                () -> {
                    if (change.firstPartial()) {
                        change.firstBlock = readBlock(head, first);
                    }
                    if (change.lastPartial()) {
                        change.lastBlock = readBlock(head, last);
                    }
                    return null;
                });
    }

    /// Reads all blocks of `[offset, offset + length)`, which are whole, as they are applied now.
    CompletableFuture<ByteBuffer> readAll(long volume, long offset, int length) {
        ReadRequest head = new ReadRequest(volume, null, 0, 0);
        return reads.serve(head, () -> readBlocks(head, offset, length));
    }

    private ByteBuffer readBlock(ReadRequest head, long offset) {
        return readBlocks(head, offset, BlockDevice.BLOCK_BYTES);
    }

    /// The last block may reach beyond the volume's end: there are zeroes.
    private ByteBuffer readBlocks(ReadRequest head, long offset, int length) {
        ByteBuffer blocks = ByteBuffer.allocate(length);
        reads.onView(
                head,
                offset,
                0,
                view -> {
                    blocks.clear();
                    parts.store().read(view, offset, blocks);
                });
        return blocks;
    }

    /// What came of a request of one piece that was executed already, else null.
    @Nullable Outcome executed(Change change) {
        return parts.store().executed(change.volume, Pieces.origin(change.origin, 0));
    }

    /// See [VolumeStateMachine#visibleIndex].
    long visibleIndex() {
        return parts.machine().visibleIndex();
    }

    Admissions admissions() {
        return admissions;
    }

    /// What piece `k` needs.
    Admissions.Demand demand(Change change, int k) {
        return new Admissions.Demand() {
            @Override
            public boolean disowns() {
                return change.disowns(k);
            }

            @Override
            public long most() {
                return change.allocates(k);
            }

            @Override
            public long exact() {
                return (long)
                                parts.store()
                                        .slotsNeeded(
                                                change.volume,
                                                change.pieceOffset(k),
                                                change.pieceLength(k))
                        * Slots.SLOT_BYTES;
            }
        };
    }

    /// Gives back what was admitted, once the change is applied or can take effect no more.
    void end(Admissions.Admission admission, @Nullable Throwable failed) {
        if (failed != null && CisternException.of(failed).code() == ErrorCode.UNAVAILABLE) {
            afterAllInFlight(parts.raft().leadership().term(), () -> admissions.end(admission));
        } else {
            admissions.end(admission);
        }
    }

    /// Goes on with a request of several pieces, away from the apply thread.
    void continueLater(Runnable pump) {
        parts.node().work(pump);
    }

    /// Runs `task` once nothing that was proposed before, in `term`, can take effect any more: when
    /// a command proposed now is applied, or this replica no longer leads that term.
    void afterAllInFlight(long term, Runnable task) {
        if (parts.raft().leadership().term() != term || !parts.raft().leadership().ready()) {
            task.run();
            return;
        }
        // Has no effect: no volume has the id 0.
        Command nothing = new Command.Detach(0, 0);
        ByteBuffer entry = ByteBuffer.allocate(CommandCodec.size(nothing));
        CommandCodec.encode(nothing, entry);
        parts.raft()
                .propose(entry.flip())
                .whenComplete((applied, failed) -> {
                    if (failed == null) {
                        task.run();
                    } else {
                        retryBarrier(term, task);
                    }
                });
    }

    private void retryBarrier(long term, Runnable task) {
        try {
            parts.node()
                    .timer()
                    .schedule(
                            () -> afterAllInFlight(term, task),
                            BARRIER_RETRY_MS,
                            TimeUnit.MILLISECONDS);
        } catch (RejectedExecutionException stopping) {
            task.run();
        }
    }
}
