package io.cistern.volume.image;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.volume.VolumeSpec;
import java.nio.ByteBuffer;

/// The header of a qcow2 image, versions 2 and 3 (QEMU's docs/interop/qcow2.txt), checked.
///
/// ```
///   0 u32 magic "QFI\xfb"     24 u64 size               72 u64 incompatible features (v3)
///   4 u32 version             32 u32 encryption         80 u64 compatible
///   8 u64 backing file        36 u32 L1 entries         88 u64 autoclear
///  16 u32 its name's length   40 u64 L1 offset          96 u32 refcount order
///  20 u32 cluster bits        48 u64 refcount table    100 u32 header length
///                             60 u32 snapshots         104 u8  compression (0 zlib, 1 zstd)
/// ```
///
/// @param zstd whether compressed clusters are zstd frames (RFC 8878) and not raw deflate
record Qcow2Header(
        int version, int clusterBits, long size, int l1Entries, long l1Offset, boolean zstd) {
    static final int MAGIC = 0x514649fb;

    private static final int V2_BYTES = 72;
    private static final int V3_BYTES = 104;
    private static final int MAX_L1_ENTRIES = 4 << 20;

    private static final long DIRTY = 1;
    private static final long CORRUPT = 2;
    private static final long EXTERNAL_DATA = 4;
    private static final long COMPRESSION = 8;
    private static final long EXTENDED_L2 = 16;

    static boolean matches(ImageFile file) {
        return file.length() >= 4 && file.read(0, 4).getInt() == MAGIC;
    }

    /// @throws CisternException INVALID (a feature that is not supported), CORRUPT
    static Qcow2Header read(ImageFile file) {
        ByteBuffer h = file.read(0, V2_BYTES);
        int version = h.getInt(4);
        if (version != 2 && version != 3) {
            throw unsupported(file, "version " + version);
        }
        if (h.getLong(8) != 0) {
            throw unsupported(file, "a backing file");
        }
        if (h.getInt(32) != 0) {
            throw unsupported(file, "encryption");
        }
        boolean zstd = version == 3 && checkFeatures(file);
        Qcow2Header header =
                new Qcow2Header(
                        version, h.getInt(20), h.getLong(24), h.getInt(36), h.getLong(40), zstd);
        header.check(file);
        return header;
    }

    /// @return whether it is compressed by zstd
    private static boolean checkFeatures(ImageFile file) {
        ByteBuffer h = file.read(0, V3_BYTES);
        long features = h.getLong(72);
        if ((features & CORRUPT) != 0) {
            throw damaged(file, "QEMU has marked it as corrupt");
        }
        if ((features & EXTERNAL_DATA) != 0) {
            throw unsupported(file, "an external data file");
        }
        if ((features & EXTENDED_L2) != 0) {
            throw unsupported(file, "extended L2 entries");
        }
        int compression = 0;
        if ((features & COMPRESSION) != 0 && h.getInt(100) > V3_BYTES) {
            compression = file.read(V3_BYTES, 1).get();
            if (compression != 0 && compression != 1) {
                throw unsupported(file, "compression " + compression);
            }
        }
        long unknown = features & ~(DIRTY | CORRUPT | EXTERNAL_DATA | COMPRESSION | EXTENDED_L2);
        if (unknown != 0) {
            throw unsupported(file, "unknown features 0x" + Long.toHexString(unknown));
        }
        return compression == 1;
    }

    private void check(ImageFile file) {
        if (clusterBits < 9 || clusterBits > 21) {
            throw damaged(file, "clusters of 2^" + clusterBits + " bytes");
        }
        if (size < 0 || size > VolumeSpec.MAX_BYTES) {
            throw new CisternException(
                    ErrorCode.INVALID,
                    file.path()
                            + " holds a disk of "
                            + size
                            + " bytes; the largest is "
                            + VolumeSpec.MAX_BYTES);
        }
        long needed = (size + l2Bytes() - 1) / l2Bytes();
        if (l1Entries < needed || l1Entries > MAX_L1_ENTRIES) {
            throw damaged(file, "an L1 table of " + l1Entries + " entries");
        }
        if (l1Entries > 0 && (l1Offset <= 0 || l1Offset % clusterBytes() != 0)) {
            throw damaged(file, "an L1 table at " + l1Offset);
        }
    }

    int clusterBytes() {
        return 1 << clusterBits;
    }

    int l2Entries() {
        return clusterBytes() / 8;
    }

    /// Bytes of the disk that one L2 table covers.
    long l2Bytes() {
        return (long) clusterBytes() * l2Entries();
    }

    static CisternException damaged(ImageFile file, String what) {
        return new CisternException(
                ErrorCode.CORRUPT,
                file.path()
                        + " is a damaged qcow2 image ("
                        + what
                        + "); 'qemu-img check' says more");
    }

    private static CisternException unsupported(ImageFile file, String what) {
        return new CisternException(
                ErrorCode.INVALID,
                file.path()
                        + " is a qcow2 image with "
                        + what
                        + ", which cannot be imported; convert it first: qemu-img convert -O qcow2 "
                        + file.path()
                        + " NEW");
    }
}
