package io.cistern.iscsi.scsi;

import java.nio.ByteBuffer;
import java.util.concurrent.CompletableFuture;

/// WRITE AND VERIFY (10), (12) and (16) (SBC-3 5.38): writes, then reads back.
final class WriteAndVerify implements Operation {
    @Override
    public long dataOutLength(Cdb cdb, LogicalUnit unit) {
        if ((cdb.u8(1) & 0x04) != 0) {
            throw Refusal.cdb(1, 2);
        }
        return BlockRange.of(cdb).check(unit).bytes(unit);
    }

    @Override
    public CompletableFuture<ScsiResult> execute(Request request) {
        LogicalUnit unit = request.unit();
        BlockRange range = BlockRange.of(request.cdb()).check(unit);
        if (range.blocks() == 0) {
            return CompletableFuture.completedFuture(ScsiResult.good());
        }
        ByteBuffer data = request.dataOut((int) range.bytes(unit));
        boolean compare = (request.cdb().u8(1) & 0x02) != 0;
        return request.io()
                .write(range.offset(unit), data)
                .thenCompose(done ->
                        Verify.compare(request, range, compare ? data : ByteBuffer.allocate(0)));
    }
}
