package io.cistern.iscsi.scsi;

import io.netty.buffer.ByteBuf;
import java.nio.ByteBuffer;
import java.util.concurrent.CompletableFuture;

/// VERIFY (10), (12) and (16) (SBC-3 5.29): reads the range, which checks every block's checksum,
/// and compares as BYTCHK says.
final class Verify implements Operation {
    private static final int NO_COMPARE = 0;
    private static final int COMPARE_ALL = 1;
    private static final int COMPARE_ONE = 3;

    @Override
    public long dataOutLength(Cdb cdb, LogicalUnit unit) {
        BlockRange range = BlockRange.of(cdb).check(unit);
        return switch (byteCheck(cdb)) {
            case NO_COMPARE -> 0;
            case COMPARE_ALL -> range.bytes(unit);
            case COMPARE_ONE -> range.blocks() == 0 ? 0 : unit.blockBytes();
            default -> throw Refusal.cdb(1, 2);
        };
    }

    @Override
    public CompletableFuture<ScsiResult> execute(Request request) {
        LogicalUnit unit = request.unit();
        BlockRange range = BlockRange.of(request.cdb()).check(unit);
        ByteBuffer wanted =
                switch (byteCheck(request.cdb())) {
                    case COMPARE_ALL -> request.dataOut((int) range.bytes(unit));
                    case COMPARE_ONE ->
                            range.blocks() == 0
                                    ? ByteBuffer.allocate(0)
                                    : request.dataOut(unit.blockBytes());
                    default -> ByteBuffer.allocate(0);
                };
        return compare(request, range, wanted);
    }

    /// Reads a range and compares it.
    ///
    /// @param wanted as long as the range, or one block that all are compared with, or empty
    static CompletableFuture<ScsiResult> compare(
            Request request, BlockRange range, ByteBuffer wanted) {
        if (range.blocks() == 0) {
            return CompletableFuture.completedFuture(ScsiResult.good());
        }
        int block = request.unit().blockBytes();
        return ReadBlocks.read(request, range)
                .thenApply(stored -> {
                    long bad = firstDifference(stored, wanted, block);
                    stored.release();
                    if (bad >= 0) {
                        throw Refusal.of(
                                Sense.at(Condition.MISCOMPARE_DURING_VERIFY, range.lba() + bad));
                    }
                    return ScsiResult.good();
                });
    }

    /// The first block that differs, counted from the range's beginning, or -1.
    private static long firstDifference(ByteBuf stored, ByteBuffer wanted, int block) {
        if (!wanted.hasRemaining()) {
            return -1;
        }
        ByteBuffer present = stored.nioBuffer();
        if (present.remaining() == wanted.remaining()) {
            int at = present.mismatch(wanted);
            return at < 0 ? -1 : at / block;
        }
        for (int at = 0; at < present.limit(); at += block) {
            if (present.slice(at, block).mismatch(wanted) >= 0) {
                return at / block;
            }
        }
        return -1;
    }

    private static int byteCheck(Cdb cdb) {
        return cdb.u8(1) >> 1 & 3;
    }
}
