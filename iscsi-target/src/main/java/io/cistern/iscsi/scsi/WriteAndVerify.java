package io.cistern.iscsi.scsi;

import java.nio.ByteBuffer;
import java.util.concurrent.CompletableFuture;

/// WRITE AND VERIFY (10), (12) and (16) (SBC-3 5.38): writes, then reads back.
final class WriteAndVerify implements Operation {
    private static final ByteBuffer NOTHING = ByteBuffer.allocate(0).asReadOnlyBuffer();

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
        ByteBuffer data = request.sentOf(range.bytes(unit));
        if (!data.hasRemaining()) {
            return CompletableFuture.completedFuture(ScsiResult.good());
        }
        boolean compare = (request.cdb().u8(1) & 0x02) != 0;
        int whole = data.remaining() / unit.blockBytes();
        BlockRange written = new BlockRange(range.lba(), whole, 0);
        ByteBuffer wanted = compare ? data.slice(0, whole * unit.blockBytes()) : NOTHING;
        return request.io()
                .write(range.offset(unit), data)
                .thenCompose(done -> Verify.compare(request, written, wanted));
    }
}
