package io.cistern.iscsi.scsi;

import java.nio.ByteBuffer;
import java.util.concurrent.CompletableFuture;

/// COMPARE AND WRITE (SBC-3 5.3), one step with respect to every command through every port.
final class CompareAndWrite implements Operation {
    /// As many as its one byte can say, and as the device compares in one step.
    static int maxBlocks(LogicalUnit unit) {
        return Math.min(255, unit.maxAtomicBlocks());
    }

    @Override
    public long dataOutLength(Cdb cdb, LogicalUnit unit) {
        return 2 * range(cdb, unit).bytes(unit);
    }

    @Override
    public CompletableFuture<ScsiResult> execute(Request request) {
        LogicalUnit unit = request.unit();
        BlockRange range = range(request.cdb(), unit);
        if (range.blocks() == 0) {
            return CompletableFuture.completedFuture(ScsiResult.good());
        }
        int length = (int) range.bytes(unit);
        ByteBuffer data = request.dataOut(2 * length);
        return request.io()
                .compareAndWrite(
                        range.offset(unit), data.slice(0, length), data.slice(length, length))
                .thenApply(differs -> {
                    if (differs >= 0) {
                        throw Refusal.of(Sense.at(Condition.MISCOMPARE_DURING_VERIFY, differs));
                    }
                    return ScsiResult.good();
                });
    }

    private static BlockRange range(Cdb cdb, LogicalUnit unit) {
        return new BlockRange(cdb.u64(2), cdb.u8(13), 13).check(unit, maxBlocks(unit));
    }
}
