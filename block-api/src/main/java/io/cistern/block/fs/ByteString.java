package io.cistern.block.fs;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/// Immutable bytes: a file's name, a symbolic link's text, a key. Names are what the client sent,
/// in no particular character set; two names are the same where their bytes are. Ordered as
/// unsigned bytes.
public final class ByteString implements Comparable<ByteString> {
    public static final ByteString EMPTY = new ByteString(new byte[0]);

    private final byte[] bytes;

    private ByteString(byte[] bytes) {
        this.bytes = bytes;
    }

    /// A copy of `bytes`.
    public static ByteString of(byte... bytes) {
        return new ByteString(bytes.clone());
    }

    /// A copy of the buffer's remaining bytes; its position is not changed.
    public static ByteString copyOf(ByteBuffer buffer) {
        byte[] bytes = new byte[buffer.remaining()];
        buffer.get(buffer.position(), bytes);
        return new ByteString(bytes);
    }

    /// The text in UTF-8.
    public static ByteString utf8(String text) {
        return new ByteString(text.getBytes(StandardCharsets.UTF_8));
    }

    public int length() {
        return bytes.length;
    }

    public boolean isEmpty() {
        return bytes.length == 0;
    }

    public byte at(int index) {
        return bytes[index];
    }

    /// Whether one of the bytes is `wanted`.
    public boolean contains(int wanted) {
        for (byte b : bytes) {
            if (b == (byte) wanted) {
                return true;
            }
        }
        return false;
    }

    public boolean startsWith(ByteString prefix) {
        return bytes.length >= prefix.bytes.length
                && Arrays.mismatch(bytes, 0, prefix.bytes.length, prefix.bytes, 0, prefix.length())
                        < 0;
    }

    /// A copy of the bytes.
    public byte[] toByteArray() {
        return bytes.clone();
    }

    /// The bytes, read only.
    public ByteBuffer buffer() {
        return ByteBuffer.wrap(bytes).asReadOnlyBuffer();
    }

    /// Appends the bytes at `dst`'s position.
    public void putTo(ByteBuffer dst) {
        dst.put(bytes);
    }

    @Override
    public int compareTo(ByteString other) {
        return Arrays.compareUnsigned(bytes, other.bytes);
    }

    @Override
    public boolean equals(Object o) {
        return o instanceof ByteString b && Arrays.equals(bytes, b.bytes);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(bytes);
    }

    /// For people: as UTF-8 with what is not printable replaced.
    @Override
    public String toString() {
        String text = new String(bytes, StandardCharsets.UTF_8);
        StringBuilder out = new StringBuilder(text.length());
        text.codePoints()
                .forEach(c -> out.appendCodePoint(Character.isISOControl(c) ? '\uFFFD' : c));
        return out.toString();
    }
}
