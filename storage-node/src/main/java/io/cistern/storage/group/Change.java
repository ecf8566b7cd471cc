package io.cistern.storage.group;

import io.cistern.block.BlockDevice;
import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.raft.RaftCommand;
import io.cistern.raft.RaftGroup.Applied;
import io.cistern.storage.Command;
import io.cistern.storage.CommandCodec;
import io.cistern.storage.Origin;
import io.cistern.storage.Outcome;
import io.cistern.storage.VolumeState;
import io.cistern.storage.group.Admissions.Admission;
import io.cistern.storage.group.VolumeGroup.Receipt;
import java.nio.ByteBuffer;
import java.util.BitSet;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/// One write or zero request on the leader, from its arrival until its last piece is applied.
///
/// ```
/// NEW --blocks held--> [partial blocks read] --> pieces proposed, WINDOW at a time --> DONE
/// ```
///
/// The first failure stops further pieces; the request ends when those in flight have ended. Its
/// blocks are given up then, unless the outcome of a piece is unknown while this replica still
/// leads: then only once something proposed later was applied, since the piece may still take
/// effect.
///
/// A change that depends on what its range holds has all its blocks to itself, and reads them all.
/// First it asks whether the request was executed already, which spares reading and logging; the
/// state machine asks again, and its answer is the one that counts.
abstract class Change {
    /// Pieces of one request in the log's queue at a time.
    static final int WINDOW = 8;

    private static final int REFUSED_WAIT_MS = 2;
    private static final int MAX_REFUSALS = 2_000;

    protected final WritePath path;
    protected final long volume;
    protected final Origin origin;
    protected final long offset;
    protected final long length;
    private final boolean alone;
    private final BlockLocks.Hold hold;
    private final CompletableFuture<Receipt> done = new CompletableFuture<>();
    private final AtomicInteger pumping = new AtomicInteger();

    /// The term in which the partial blocks were read and the pieces are proposed.
    private long term;

    protected @Nullable ByteBuffer firstBlock;
    protected @Nullable ByteBuffer lastBlock;

    // Guarded by this.
    private int next;
    private int inFlight;
    private final BitSet open = new BitSet();
    private boolean ended;
    private boolean outcomeUnknown;
    private long maxIndex = -1;
    private long value;
    private @Nullable Throwable failure;

    Change(WritePath path, long volume, Origin origin, long offset, long length) {
        this(path, volume, origin, offset, length, false);
    }

    /// @param alone what is written depends on all of the range's blocks
    Change(WritePath path, long volume, Origin origin, long offset, long length, boolean alone) {
        this.path = path;
        this.alone = alone;
        this.volume = volume;
        this.origin = origin;
        this.offset = offset;
        this.length = length;
        long first = offset / BlockDevice.BLOCK_BYTES;
        long end = Pieces.alignUp(offset + length) / BlockDevice.BLOCK_BYTES;
        this.hold =
                alone
                        ? BlockLocks.Hold.alone(first, end, this::held)
                        : new BlockLocks.Hold(
                                first, end, firstPartial(), lastPartial(), this::held);
    }

    /// How many pieces the request has, at least one.
    abstract int pieces();

    /// The command of piece `k`; its bytes may depend on the partial blocks.
    abstract Command piece(int k, Origin numbered);

    /// Number of the first piece, see [Pieces].
    abstract int firstNumber();

    /// What piece `k` may newly take, at most.
    abstract long allocates(int k);

    /// Whether piece `k` may take slots from the granules that own them.
    boolean disowns(int k) {
        return false;
    }

    /// First byte and length of piece `k`.
    abstract long pieceOffset(int k);

    abstract long pieceLength(int k);

    /// True where the first block is changed in part.
    final boolean firstPartial() {
        long end = offset + length;
        return !Pieces.aligned(offset) || (!Pieces.aligned(end) && Pieces.alignDown(end) == offset);
    }

    /// True where the last block is changed in part and is not the first.
    final boolean lastPartial() {
        long end = offset + length;
        return !Pieces.aligned(end) && Pieces.alignDown(end) > offset;
    }

    /// The term, for pieces whose bytes depend on present contents.
    final long evaluatedTerm() {
        return term;
    }

    CompletableFuture<Receipt> begin() {
        if (path.locks(volume).acquire(hold)) {
            held();
        }
        return done;
    }

    private void held() {
        try {
            term = path.parts().leadingTerm();
            Outcome executed = alone ? path.executed(this) : null;
            if (executed != null) {
                answer(executed);
            } else if (alone || firstPartial() || lastPartial()) {
                readBlocks();
            } else {
                pump();
            }
        } catch (RuntimeException e) {
            fail(e);
        }
    }

    /// Ends with what came of the request when it was sent before.
    private void answer(Outcome executed) {
        VolumeStateMachine.accepted(executed);
        synchronized (this) {
            next = pieces();
            maxIndex = path.visibleIndex();
            value = executed.value();
        }
        endIfOver();
    }

    /// Takes up what the blocks hold that it depends on.
    CompletableFuture<Void> readPresent() {
        return path.readBlocks(this);
    }

    private void readBlocks() {
        readPresent()
                .whenComplete((read, failed) -> {
                    if (failed != null) {
                        fail(failed);
                    } else {
                        pump();
                    }
                });
    }

