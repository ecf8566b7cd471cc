package io.cistern.storage;

import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// A stretch of the rows of a group's shares, as of a [StoreExport]'s position: every row with
/// `after < key <= last`.
///
/// @param after null: from the first row on
/// @param last null: up to the end; the last page
/// @param digest of the rows' keys and values: equal digests, equal rows
/// @param rows null where the page only tells the digest
public record FilePage(
        byte @Nullable [] after,
        byte @Nullable [] last,
        long digest,
        @Nullable List<FileRow> rows) {
    /// A row as it is stored, its group left out of account.
    public record FileRow(byte[] key, byte[] value) {}

    /// True where no page follows.
    public boolean end() {
        return last == null;
    }

    /// Adds rows up to a page's digest.
    static final class Digest {
        private final MessageDigest sum;

        Digest() {
            try {
                sum = MessageDigest.getInstance("SHA-256");
            } catch (NoSuchAlgorithmException e) {
                throw new IllegalStateException("every Java has SHA-256", e);
            }
        }

        void add(byte[] key, byte[] value) {
            sum.update(ByteBuffer.allocate(8).putInt(key.length).putInt(value.length).array());
            sum.update(key, Long.BYTES, key.length - Long.BYTES);
            sum.update(value);
        }

        long value() {
            return ByteBuffer.wrap(sum.digest()).getLong();
        }
    }
}
