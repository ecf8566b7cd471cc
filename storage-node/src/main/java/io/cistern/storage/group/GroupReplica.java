package io.cistern.storage.group;

import io.cistern.block.BlockDevice.Extent;
import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.GuardedDevice.SharedRecord;
import io.cistern.block.fs.engine.FileQuery;
import io.cistern.block.fs.engine.Reply;
import io.cistern.raft.GroupId;
import io.cistern.raft.RaftGroup;
import io.cistern.storage.Command;
import io.cistern.storage.CommandCodec;
import io.cistern.storage.Origin;
import io.cistern.storage.Outcome;
import io.cistern.storage.Store;
import io.cistern.storage.View;
import io.cistern.storage.VolumeSpace;
import io.cistern.storage.VolumeState;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.atomic.LongAdder;
import org.jspecify.annotations.Nullable;

/// The replica on this node, as volume clients use it. See [VolumeGroup]; safe for any thread.
public final class GroupReplica implements VolumeGroup {
    private final ReplicaParts parts;
    private final ReadPath reads;
    private final WritePath writes;
    private final ShareService shares;
    private final LongAdder requests;
    private final IoMeter io;

    /// @param requests counts reads and writes
    GroupReplica(
            ReplicaParts parts,
            ReadPath reads,
            WritePath writes,
            ShareService shares,
            LongAdder requests,
            IoMeter io) {
        this.shares = shares;
        this.io = io;
        this.parts = parts;
        this.reads = reads;
        this.writes = writes;
        this.requests = requests;
    }

    @Override
    public GroupId id() {
        return parts.raft().id();
    }

    /// Index of the last entry whose effects are visible here.
    public long appliedIndex() {
        return parts.machine().appliedIndex();
    }

    /// Index of the newest entry any of whose effects a read here may have shown.
    public long visibleIndex() {
        return parts.machine().visibleIndex();
    }

    @Override
    public CompletableFuture<Receipt> write(
            long volume, Origin origin, long offset, ByteBuffer data) {
        return write(volume, origin, 0, offset, data);
    }

    /// A write, or the part of one that came in one message.
    ///
    /// @param firstPiece number of the part's first piece in the request, see [Pieces]
    CompletableFuture<Receipt> write(
            long volume, Origin origin, int firstPiece, long offset, ByteBuffer data) {
        requests.increment();
        long began = io.now();
        int bytes = data.remaining();
        try {
            return io.timed(
                    volume,
                    VolumeIo.Operation.WRITE,
                    bytes,
                    began,
                    writes.write(volume, origin, firstPiece, offset, data));
        } catch (CisternException refused) {
            return CompletableFuture.failedFuture(refused);
        }
    }

    @Override
    public CompletableFuture<Receipt> zero(
            long volume, Origin origin, long offset, long length, boolean unmap) {
        long began = io.now();
        try {
            return io.timed(
                    volume,
                    VolumeIo.Operation.ZERO,
                    length,
                    began,
                    writes.zero(volume, origin, offset, length, unmap));
        } catch (CisternException refused) {
            return CompletableFuture.failedFuture(refused);
        }
    }

    @Override
    public CompletableFuture<Receipt> writeAtomic(long volume, Origin origin, AtomicWrite write) {
        requests.increment();
        try {
            return writes.atomic(volume, origin, write);
        } catch (CisternException refused) {
            return CompletableFuture.failedFuture(refused);
        }
    }

    @Override
    public CompletableFuture<FileReceipt> change(
            long volume, Origin origin, ByteBuffer request, ByteBuffer data) {
        requests.increment();
        try {
            return shares.change(volume, origin, request, data);
        } catch (CisternException refused) {
            return CompletableFuture.failedFuture(refused);
        }
    }

    @Override
    public CompletableFuture<SharedRecord> record(long volume) {
        return reads.leased(() -> {
            parts.volume(volume);
            return Objects.requireNonNull(parts.store().record(volume));
        });
    }

    @Override
    public CompletableFuture<FileReceipt> query(ReadRequest request, ByteBuffer query) {
        requests.increment();
        try {
            return shares.query(request, query);
        } catch (CisternException refused) {
            return CompletableFuture.failedFuture(refused);
        }
    }

    @Override
    public @Nullable Reply tryQuery(
            ReadRequest request, FileQuery query, @Nullable ByteBuffer into) {
        Reply found = shares.tryQuery(request, query, into);
        if (found != null) {
            requests.increment();
        }
        return found;
    }

    @Override
    public CompletableFuture<Receipt> execute(Command asked) {
        try {
            parts.leadingTerm();
            Command command = written(numbered(asked));
            long volume = subject(command);
            ByteBuffer entry = ByteBuffer.allocate(CommandCodec.size(command));
            CommandCodec.encode(command, entry);
            return proposed(command, entry.flip())
                    .thenApply(applied -> {
                        Outcome outcome = (Outcome) Objects.requireNonNull(applied.result());
                        VolumeStateMachine.accepted(outcome);
                        VolumeState now = parts.store().volume(volume);
                        return new Receipt(
                                applied.index(), now == null ? 0 : now.version(), outcome.value());
                    });
        } catch (CisternException refused) {
            return CompletableFuture.failedFuture(refused);
        }
    }

    /// As all nodes of the cluster can apply it.
    private Command written(Command asked) {
        Command command = asked.remembering(parts.node().remembersEnds());
        if (command instanceof Command.Attach attach && parts.node().countsEnds()) {
            VolumeState now = parts.store().volume(attach.volume());
            return attach.seen(now == null ? 0 : now.version());
        }
        return command;
    }

