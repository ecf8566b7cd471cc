package io.cistern.iscsi.scsi;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/// UNMAP (SBC-3 5.28). All of the parameter list is checked before anything is unmapped. What is
/// unmapped reads as zeroes, to the block.
final class Unmap implements Operation {
    /// MAXIMUM UNMAP LBA COUNT.
    static final long MAX_BLOCKS = 1 << 20;

    /// MAXIMUM UNMAP BLOCK DESCRIPTOR COUNT.
    static final int MAX_DESCRIPTORS = 256;

    private static final int HEADER_BYTES = 8;
    private static final int DESCRIPTOR_BYTES = 16;

    @Override
    public long dataOutLength(Cdb cdb, LogicalUnit unit) {
        return cdb.u16(7);
    }

    @Override
    public CompletableFuture<ScsiResult> execute(Request request) {
        int listBytes = request.cdb().u16(7);
        if (listBytes == 0) {
            return CompletableFuture.completedFuture(ScsiResult.good());
        }
        LogicalUnit unit = request.unit();
        List<BlockRange> ranges = parse(request.dataOut(listBytes), unit);
        return Steps.run(
                        ranges.size(),
                        1,
                        (at, one) -> {
                            BlockRange range = ranges.get((int) at);
                            return request.io().zero(range.offset(unit), range.bytes(unit), true);
                        })
                .thenApply(done -> ScsiResult.good());
    }

    private static List<BlockRange> parse(ByteBuffer list, LogicalUnit unit) {
        if (list.remaining() < HEADER_BYTES) {
            throw Refusal.of(Condition.PARAMETER_LIST_LENGTH_ERROR);
        }
        int descriptorBytes = list.getShort(2) & 0xffff;
        if (descriptorBytes > list.remaining() - HEADER_BYTES) {
            throw Refusal.of(Condition.PARAMETER_LIST_LENGTH_ERROR);
        }
        int count = descriptorBytes / DESCRIPTOR_BYTES;
        if (count > MAX_DESCRIPTORS) {
            throw Refusal.parameter(2, -1);
        }
        List<BlockRange> ranges = new ArrayList<>(count);
        long total = 0;
        for (int i = 0; i < count; i++) {
            int at = HEADER_BYTES + i * DESCRIPTOR_BYTES;
            long blocks = list.getInt(at + 8) & 0xffffffffL;
            BlockRange range =
                    new BlockRange(list.getLong(at), blocks, 0).check(unit, Long.MAX_VALUE);
            total += blocks;
            if (total > MAX_BLOCKS) {
                throw Refusal.parameter(at + 8, -1);
            }
            if (blocks > 0) {
                add(ranges, range);
            }
        }
        return ranges;
    }

    /// Initiators list what adjoins block by block; it is one step all the same.
    private static void add(List<BlockRange> ranges, BlockRange next) {
        BlockRange last = ranges.isEmpty() ? null : ranges.getLast();
        if (last != null && last.lba() + last.blocks() == next.lba()) {
            ranges.set(
                    ranges.size() - 1,
                    new BlockRange(last.lba(), last.blocks() + next.blocks(), last.lengthAt()));
        } else {
            ranges.add(next);
        }
    }
}
