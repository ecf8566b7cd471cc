package io.cistern.raft;

import io.cistern.block.Crc32c;
import io.cistern.block.DurableFiles;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The file `committed` in a replica's directory: an index up to which all was committed, and
/// durable here, when it was written. A log that ends before it, where the state does as well, has
/// lost what this replica had acknowledged, however much its end looks like a write that was cut
/// off. All numbers are big-endian.
///
/// ```
/// file     = magic version index checksum
/// magic    = u32  0x4353434D, "CSCM"
/// version  = u16  1
/// index    = u64  the index
/// checksum = u32  CRC32C of all before it
/// ```
///
/// Committed entries are never replaced, so it stays true. It is a witness, and nothing rests on
/// its being there: a missing or unreadable one says nothing.
final class CommittedFile {
    private static final Logger log = LoggerFactory.getLogger(CommittedFile.class);

    static final String NAME = "committed";
    private static final int MAGIC = 0x4353434D;
    private static final short VERSION = 1;
    private static final int BYTES = 18;

    private CommittedFile() {}

    static byte[] encode(long index) {
        ByteBuffer file = ByteBuffer.allocate(BYTES);
        file.putInt(MAGIC).putShort(VERSION).putLong(index);
        return file.putInt(Crc32c.of(file.array(), 0, file.position())).array();
    }

    /// The index; -1 where the bytes say none.
    static long decode(byte[] bytes) {
        if (bytes.length != BYTES) {
            return -1;
        }
        ByteBuffer file = ByteBuffer.wrap(bytes);
        boolean ours = file.getInt() == MAGIC && file.getShort() == VERSION;
        long index = file.getLong();
        boolean whole = file.getInt() == Crc32c.of(bytes, 0, BYTES - Integer.BYTES);
        return ours && whole ? Math.max(index, -1) : -1;
    }

    /// The index that the file in `directory` names; -1 if there is none.
    static long read(Path directory) throws IOException {
        Path path = directory.resolve(NAME);
        try {
            long index = decode(Files.readAllBytes(path));
            if (index < 0) {
                log.warn("{} cannot be read, going on without it", path);
            }
            return index;
        } catch (NoSuchFileException e) {
            return -1;
        }
    }

    /// Replaces the file, durably.
    static void write(Path directory, long index) throws IOException {
        DurableFiles.replace(directory.resolve(NAME), encode(index));
    }
}
