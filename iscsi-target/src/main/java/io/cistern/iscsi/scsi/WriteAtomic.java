package io.cistern.iscsi.scsi;

import java.util.concurrent.CompletableFuture;

/// WRITE ATOMIC (16) (SBC-4 5.46): the whole range changes at once or not at all. Boundaries are
/// not supported.
final class WriteAtomic implements Operation {
    @Override
    public long dataOutLength(Cdb cdb, LogicalUnit unit) {
        return range(cdb, unit).bytes(unit);
    }

    @Override
    public CompletableFuture<ScsiResult> execute(Request request) {
        LogicalUnit unit = request.unit();
        BlockRange range = range(request.cdb(), unit);
        if (range.blocks() == 0) {
            return CompletableFuture.completedFuture(ScsiResult.good());
        }
        return request.io()
                .writeAtomic(range.offset(unit), request.dataOut((int) range.bytes(unit)))
                .thenApply(done -> ScsiResult.good());
    }

    private static BlockRange range(Cdb cdb, LogicalUnit unit) {
        return new BlockRange(cdb.u64(2), cdb.u16(12), 12).check(unit, unit.maxAtomicBlocks());
    }
}