    /// Proposes pieces until the window is full. Calls from several threads and from within it fold
    /// into one.
    private void pump() {
        if (pumping.getAndIncrement() > 0) {
            return;
        }
        int calls = 1;
        while (calls > 0) {
            for (int k = take(); k >= 0; k = take()) {
                propose(k);
            }
            calls = pumping.addAndGet(-calls);
        }
        endIfOver();
    }

    private synchronized int take() {
        if (failure != null || next >= pieces() || inFlight >= WINDOW) {
            return -1;
        }
        inFlight++;
        open.set(next);
        return next++;
    }

    private void propose(int k) {
        try {
            path.admissions()
                    .admit(path.demand(this, k), admitted -> propose(k, admitted), this::settle);
        } catch (RuntimeException e) {
            settle(e);
        }
    }

    private void propose(int k, Admission admitted) {
        Entry entry;
        try {
            entry = new Entry(new Encoded(piece(k, number(k))), admitted, 0);
        } catch (RuntimeException e) {
            path.admissions().end(admitted);
            settle(e);
            return;
        }
        propose(k, entry);
    }

    /// A piece of the oldest open request lets the replicas forget the pieces before it that have
    /// taken effect, so that a request of many pieces stays within the limit of open writes.
    private Origin number(int k) {
        Origin numbered = Pieces.origin(origin, number(k, firstNumber()));
        if (!oldest()) {
            return numbered;
        }
        long settled;
        synchronized (this) {
            settled = open.nextSetBit(0);
        }
        return new Origin(
                numbered.attachment(),
                numbered.seq(),
                numbered.doneBelow() + settled,
                numbered.guard());
    }

    /// True if all earlier requests of the sender are answered, and this is all of the request.
    final boolean oldest() {
        return origin.doneBelow() == origin.seq() && firstNumber() == 0;
    }

    private static long number(int k, int first) {
        return Math.min((long) first + k, Pieces.MAX_PIECES - 1);
    }

    /// @param refusals how often the log's queue was full
    private record Entry(RaftCommand command, Admission admitted, int refusals) {
        Entry again() {
            return new Entry(command, admitted, refusals + 1);
        }
    }

    /// A command that goes straight from where its data arrived into the log entry.
    private record Encoded(Command command, int bytes) implements RaftCommand {
        Encoded(Command command) {
            this(command, CommandCodec.size(command));
        }

        @Override
        public void writeTo(ByteBuffer out) {
            CommandCodec.encode(command, out);
        }
    }

    private void propose(int k, Entry entry) {
        path.parts()
                .raft()
                .propose(entry.command)
                .whenComplete((applied, failed) -> {
                    if (failed != null && full(failed) && entry.refusals < MAX_REFUSALS) {
                        later(() -> propose(k, entry.again()), entry.admitted);
                    } else {
                        path.end(entry.admitted, failed);
                        settle(k, applied, failed);
                    }
                });
    }

    private static boolean full(Throwable failed) {
        return CisternException.of(failed).code() == ErrorCode.LIMIT;
    }

    private void later(Runnable task, Admission admitted) {
        try {
            path.parts().node().timer().schedule(task, REFUSED_WAIT_MS, TimeUnit.MILLISECONDS);
        } catch (RejectedExecutionException stopping) {
            path.admissions().end(admitted);
            settle(stopping);
        }
    }

    private void settle(int k, @Nullable Applied applied, @Nullable Throwable failed) {
        if (failed != null) {
            if (CisternException.of(failed).code() == ErrorCode.UNAVAILABLE) {
                synchronized (this) {
                    outcomeUnknown = true;
                }
            }
            settle(failed);
        } else if (applied != null) {
            settle(k, applied.index(), (Outcome) Objects.requireNonNull(applied.result()));
        }
    }

    private void settle(int k, long index, Outcome outcome) {
        try {
            VolumeStateMachine.accepted(outcome);
        } catch (CisternException refused) {
            settle(refused);
            return;
        }
        boolean over;
        synchronized (this) {
            inFlight--;
            open.clear(k);
            maxIndex = Math.max(maxIndex, index);
            value = outcome.value();
            over = next >= pieces() && inFlight == 0;
        }
        if (over) {
            endIfOver();
        } else {
            path.continueLater(this::pump);
        }
    }

    private void settle(Throwable failed) {
        synchronized (this) {
            inFlight--;
            if (failure == null) {
                failure = failed;
            }
        }
        endIfOver();
    }

    /// Before any piece was taken.
    private void fail(Throwable failed) {
        synchronized (this) {
            failure = failed;
        }
        endIfOver();
    }

    private void endIfOver() {
        Throwable failed;
        boolean unknown;
        synchronized (this) {
            boolean over = inFlight == 0 && (failure != null || next >= pieces());
            if (!over || ended) {
                return;
            }
            ended = true;
            failed = failure;
            unknown = outcomeUnknown;
        }
        if (unknown) {
            path.afterAllInFlight(term, this::giveUpBlocks);
        } else {
            giveUpBlocks();
        }
        if (failed != null) {
            done.completeExceptionally(CisternException.of(failed));
        } else {
            VolumeState state = path.parts().store().volume(volume);
            done.complete(new Receipt(maxIndex, state == null ? 0 : state.version(), value));
        }
    }

    private void giveUpBlocks() {
        path.locks(volume).release(hold);
    }
}
