package io.cistern.iscsi.scsi;

import java.nio.ByteBuffer;
import java.util.concurrent.CompletableFuture;

/// WRITE SAME (10) and (16) (SBC-3 5.43). A block of zeroes, given or implied by NDOB, is a request
/// to zero the range, which transfers nothing; with UNMAP it also frees the range, since what is
/// unmapped reads as zeroes (LBPRZ).
final class WriteSame implements Operation {
    /// Largest range, in blocks. A length of zero is refused (WSNZ).
    static final int MAX_BLOCKS = 0xffff;

    private static final int PATTERN_BYTES = 1 << 20;

    @Override
    public long dataOutLength(Cdb cdb, LogicalUnit unit) {
        range(cdb, unit);
        return noData(cdb) ? 0 : unit.blockBytes();
    }

    @Override
    public CompletableFuture<ScsiResult> execute(Request request) {
        LogicalUnit unit = request.unit();
        BlockRange range = range(request.cdb(), unit);
        boolean unmap = request.cdb().bit(1, 3);
        ByteBuffer block =
                noData(request.cdb())
                        ? ByteBuffer.allocate(unit.blockBytes())
                        : request.dataOut(unit.blockBytes());
        CompletableFuture<Void> written =
                isZero(block)
                        ? request.io().zero(range.offset(unit), range.bytes(unit), unmap)
                        : fill(request, range, block);
        return written.thenApply(done -> ScsiResult.good());
    }

    private static CompletableFuture<Void> fill(
            Request request, BlockRange range, ByteBuffer block) {
        LogicalUnit unit = request.unit();
        int size = (int) Math.min(PATTERN_BYTES, range.bytes(unit));
        ByteBuffer pattern = ByteBuffer.allocateDirect(size);
        while (pattern.hasRemaining()) {
            pattern.put(block.duplicate());
        }
        pattern.flip();
        return Steps.run(
                range.bytes(unit),
                size,
                (at, length) ->
                        request.io()
                                .write(range.offset(unit) + at, pattern.slice(0, (int) length)));
    }

    private static boolean noData(Cdb cdb) {
        return cdb.operationCode() == Opcodes.WRITE_SAME_16 && cdb.bit(1, 0);
    }

    private static BlockRange range(Cdb cdb, LogicalUnit unit) {
        BlockRange range = BlockRange.of(cdb).check(unit, MAX_BLOCKS);
        if (range.blocks() == 0) {
            throw Refusal.cdb(range.lengthAt(), -1);
        }
        return range;
    }

    static boolean isZero(ByteBuffer block) {
        return block.mismatch(ByteBuffer.allocate(block.remaining())) < 0;
    }
}
