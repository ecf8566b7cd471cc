package io.cistern.iscsi.scsi;

import java.nio.ByteBuffer;
import java.util.concurrent.CompletableFuture;

/// WRITE (6), (10), (12) and (16) (SBC-3 5.34). A write that has completed is durable on a
/// majority, with or without FUA.
final class WriteBlocks implements Operation {
    @Override
    public long dataOutLength(Cdb cdb, LogicalUnit unit) {
        return BlockRange.of(cdb).check(unit).bytes(unit);
    }

    @Override
    public CompletableFuture<ScsiResult> execute(Request request) {
        LogicalUnit unit = request.unit();
        BlockRange range = BlockRange.of(request.cdb()).check(unit);
        ByteBuffer data = request.sentOf(range.bytes(unit));
        if (!data.hasRemaining()) {
            return CompletableFuture.completedFuture(ScsiResult.good());
        }
        return request.io().write(range.offset(unit), data).thenApply(done -> ScsiResult.good());
    }
}
