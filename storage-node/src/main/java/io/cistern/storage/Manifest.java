package io.cistern.storage;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;

/// The file in which RocksDB keeps what files a map has: a log of blocks of 32 KiB, in them records
/// with a header of CRC, length (16 bits, little-endian) and type.
///
/// RocksDB (11.8) reads for ever where the type of a record there is one of those that are for
/// write-ahead logs in recycled files: one flipped bit makes such a type of a usual one. So types
/// are looked at before it is opened; all other damage it finds itself.
final class Manifest {
    private static final int BLOCK_BYTES = 32 << 10;
    private static final int HEADER_BYTES = 7;

    /// Whole, first, middle and last parts; 0 is what has not been written yet.
    private static final int LAST_TYPE = 4;

    private Manifest() {}

    /// @param map RocksDB's folder
    /// @throws CisternException CORRUPT
    static void check(Path map) {
        try {
            // Byte for byte: it may be damaged as well.
            byte[] current = Files.readAllBytes(map.resolve("CURRENT"));
            String name = new String(current, StandardCharsets.ISO_8859_1).strip();
            if (name.matches("MANIFEST-[0-9]{1,20}") && Files.exists(map.resolve(name))) {
                check(map, map.resolve(name));
            }
        } catch (NoSuchFileException e) {
            // RocksDB says what is missing.
        } catch (IOException e) {
            throw new CisternException(ErrorCode.IO, "map " + map + " cannot be read: " + e, e);
        }
    }

    private static void check(Path map, Path manifest) throws IOException {
        byte[] all = Files.readAllBytes(manifest);
        for (int block = 0; block < all.length; block += BLOCK_BYTES) {
            byte[] bytes =
                    Arrays.copyOfRange(all, block, Math.min(all.length, block + BLOCK_BYTES));
            for (int at = 0; at + HEADER_BYTES <= bytes.length; ) {
                int length = bytes[at + 4] & 0xff | (bytes[at + 5] & 0xff) << 8;
                int type = bytes[at + 6] & 0xff;
                if (type > LAST_TYPE) {
                    throw new CisternException(
                            ErrorCode.CORRUPT,
                            String.format(
                                    "map %s cannot be opened: %s has a record of type %d at %d",
                                    map, manifest.getFileName(), type, block + at));
                }
                at += HEADER_BYTES + length;
            }
        }
    }
}
