package io.cistern.volume.image;

import java.nio.ByteBuffer;
import java.util.Arrays;

/// Writes a qcow2 image, version 3, clusters of 64 KiB, nothing compressed.
///
/// ```
/// header | data clusters and L2 tables as they come | L1 | refcount table | refcount blocks
/// ```
///
/// Every cluster up to the end is in use exactly once. The header comes last: until then the file
/// is no image.
final class Qcow2Sink implements ImageSink {
    private static final int CLUSTER_BITS = 16;
    private static final int CLUSTER = 1 << CLUSTER_BITS;
    private static final int L2_ENTRIES = CLUSTER / 8;
    private static final long L2_BYTES = (long) CLUSTER * L2_ENTRIES;

    /// Refcounts are 16 bits wide.
    private static final int REFCOUNT_ORDER = 4;

    private static final int REFCOUNTS_PER_BLOCK = CLUSTER / 2;
    private static final long COPIED = 1L << 63;
    private static final int HEADER_BYTES = 104;

    private final ImageFile file;
    private final long size;
    private final long[] l1;
    private final long[] l2 = new long[L2_ENTRIES];
    private int table = -1;
    private long clusters = 1;

    Qcow2Sink(ImageFile file, long size) {
        this.file = file;
        this.size = size;
        this.l1 = new long[(int) Math.max(1, (size + L2_BYTES - 1) / L2_BYTES)];
    }

    private long allocate(long count) {
        long offset = clusters * CLUSTER;
        clusters += count;
        return offset;
    }

    @Override
    public void write(long offset, ByteBuffer data) {
        int index = (int) (offset / L2_BYTES);
        if (index != table) {
            storeTable();
            table = index;
        }
        ByteBuffer whole = data;
        if (data.remaining() < CLUSTER) {
            whole = ByteBuffer.allocate(CLUSTER).put(data).rewind();
        }
        long at = allocate(1);
        file.write(at, whole);
        l2[(int) (offset % L2_BYTES / CLUSTER)] = at | COPIED;
    }

    private void storeTable() {
        if (table < 0) {
            return;
        }
        long at = allocate(1);
        file.write(at, bytes(l2, CLUSTER));
        l1[table] = at | COPIED;
        Arrays.fill(l2, 0);
    }

    private static ByteBuffer bytes(long[] entries, long bytes) {
        ByteBuffer out = ByteBuffer.allocate((int) bytes);
        out.asLongBuffer().put(entries);
        return out;
    }

    private static long up(long value, long unit) {
        return (value + unit - 1) / unit;
    }

    @Override
    public void finish() {
        storeTable();
        table = -1;
        long l1Clusters = up(8L * l1.length, CLUSTER);
        long l1Offset = allocate(l1Clusters);
        file.write(l1Offset, bytes(l1, l1Clusters * CLUSTER));
        long blocks = 0;
        long tableClusters = 0;
        long total;
        do {
            total = clusters + tableClusters + blocks;
            blocks = up(total, REFCOUNTS_PER_BLOCK);
            tableClusters = up(8 * blocks, CLUSTER);
        } while (total < clusters + tableClusters + blocks);
        long tableOffset = allocate(tableClusters);
        long firstBlock = allocate(blocks);
        long[] blockOffsets = new long[(int) blocks];
        for (int i = 0; i < blocks; i++) {
            blockOffsets[i] = firstBlock + (long) i * CLUSTER;
            file.write(blockOffsets[i], refcounts((long) i * REFCOUNTS_PER_BLOCK, total));
        }
        file.write(tableOffset, bytes(blockOffsets, tableClusters * CLUSTER));
        file.force();
        file.write(0, header(l1Offset, tableOffset, (int) tableClusters));
        file.force();
    }

    private static ByteBuffer refcounts(long first, long total) {
        ByteBuffer block = ByteBuffer.allocate(CLUSTER);
        for (int i = 0; i < REFCOUNTS_PER_BLOCK && first + i < total; i++) {
            block.putShort(2 * i, (short) 1);
        }
        return block;
    }

    private ByteBuffer header(long l1Offset, long refcountTable, int refcountClusters) {
        ByteBuffer h = ByteBuffer.allocate(CLUSTER);
        h.putInt(0, Qcow2Header.MAGIC).putInt(4, 3).putInt(20, CLUSTER_BITS).putLong(24, size);
        h.putInt(36, l1.length).putLong(40, l1Offset);
        h.putLong(48, refcountTable).putInt(56, refcountClusters);
        h.putInt(96, REFCOUNT_ORDER).putInt(100, HEADER_BYTES);
        return h;
    }

    @Override
    public void close() {
        file.close();
    }
}
