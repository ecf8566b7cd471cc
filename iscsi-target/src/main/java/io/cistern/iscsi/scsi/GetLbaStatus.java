package io.cistern.iscsi.scsi;

import io.cistern.block.BlockDevice.Extent;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/// GET LBA STATUS (SBC-3 5.4): deallocated where there is a hole, mapped elsewhere.
final class GetLbaStatus implements Operation {
    private static final int HEADER_BYTES = 8;
    private static final int DESCRIPTOR_BYTES = 16;
    private static final int MAX_DESCRIPTORS = 256;
    private static final int MAX_EXTENTS = 1024;

    /// A run of blocks with one provisioning status.
    private record Run(long lba, long blocks, boolean mapped) {}

    @Override
    public CompletableFuture<ScsiResult> execute(Request request) {
        LogicalUnit unit = request.unit();
        long lba = request.cdb().u64(2);
        long allocation = request.cdb().u32(10);
        long capacity = unit.capacityBlocks();
        if (Long.compareUnsigned(lba, capacity) >= 0) {
            throw Refusal.of(Condition.LBA_OUT_OF_RANGE);
        }
        long from = lba * unit.blockBytes();
        return unit.device()
                .extents(from, capacity * unit.blockBytes() - from, MAX_EXTENTS)
                .thenApply(extents -> reply(runs(extents, lba, unit.blockBytes()), allocation));
    }

    /// Blocks that lie partly in a hole are mapped.
    private static List<Run> runs(List<Extent> extents, long lba, int blockBytes) {
        List<Run> runs = new ArrayList<>();
        long at = lba * blockBytes;
        long next = lba;
        for (Extent extent : extents) {
            long end = at + extent.length();
            if (extent.kind() == Extent.Kind.HOLE) {
                long first = (at + blockBytes - 1) / blockBytes;
                long last = end / blockBytes;
                if (last > first) {
                    add(runs, next, first, true);
                    add(runs, first, last, false);
                    next = last;
                }
            } else if (end / blockBytes > next) {
                add(runs, next, end / blockBytes, true);
                next = end / blockBytes;
            }
            at = end;
        }
        if (runs.isEmpty()) {
            runs.add(new Run(lba, 1, true));
        }
        return runs;
    }

    private static void add(List<Run> runs, long from, long to, boolean mapped) {
        if (from >= to) {
            return;
        }
        Run last = runs.isEmpty() ? null : runs.getLast();
        if (last != null && last.mapped() == mapped) {
            runs.set(runs.size() - 1, new Run(last.lba(), to - last.lba(), mapped));
        } else {
            runs.add(new Run(from, to - from, mapped));
        }
    }

    private static ScsiResult reply(List<Run> runs, long allocation) {
        long room = Math.max(1, (allocation - HEADER_BYTES) / DESCRIPTOR_BYTES);
        int count = (int) Math.min(Math.min(room, MAX_DESCRIPTORS), runs.size());
        ByteBuffer out = ByteBuffer.allocate(HEADER_BYTES + count * DESCRIPTOR_BYTES);
        out.putInt(out.capacity() - 4).putInt(0);
        for (Run run : runs.subList(0, count)) {
            out.putLong(run.lba());
            out.putInt((int) Math.min(run.blocks(), 0xffffffffL));
            out.put((byte) (run.mapped() ? 0 : 1)).put(new byte[3]);
            if (run.blocks() > 0xffffffffL) {
                break; // the next one would not adjoin
            }
        }
        out.putInt(0, out.position() - 4);
        return Request.reply(out, allocation);
    }
}