    private CompletableFuture<RaftGroup.Applied> proposed(Command command, ByteBuffer entry) {
        CompletableFuture<RaftGroup.Applied> done = new CompletableFuture<>();
        writes.admissions()
                .admit(
                        command,
                        admitted ->
                                parts.raft()
                                        .propose(entry)
                                        .whenComplete((applied, failed) -> {
                                            writes.end(admitted, failed);
                                            if (failed == null) {
                                                done.complete(applied);
                                            } else {
                                                done.completeExceptionally(failed);
                                            }
                                        }));
        return done;
    }

    private static Command numbered(Command command) {
        if (!(command instanceof Command.ReplaceRecord replace)) {
            return command;
        }
        Pieces.check(replace.origin());
        if (!replace.origin().guarded()) {
            throw new CisternException(
                    ErrorCode.INVALID, "the version of the record to be replaced is missing");
        }
        Origin numbered = Pieces.origin(replace.origin(), 0);
        return new Command.ReplaceRecord(replace.volume(), numbered, replace.bytes());
    }

    /// The volume whose version a receipt shows.
    private static long subject(Command command) {
        return switch (command) {
            case Command.Write w -> throw notHere();
            case Command.Zero z -> throw notHere();
            case Command.Settle s -> throw notHere();
            case Command.ReplaceRecord c -> c.volume();
            case Command.CreateVolume c -> c.volume();
            case Command.CloneVolume c -> c.volume();
            case Command.DeleteVolume c -> c.volume();
            case Command.Resize c -> c.volume();
            case Command.SetLimits c -> c.volume();
            case Command.CreateSnapshots c ->
                    c.targets().isEmpty() ? 0 : c.targets().getFirst().volume();
            case Command.DeleteSnapshot c -> c.volume();
            case Command.Rollback c -> c.volume();
            case Command.Attach c -> c.volume();
            case Command.Detach c -> c.volume();
            case Command.Resume c -> c.volume();
            case Command.FileChange c -> c.volume();
            case Command.IfUnchanged c -> subject(c.command());
        };
    }

    private static CisternException notHere() {
        return new CisternException(
                ErrorCode.INVALID, "data is written with write and zero, not as a command");
    }

    @Override
    public CompletableFuture<Receipt> read(ReadRequest request, long offset, ByteBuffer dst) {
        requests.increment();
        long began = io.now();
        int bytes = dst.remaining();
        return io.timed(
                request.volume(),
                VolumeIo.Operation.READ,
                bytes,
                began,
                reads.read(request, offset, dst));
    }

    @Override
    public boolean tryRead(ReadRequest request, long offset, ByteBuffer dst) {
        requests.increment();
        long began = io.now();
        int bytes = dst.remaining();
        boolean served = reads.tryRead(request, offset, dst);
        if (served) {
            io.done(request.volume(), VolumeIo.Operation.READ, bytes, began);
        }
        return served;
    }

    /// What to answer to a read that [#tryRead] has just served.
    Receipt receipt(long volume) {
        return reads.receipt(volume);
    }

    @Override
    public CompletableFuture<List<Extent>> extents(
            ReadRequest request, long offset, long length, int maxExtents) {
        AtomicReference<List<Extent>> found = new AtomicReference<>(List.of());
        return reads.serve(
                request,
                () -> {
                    reads.onView(
                            request,
                            offset,
                            length,
                            view ->
                                    found.set(
                                            parts.store()
                                                    .extents(view, offset, length, maxExtents)));
                    return found.get();
                });
    }

    @Override
    public CompletableFuture<VolumeState> describe(long volume) {
        return reads.leased(() -> parts.volume(volume));
    }

    @Override
    public CompletableFuture<List<VolumeUsage>> usage() {
        if (!reads.readable()) {
            return CompletableFuture.failedFuture(reads.notYet());
        }
        return NodeParts.supply(
                parts.node().workers(),
                () -> {
                    List<VolumeUsage> usages = new ArrayList<>();
                    for (VolumeSpace space : parts.store().space()) {
                        usages.add(usage(space));
                    }
                    return usages;
                });
    }

    private static VolumeUsage usage(VolumeSpace space) {
        List<VolumeUsage.SnapshotUsage> unique = new ArrayList<>();
        unique.add(new VolumeUsage.SnapshotUsage("", space.headUniqueBytes()));
        for (VolumeSpace.SnapshotSpace snapshot : space.snapshots()) {
            unique.add(new VolumeUsage.SnapshotUsage(snapshot.name(), snapshot.uniqueBytes()));
        }
        return new VolumeUsage(space.volume(), space.usedBytes(), unique);
    }

    @Override
    public CompletableFuture<List<Range>> diff(
            long volume, @Nullable String from, @Nullable String to, long offset, int max) {
        return reads.leased(() -> {
            long size = parts.volume(volume).sizeBytes();
            if (offset < 0 || offset >= size) {
                return List.of();
            }
            List<Range> ranges = new ArrayList<>();
            for (Store.Range range :
                    parts.store()
                            .diff(
                                    view(volume, from),
                                    view(volume, to),
                                    offset,
                                    size - offset,
                                    max)) {
                ranges.add(new Range(range.offset(), range.length()));
            }
            return ranges;
        });
    }

    private View view(long volume, @Nullable String snapshot) {
        return snapshot == null
                ? parts.store().headView(volume)
                : parts.store().snapshotView(volume, snapshot);
    }
}
