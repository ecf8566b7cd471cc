package io.cistern.nas.v4;

import io.cistern.nas.xdr.XdrReader;

/// Attributes as they are sent: which, and their values one after the other (RFC 8881 section
/// 3.3.11).
record Fattr4(int[] mask, byte[] values) {
    /// Words of a bitmap with all attributes that there are.
    static final int MAX_WORDS = 3;

    /// Attributes of later minor versions are asked for in longer ones.
    private static final int MAX_WIRE_WORDS = 64;

    private static final int MAX_VALUES_BYTES = 64 << 10;
    static final Fattr4 NONE = new Fattr4(new int[0], new byte[0]);

    static Fattr4 read(XdrReader in) {
        int[] mask = in.readBitmap(MAX_WIRE_WORDS, "attributes");
        return new Fattr4(mask, in.readOpaque(MAX_VALUES_BYTES, "attribute values"));
    }

    static int[] readMask(XdrReader in) {
        return in.readBitmap(MAX_WIRE_WORDS, "attributes");
    }

    static boolean has(int[] mask, int number) {
        int word = number >>> 5;
        return word < mask.length && (mask[word] & 1 << number) != 0;
    }
}
