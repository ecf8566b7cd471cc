package io.cistern.block.fs.engine;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.fs.ByteString;
import io.cistern.block.fs.FileId;
import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/// Takes a row or a message apart; every length is checked before it is believed.
final class ByteReader {
    private final ByteBuffer in;
    private final String what;
    private final ErrorCode code;

    /// @param code of the failure where the bytes are not what they should be
    ByteReader(ByteBuffer in, String what, ErrorCode code) {
        this.in = in.duplicate();
        this.what = what;
        this.code = code;
    }

    /// A stored row.
    static ByteReader row(byte[] row, String what) {
        return new ByteReader(ByteBuffer.wrap(row), what, ErrorCode.CORRUPT);
    }

    CisternException bad(String why) {
        return new CisternException(
                code, "a " + what + " is not well-formed at byte " + in.position() + ": " + why);
    }

    private void need(int bytes) {
        if (bytes < 0 || in.remaining() < bytes) {
            throw bad("too short");
        }
    }

    int u8() {
        need(1);
        return in.get() & 0xff;
    }

    boolean flag() {
        int value = u8();
        if (value > 1) {
            throw bad("flag " + value);
        }
        return value == 1;
    }

    int u16() {
        need(2);
        return in.getShort() & 0xffff;
    }

    int i32() {
        need(4);
        return in.getInt();
    }

    long i64() {
        need(8);
        return in.getLong();
    }

    FileId id() {
        return new FileId(i64(), i64(), i32());
    }

    /// A count, at most `max`.
    int count(int max) {
        int value = i32();
        if (value < 0 || value > max) {
            throw bad("count " + value + " where at most " + max + " may be");
        }
        return value;
    }

    <T extends Enum<T>> T choice(T[] values) {
        int value = u8();
        if (value >= values.length) {
            throw bad("choice " + value);
        }
        return values[value];
    }

    ByteString bytes(int max) {
        int length = count(max);
        need(length);
        ByteString value = ByteString.copyOf(in.slice(in.position(), length));
        in.position(in.position() + length);
        return value;
    }

    @Nullable ByteString optionalBytes(int max) {
        return flag() ? bytes(max) : null;
    }

    @Nullable Long optionalLong() {
        return flag() ? (Long) i64() : null;
    }

    @Nullable Integer optionalInt() {
        return flag() ? (Integer) i32() : null;
    }

    /// The rest, not copied.
    ByteBuffer rest() {
        ByteBuffer rest = in.slice();
        in.position(in.limit());
        return rest;
    }

    /// The next bytes, not copied.
    ByteBuffer slice(int length) {
        need(length);
        ByteBuffer part = in.slice(in.position(), length);
        in.position(in.position() + length);
        return part;
    }

    void version(int expected) {
        int version = u8();
        if (version != expected) {
            throw bad(
                    "version "
                            + version
                            + (version > expected ? " is too new" : " is too old")
                            + ", "
                            + expected
                            + " is read");
        }
    }

    void end() {
        if (in.hasRemaining()) {
            throw bad(in.remaining() + " bytes too many");
        }
    }
}
