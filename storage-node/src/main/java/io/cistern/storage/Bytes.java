package io.cistern.storage;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;

/// Reads the primitive parts of a format, big-endian, checking each against what is left; and
/// writes those that ByteBuffer has no method for.
final class Bytes {
    /// Longest string in a format, in UTF-8 bytes.
    static final int MAX_STRING = 255;

    private final ByteBuffer src;
    private final String what;
    private final ErrorCode code;

    /// @param what names the format in errors
    /// @param code of the errors
    Bytes(ByteBuffer src, String what, ErrorCode code) {
        this.src = src;
        this.what = what;
        this.code = code;
    }

    CisternException bad(String why) {
        return new CisternException(code, what + " is malformed: " + why);
    }

    void need(int bytes) {
        if (bytes < 0 || src.remaining() < bytes) {
            throw bad(bytes + " bytes expected, " + src.remaining() + " left");
        }
    }

    int u8() {
        need(1);
        return src.get() & 0xff;
    }

    int u16() {
        need(2);
        return src.getShort() & 0xffff;
    }

    int i32() {
        need(4);
        return src.getInt();
    }

    long i64() {
        need(8);
        return src.getLong();
    }

    boolean flag() {
        int value = u8();
        if (value > 1) {
            throw bad("flag " + value);
        }
        return value == 1;
    }

    /// An unsigned number in groups of 7 bits, the lowest first.
    long varint() {
        long value = 0;
        for (int shift = 0; shift < 63; shift += 7) {
            int b = u8();
            value |= (long) (b & 0x7f) << shift;
            if (b < 0x80) {
                return value;
            }
        }
        throw bad("number too long");
    }

    String string() {
        int length = u16();
        if (length > MAX_STRING) {
            throw bad("string of " + length);
        }
        try {
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .onMalformedInput(CodingErrorAction.REPORT)
                    .onUnmappableCharacter(CodingErrorAction.REPORT)
                    .decode(slice(length))
                    .toString();
        } catch (CharacterCodingException e) {
            throw new CisternException(code, what + " is malformed: not UTF-8", e);
        }
    }

    ByteBuffer slice(int bytes) {
        need(bytes);
        ByteBuffer part = src.slice(src.position(), bytes);
        src.position(src.position() + bytes);
        return part;
    }

    byte[] array(int bytes) {
        need(bytes);
        byte[] part = new byte[bytes];
        src.get(part);
        return part;
    }

    int remaining() {
        return src.remaining();
    }

    void end() {
        if (src.hasRemaining()) {
            throw bad(src.remaining() + " bytes too many");
        }
    }

    static int size(String text) {
        return 2 + encode(text).remaining();
    }

    static void putString(ByteBuffer dst, String text) {
        ByteBuffer utf8 = encode(text);
        if (utf8.remaining() > MAX_STRING) {
            throw new CisternException(
                    ErrorCode.INVALID,
                    "a text of " + utf8.remaining() + " bytes is too long: at most " + MAX_STRING);
        }
        dst.putShort((short) utf8.remaining()).put(utf8);
    }

    private static ByteBuffer encode(String text) {
        try {
            return StandardCharsets.UTF_8
                    .newEncoder()
                    .onMalformedInput(CodingErrorAction.REPORT)
                    .encode(CharBuffer.wrap(text));
        } catch (CharacterCodingException e) {
            throw new CisternException(ErrorCode.INVALID, "text is not valid Unicode", e);
        }
    }

    static void putVarint(ByteBuffer dst, long value) {
        long rest = value;
        while (rest >= 0x80) {
            dst.put((byte) (rest | 0x80));
            rest >>>= 7;
        }
        dst.put((byte) rest);
    }
}
