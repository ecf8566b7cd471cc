package io.cistern.block.fs.engine;

import io.cistern.block.fs.ByteString;
import io.cistern.block.fs.FileId;
import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/// Builds a row or a message, big-endian.
final class ByteWriter {
    private ByteBuffer out = ByteBuffer.allocate(256);

    private ByteBuffer room(int bytes) {
        if (out.remaining() < bytes) {
            ByteBuffer larger =
                    ByteBuffer.allocate(Math.max(out.capacity() * 2, out.position() + bytes));
            out = larger.put(out.flip());
        }
        return out;
    }

    ByteWriter u8(int value) {
        room(1).put((byte) value);
        return this;
    }

    ByteWriter flag(boolean value) {
        return u8(value ? 1 : 0);
    }

    ByteWriter u16(int value) {
        room(2).putShort((short) value);
        return this;
    }

    ByteWriter i32(int value) {
        room(4).putInt(value);
        return this;
    }

    ByteWriter i64(long value) {
        room(8).putLong(value);
        return this;
    }

    ByteWriter id(FileId id) {
        return i64(id.snapshot()).i64(id.inode()).i32(id.generation());
    }

    /// Bytes behind their length (u32).
    ByteWriter bytes(ByteString value) {
        i32(value.length());
        value.putTo(room(value.length()));
        return this;
    }

    /// A flag, and the bytes where they are there.
    ByteWriter optional(@Nullable ByteString value) {
        return value == null ? u8(0) : u8(1).bytes(value);
    }

    ByteWriter optional(@Nullable Long value) {
        return value == null ? u8(0) : u8(1).i64(value);
    }

    ByteWriter optional(@Nullable Integer value) {
        return value == null ? u8(0) : u8(1).i32(value);
    }

    ByteWriter raw(byte[] value) {
        room(value.length).put(value);
        return this;
    }

    ByteWriter raw(ByteBuffer value) {
        room(value.remaining()).put(value.duplicate());
        return this;
    }

    byte[] array() {
        byte[] bytes = new byte[out.position()];
        out.get(0, bytes);
        return bytes;
    }

    /// What was written; the writer is used up.
    ByteBuffer buffer() {
        return out.flip();
    }
}
