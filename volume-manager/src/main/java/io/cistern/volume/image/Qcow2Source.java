package io.cistern.volume.image;

import io.airlift.compress.zstd.ZstdInputStream;
import io.cistern.block.CisternException;
import io.cistern.volume.Images.Format;
import io.cistern.volume.Images.ImageInfo;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;
import org.jspecify.annotations.Nullable;

/// Reads a qcow2 image: the disk as it is now; internal snapshots are not looked at.
///
/// An L2 entry: bit 62 compressed; else bit 0 reads as zeroes (version 3), bits 9..55 where the
/// cluster is in the file, 0 a hole. Compressed: below bit x = 62 - (cluster bits - 8) the offset,
/// from x on the number of further 512-byte sectors; raw deflate or zstd.
final class Qcow2Source implements ImageSource {
    private static final long OFFSET_MASK = 0x00fffffffffffe00L;
    private static final long COMPRESSED = 1L << 62;
    private static final int MAX_TABLES = 16;

    private final ImageFile file;
    private final Qcow2Header header;
    private final long[] l1;
    private final Map<Integer, long[]> l2 =
            new LinkedHashMap<>(16, 0.75f, true) {
                private static final long serialVersionUID = 1L;

                @Override
                protected boolean removeEldestEntry(Map.Entry<Integer, long[]> eldest) {
                    return size() > MAX_TABLES;
                }
            };

    /// The last compressed cluster read, and what it holds.
    private long inflatedEntry;

    private byte[] inflated = new byte[0];

    /// @throws io.cistern.block.CisternException INVALID, CORRUPT, IO
    Qcow2Source(ImageFile file) {
        this.file = file;
        this.header = Qcow2Header.read(file);
        this.l1 = table(header.l1Offset(), header.l1Entries());
    }

    private long[] table(long offset, int entries) {
        if (offset < 0 || offset + 8L * entries > file.length()) {
            throw Qcow2Header.damaged(
                    file, "truncated: a table at " + offset + " is beyond its end");
        }
        long[] table = new long[entries];
        file.read(offset, 8 * entries).asLongBuffer().get(table);
        return table;
    }

    @Override
    public ImageInfo info() {
        long data = 0;
        for (Data d = next(0); d != null; d = next(d.offset() + d.length())) {
            data += d.length();
        }
        return new ImageInfo(
                Format.QCOW2,
                header.size(),
                data,
                "qcow2 version " + header.version() + ", clusters of " + header.clusterBytes());
    }

    @Override
    public long sizeBytes() {
        return header.size();
    }

    /// The L2 entry of the cluster at `offset`; 0 where there is none or it reads as zeroes.
    private long entry(long offset) {
        int index = (int) (offset / header.l2Bytes());
        long at = l1[index] & OFFSET_MASK;
        if (at == 0) {
            return 0;
        }
        long[] table = l2.get(index);
        if (table == null) {
            table = table(at, header.l2Entries());
            l2.put(index, table);
        }
        long entry = table[(int) (offset % header.l2Bytes() >>> header.clusterBits())];
        boolean zero = (entry & COMPRESSED) == 0 && header.version() == 3 && (entry & 1) != 0;
        return zero ? 0 : (entry & COMPRESSED) != 0 ? entry : entry & OFFSET_MASK;
    }

    @Override
    public @Nullable Data next(long offset) {
        long cluster = header.clusterBytes();
        long at = offset;
        while (at < header.size() && entry(at) == 0) {
            boolean noTable = (l1[(int) (at / header.l2Bytes())] & OFFSET_MASK) == 0;
            long step = noTable ? header.l2Bytes() : cluster;
            at = (at / step + 1) * step;
        }
        if (at >= header.size()) {
            return null;
        }
        long end = at;
        while (end < header.size() && entry(end) != 0) {
            end = (end / cluster + 1) * cluster;
        }
        return new Data(at, Math.min(end, header.size()) - at);
    }

    @Override
    public void read(long offset, ByteBuffer dst) {
        int cluster = header.clusterBytes();
        long at = offset;
        while (dst.hasRemaining()) {
            int within = (int) (at % cluster);
            int length = Math.min(cluster - within, dst.remaining());
            readCluster(entry(at), within, dst.slice(dst.position(), length));
            dst.position(dst.position() + length);
            at += length;
        }
    }

    private void readCluster(long entry, int within, ByteBuffer dst) {
        if (entry == 0) {
            while (dst.hasRemaining()) {
                dst.put((byte) 0);
            }
        } else if ((entry & COMPRESSED) != 0) {
            dst.put(inflate(entry), within, dst.remaining());
        } else {
            file.read(entry + within, dst);
        }
    }

    private byte[] inflate(long entry) {
        if (entry == inflatedEntry) {
            return inflated;
        }
        int x = 62 - (header.clusterBits() - 8);
        long offset = entry & ((1L << x) - 1);
        long sectors = entry >>> x & ((1L << (header.clusterBits() - 8)) - 1);
        long length = (sectors + 1) * 512 - offset % 512;
        int available = (int) Math.min(length, file.length() - offset);
        if (available <= 0) {
            throw Qcow2Header.damaged(file, "truncated: a compressed cluster is beyond its end");
        }
        ByteBuffer packed = file.read(offset, available);
        byte[] out = header.zstd() ? zstd(packed) : deflate(packed);
        inflated = out;
        inflatedEntry = entry;
        return out;
    }

    private byte[] deflate(ByteBuffer packed) {
        byte[] out = new byte[header.clusterBytes()];
        Inflater inflater = new Inflater(true);
        try {
            inflater.setInput(packed);
            int got = 0;
            while (got < out.length && !inflater.finished() && !inflater.needsInput()) {
                got += inflater.inflate(out, got, out.length - got);
            }
            if (got < out.length) {
                throw Qcow2Header.damaged(file, "a compressed cluster ends early");
            }
            return out;
        } catch (DataFormatException e) {
            throw Qcow2Header.damaged(file, "a compressed cluster: " + e.getMessage());
        } finally {
            inflater.end();
        }
    }

    /// What follows the frame in its last sector is not looked at.
    private byte[] zstd(ByteBuffer packed) {
        int frameBytes = ZstdFrame.length(packed);
        if (frameBytes < 0) {
            throw Qcow2Header.damaged(file, "a compressed cluster holds no whole zstd frame");
        }
        ByteArrayInputStream in =
                new ByteArrayInputStream(
                        packed.array(), packed.arrayOffset() + packed.position(), frameBytes);
        try (ZstdInputStream frame = new ZstdInputStream(in)) {
            byte[] out = frame.readNBytes(header.clusterBytes());
            if (out.length < header.clusterBytes()) {
                throw Qcow2Header.damaged(file, "a compressed cluster ends early");
            }
            return out;
        } catch (CisternException e) {
            throw e;
        } catch (IOException | RuntimeException e) {
            throw Qcow2Header.damaged(file, "a compressed cluster: " + e.getMessage());
        }
    }

    @Override
    public void close() {
        file.close();
    }
}
