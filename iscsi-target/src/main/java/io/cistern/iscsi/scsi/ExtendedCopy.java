package io.cistern.iscsi.scsi;

import java.nio.ByteBuffer;
import java.util.concurrent.CompletableFuture;

/// EXTENDED COPY (LID1) (SPC-4 6.4): block to block within this logical unit. Copies of a range
/// onto itself move the bytes as if all were read before any is written.
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
        CopyList list = CopyList.parse(request.dataOut((int) length), request.unit());
        for (CopyList.Segment segment : list.segments()) {
            checkRange(request.unit(), segment.source(), segment.blocks());
            checkRange(request.unit(), segment.destination(), segment.blocks());
        }
        CopyResults results = request.nexus().copyResults();
        if (list.keepsResult() && !results.begin(list.identifier())) {
            throw Refusal.parameter(0, -1);
        }
        long[] copied = {0, 0};
        return Steps.run(
                        list.segments().size(),
                        1,
                        (at, one) -> {
                            CopyList.Segment segment = list.segments().get((int) at);
                            return copy(request, segment)
                                    .thenRun(() -> {
                                        copied[0]++;
                                        copied[1] += segment.blocks() * request.unit().blockBytes();
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

    /// Beyond the unit's end, the copy manager's own READ or WRITE would fail.
    private static void checkRange(LogicalUnit unit, long lba, long blocks) {
        try {
            new BlockRange(lba, blocks, 0).check(unit, Long.MAX_VALUE);
        } catch (Refusal outside) {
            throw Refusal.of(Condition.COPY_ABORTED);
        }
    }

    private static CompletableFuture<Void> copy(Request request, CopyList.Segment segment) {
        int block = request.unit().blockBytes();
        long total = segment.blocks() * block;
        long from = segment.source() * block;
        long to = segment.destination() * block;
        boolean backwards = to > from && to < from + total;
        ByteBuffer buffer = ByteBuffer.allocateDirect((int) Math.min(CHUNK_BYTES, total));
        return Steps.run(
                total,
                CHUNK_BYTES,
                (at, length) -> {
                    long offset = backwards ? total - at - length : at;
                    ByteBuffer chunk = buffer.slice(0, (int) length);
                    return request.io()
                            .read(from + offset, chunk)
                            .thenCompose(read -> request.io().write(to + offset, chunk));
                });
    }
}
