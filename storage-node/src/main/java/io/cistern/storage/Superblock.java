package io.cistern.storage;

import io.cistern.block.CisternException;
import io.cistern.block.Crc32c;
import io.cistern.block.ErrorCode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/// What a disk is and whose: the file `cistern.disk`.
///
/// ```
/// file := copy copy                                  at 0 and 4096
/// copy := "CISTDISK" version:u32 (1) cluster:u128 disk:u128 extentBytes:i64 created:i64
///         node:string zeroes crc32c:u32              512 bytes; the checksum covers the first 508
/// ```
///
/// Magic, version and checksum stay where they are in every version, so that a format too old or
/// too new is told from a damaged one. One sound copy is enough; the other is then written anew.
record Superblock(UUID cluster, UUID disk, String node, long extentBytes, long createdMillis) {
    static final String FILE = "cistern.disk";

    /// Version written, and the newest read.
    static final int VERSION = 1;

    /// Oldest version read.
    static final int OLDEST = 1;

    static final int COPY_BYTES = 512;
    static final int STRIDE = 4096;

    private static final long MAGIC = 0x434953544449534BL;
    private static final int CRC_AT = COPY_BYTES - 4;

    ByteBuffer encode() {
        ByteBuffer out = ByteBuffer.allocate(COPY_BYTES);
        out.putLong(MAGIC).putInt(VERSION);
        out.putLong(cluster.getMostSignificantBits()).putLong(cluster.getLeastSignificantBits());
        out.putLong(disk.getMostSignificantBits()).putLong(disk.getLeastSignificantBits());
        out.putLong(extentBytes).putLong(createdMillis);
        Bytes.putString(out, node);
        return out.putInt(CRC_AT, Crc32c.of(out.slice(0, CRC_AT))).clear();
    }

    /// Writes both copies, durably.
    void write(FileChannel channel) throws IOException {
        writeCopy(channel, 0);
        writeCopy(channel, 1);
        channel.force(true);
    }

    private void writeCopy(FileChannel channel, int copy) throws IOException {
        ByteBuffer out = encode();
        while (out.hasRemaining()) {
            channel.write(out, (long) copy * STRIDE + out.position());
        }
    }

    /// Reads the superblock and mends a damaged copy.
    ///
    /// @throws CisternException CORRUPT: neither copy is sound; INVALID: too old or too new
    static Superblock read(FileChannel channel, Path path) throws IOException {
        Superblock found = null;
        boolean mend = false;
        for (int copy = 0; copy < 2; copy++) {
            Superblock one = readCopy(channel, copy, path);
            found = found == null ? one : found;
            mend |= one == null;
        }
        if (found == null) {
            throw new CisternException(
                    ErrorCode.CORRUPT,
                    path
                            + " is corrupt: no copy of the superblock is sound; rebuild the disk"
                            + " from its peers");
        }
        if (mend) {
            found.write(channel);
        }
        return found;
    }

    private static @Nullable Superblock readCopy(FileChannel channel, int copy, Path path)
            throws IOException {
        ByteBuffer in = ByteBuffer.allocate(COPY_BYTES);
        while (in.hasRemaining()) {
            if (channel.read(in, (long) copy * STRIDE + in.position()) < 0) {
                return null;
            }
        }
        in.flip();
        if (in.getLong(0) != MAGIC || in.getInt(CRC_AT) != Crc32c.of(in.slice(0, CRC_AT))) {
            return null;
        }
        int version = in.getInt(8);
        if (version > VERSION || version < OLDEST) {
            throw new CisternException(
                    ErrorCode.INVALID,
                    version > VERSION
                            ? path
                                    + " has disk format "
                                    + version
                                    + ", too new: this program reads up to "
                                    + VERSION
                                    + "; upgrade it"
                            : path
                                    + " has disk format "
                                    + version
                                    + ", too old: this program reads from "
                                    + OLDEST
                                    + " on; upgrade in steps");
        }
        Bytes body = new Bytes(in.position(12), "superblock " + path, ErrorCode.CORRUPT);
        UUID cluster = new UUID(body.i64(), body.i64());
        UUID disk = new UUID(body.i64(), body.i64());
        long extentBytes = body.i64();
        long created = body.i64();
        return new Superblock(cluster, disk, body.string(), extentBytes, created);
    }
}
