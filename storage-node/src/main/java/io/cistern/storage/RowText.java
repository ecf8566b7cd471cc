package io.cistern.storage;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/// Says in words what a row of a share is about, see `io.cistern.block.fs.engine.RowKeys`.
final class RowText {
    private RowText() {}

    /// @param key within its branch or volume
    static String of(byte[] key) {
        char kind = key.length == 0 ? 0 : (char) key[0];
        return switch (kind) {
            case 'S' -> "the share's counters";
            case 'I' -> "inode " + number(key);
            case 'D' -> "the entry \"" + name(key) + "\" of directory inode " + number(key);
            case 'C' -> "a position in the listing of directory inode " + number(key);
            case 'L' -> "the symbolic link inode " + number(key);
            case 'X' -> "the extended attribute \"" + name(key) + "\" of inode " + number(key);
            case 'P' -> "the unlinked file inode " + number(key);
            case 'R' -> "where a large file's data is (map " + number(key) + ")";
            case 'B' -> "which blocks of data space chunk " + number(key) + " are used";
            case 'N', 'F' -> "free extents of data space";
            case 'G', 'H' -> "data space to be emptied";
            case 'r' -> "the share's settings";
            case 's' -> "the totals of the share's open files";
            case 'k' -> "a value of the front end's";
            case 'o' -> "a remembered reply to client " + number(key);
            case 'h', 'c' -> "an open file";
            default -> "a row of kind " + (int) kind;
        };
    }

    private static String number(byte[] key) {
        return key.length < 9 ? "?" : Long.toUnsignedString(ByteBuffer.wrap(key).getLong(1));
    }

    private static String name(byte[] key) {
        int length = Math.max(0, Math.min(key.length - 10, 64));
        return length == 0 ? "" : new String(key, 9, length, StandardCharsets.UTF_8);
    }
}
