package io.cistern.iscsi.scsi;

import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/// EXTENDED COPY (LID1) (SPC-4 6.4): block to block, within this logical unit and between those of
/// a [CopyDomain]. Copies of a range onto itself move the bytes as if all were read before any is
/// written.
final class ExtendedCopy implements Operation {
    private static final int CHUNK_BYTES = 1 << 20;

    @Override
    public long dataOutLength(Cdb cdb, LogicalUnit unit) {
        long length = cdb.u32(10);
        // One longer than any that is accepted, so that its fault can be named.
        return Math.min(length, CopyList.HEADER_BYTES + 2L * CopyList.MAX_DESCRIPTOR_BYTES);
    }

    @Override
    public CompletableFuture<ScsiResult> execute(Request request) {
        long length = dataOutLength(request.cdb(), request.unit());
        if (length == 0) {
            return CompletableFuture.completedFuture(ScsiResult.good());
        }
        CopyList list = CopyList.parse(request.dataOut((int) length), request.nexus());
        List<Copy> copies =
                list.segments().stream().map(segment -> copy(request, list, segment)).toList();
        CopyResults results = request.nexus().copyResults();
        if (list.keepsResult() && !results.begin(list.identifier())) {
            throw Refusal.parameter(0, -1);
        }
        long[] copied = {0, 0};
        return Steps.run(
                        copies.size(),
                        1,
                        (at, one) -> {
                            Copy copy = copies.get((int) at);
                            return copy.run()
                                    .thenRun(() -> {
                                        copied[0]++;
                                        copied[1] += copy.bytes();
                                        copy.destination().unit().thresholds().look();
                                    });
                        })
                .whenComplete((done, failure) -> {
                    if (list.keepsResult()) {
                        Sense sense = failure == null ? null : Failures.sense(failure);
                        results.put(
                                list.identifier(),
                                new CopyResults.Result((int) copied[0], copied[1], sense, false));
                    }
                })
                .thenApply(done -> ScsiResult.good());
    }

    /// A segment of two ranges that lie within their units.
    private record Copy(GuardedIo source, GuardedIo destination, long from, long to, long bytes) {
        CompletableFuture<Void> run() {
            // From its end where it writes over what is still to be read.
            boolean backwards =
                    source.unit() == destination.unit() && to > from && to < from + bytes;
            ByteBuffer buffer = ByteBuffer.allocateDirect((int) Math.min(CHUNK_BYTES, bytes));
            return Steps.run(
                    bytes,
                    CHUNK_BYTES,
                    (at, length) -> {
                        long offset = backwards ? bytes - at - length : at;
                        ByteBuffer chunk = buffer.slice(0, (int) length);
                        return source.read(from + offset, chunk)
                                .thenCompose(read -> destination.write(to + offset, chunk));
                    });
        }
    }

    private static Copy copy(Request request, CopyList list, CopyList.Segment segment) {
        LuNexus source = list.targets().get(segment.from());
        LuNexus destination = list.targets().get(segment.to());
        int sourceBlock = source.unit().blockBytes();
        int destinationBlock = destination.unit().blockBytes();
        long bytes =
                segment.blocks() * (segment.countsDestination() ? destinationBlock : sourceBlock);
        if (bytes % sourceBlock != 0 || bytes % destinationBlock != 0) {
            throw Refusal.of(Condition.UNEXPECTED_INEXACT_SEGMENT);
        }
        checkRange(source.unit(), segment.source(), bytes / sourceBlock);
        checkRange(destination.unit(), segment.destination(), bytes / destinationBlock);
        return new Copy(
                io(request, source, Opcode.Access.READ),
                io(request, destination, Opcode.Access.WRITE),
                segment.source() * sourceBlock,
                segment.destination() * destinationBlock,
                bytes);
    }

    private static GuardedIo io(Request request, LuNexus target, Opcode.Access access) {
        if (target == request.nexus()) {
            return request.io();
        }
        GuardedIo io = GuardedIo.onBehalf(target, request.task(), access);
        io.permit();
        return io;
    }

    /// Beyond the unit's end, the copy manager's own READ or WRITE would fail.
    private static void checkRange(LogicalUnit unit, long lba, long blocks) {
        try {
            new BlockRange(lba, blocks, 0).check(unit, Long.MAX_VALUE);
        } catch (Refusal outside) {
            throw Refusal.of(Condition.COPY_ABORTED);
        }
    }
}
