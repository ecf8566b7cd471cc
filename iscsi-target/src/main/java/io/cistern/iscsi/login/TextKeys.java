package io.cistern.iscsi.login;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;

/// `key=value` pairs, each ended by a NUL (RFC 7143 6.1). Keys are unique within one text.
public final class TextKeys {
    /// Longest key name (RFC 7143 6.1).
    public static final int MAX_KEY_CHARS = 63;

    /// Longest value on the wire: 255 bytes for plain values, and binary ones of up to 1,024 bytes
    /// in hexadecimal (12.1.3) need 2,050.
    public static final int MAX_VALUE_BYTES = 2_050;

    /// More pairs than all known keys together; a longer text is an attack or a mistake. So many
    /// keys of the longest name that are not understood fit, answered, into the 8,192 bytes of one
    /// login response.
    static final int MAX_PAIRS = 96;

    private TextKeys() {}

    /// Reads the whole of `text`, UTF-8. A missing NUL at the end is forgiven, and so are further
    /// NULs after a pair, which old initiators send as padding.
    ///
    /// @throws IllegalArgumentException what is wrong
    public static Map<String, String> parse(ByteBuf text) {
        Map<String, String> pairs = new LinkedHashMap<>();
        while (text.isReadable()) {
            int length = text.bytesBefore((byte) 0);
            ByteBuf pair = text.readSlice(length < 0 ? text.readableBytes() : length);
            if (length >= 0) {
                text.skipBytes(1);
            }
            if (pair.isReadable()) {
                add(pairs, pair);
            }
        }
        return pairs;
    }

    private static void add(Map<String, String> pairs, ByteBuf pair) {
        int equals = pair.bytesBefore((byte) '=');
        if (equals <= 0 || equals > MAX_KEY_CHARS) {
            throw new IllegalArgumentException("a text without a key of 1 to 63 characters");
        }
        String key = pair.readCharSequence(equals, StandardCharsets.ISO_8859_1).toString();
        if (!isKey(key)) {
            throw new IllegalArgumentException("a key with a character that keys must not have");
        }
        pair.skipBytes(1);
        if (pair.readableBytes() > MAX_VALUE_BYTES) {
            throw new IllegalArgumentException(
                    key + " has a value of " + pair.readableBytes() + " bytes");
        }
        if (pairs.size() == MAX_PAIRS) {
            throw new IllegalArgumentException("more than " + MAX_PAIRS + " keys");
        }
        if (pairs.putIfAbsent(key, utf8(key, pair.nioBuffer())) != null) {
            throw new IllegalArgumentException(key + " is there twice");
        }
    }

    private static String utf8(String key, ByteBuffer bytes) {
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(bytes).toString();
        } catch (CharacterCodingException e) {
            throw new IllegalArgumentException(key + " has a value that is not UTF-8", e);
        }
    }

    /// RFC 7143 6.1: a letter, then letters, digits and `-.+@_`. It should be a capital, but
    /// iSCSIProtocolLevel is a key too.
    private static boolean isKey(String key) {
        for (int i = 0; i < key.length(); i++) {
            char c = key.charAt(i);
            boolean letter = c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z';
            // '#' is in the names of registered extensions (X#, Y#, Z#).
            boolean other = c >= '0' && c <= '9' || "-.+@_#".indexOf(c) >= 0;
            if (!letter && (i == 0 || !other)) {
                return false;
            }
        }
        return true;
    }

    public static ByteBuf format(Map<String, String> pairs, ByteBufAllocator alloc) {
        ByteBuf out = alloc.buffer(256);
        pairs.forEach((key, value) -> append(out, key, value));
        return out;
    }

    public static void append(ByteBuf out, String key, String value) {
        out.writeCharSequence(key, StandardCharsets.UTF_8);
        out.writeByte('=');
        out.writeCharSequence(value, StandardCharsets.UTF_8);
        out.writeByte(0);
    }
}
