package io.cistern.nas.xdr;

import io.netty.buffer.ByteBuf;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;

/// Reads XDR (RFC 4506) from a buffer that it does not own. Every variable length names its limit,
/// and nothing is allocated before the bytes are known to be there.
///
/// One thread. All methods throw [XdrException] where the bytes end early or exceed a limit.
public final class XdrReader {
    private final ByteBuf in;

    public XdrReader(ByteBuf in) {
        this.in = in;
    }

    /// Bytes not yet read.
    public int remaining() {
        return in.readableBytes();
    }

    /// Where it is, for a later [#position(int)].
    public int position() {
        return in.readerIndex();
    }

    public void position(int earlier) {
        in.readerIndex(earlier);
    }

    /// A reader of the same bytes from the same place on; it moves on its own.
    public XdrReader copy() {
        return new XdrReader(in.duplicate());
    }

    public int readInt() {
        need(4);
        return in.readInt();
    }

    public long readUint() {
        return readInt() & 0xffff_ffffL;
    }

    /// An unsigned integer that serves as a count, at most `max`.
    public int readCount(int max, String what) {
        long count = readUint();
        if (count > max) {
            throw new XdrException(what + ": " + count + " exceeds the limit of " + max);
        }
        return (int) count;
    }

    public long readLong() {
        need(8);
        return in.readLong();
    }

    /// Exactly 0 or 1 (RFC 4506 section 4.4).
    public boolean readBool() {
        int value = readInt();
        if (value != 0 && value != 1) {
            throw new XdrException("a boolean is 0 or 1, not " + value);
        }
        return value == 1;
    }

    /// An enumerated value of 0..max.
    public int readEnum(int max, String what) {
        int value = readInt();
        if (value < 0 || value > max) {
            throw new XdrException(what + ": " + value + " is none of 0.." + max);
        }
        return value;
    }

    public byte[] readFixed(int length) {
        need(padded(length));
        byte[] bytes = new byte[length];
        in.readBytes(bytes);
        in.skipBytes(padded(length) - length);
        return bytes;
    }

    public byte[] readOpaque(int max, String what) {
        return readFixed(readCount(max, what));
    }

    /// A view of an opaque's bytes, valid as long as this reader's buffer is.
    public ByteBuf readOpaqueView(int max, String what) {
        int length = readCount(max, what);
        need(padded(length));
        ByteBuf view = in.readSlice(length);
        in.skipBytes(padded(length) - length);
        return view;
    }

    /// A string, taken as UTF-8 with unmappable bytes replaced: for messages and logs only.
    public String readString(int max, String what) {
        return new String(readOpaque(max, what), StandardCharsets.UTF_8);
    }

    /// A counted array.
    public <T> List<T> readList(int max, String what, Function<XdrReader, T> element) {
        int count = readCount(max, what);
        List<T> list = new ArrayList<>(Math.min(count, remaining() / 4 + 1));
        for (int i = 0; i < count; i++) {
            list.add(element.apply(this));
        }
        return list;
    }

    /// Words of a bitmap. Words beyond `max` are read and dropped where they are zero, because bits
    /// nobody has defined yet may be sent (RFC 8881 section 3.3.7).
    public int[] readBitmap(int max, String what) {
        int count = readCount(Math.max(max, 16), what);
        int[] words = new int[Math.min(count, max)];
        for (int i = 0; i < count; i++) {
            int word = readInt();
            if (i < max) {
                words[i] = word;
            }
        }
        return words;
    }

    /// Fails unless everything was read.
    public void expectEnd(String what) {
        if (in.isReadable()) {
            throw new XdrException(what + ": " + in.readableBytes() + " bytes too many");
        }
    }

    private void need(int bytes) {
        if (in.readableBytes() < bytes) {
            throw new XdrException(
                    "ends early: " + bytes + " bytes expected, " + in.readableBytes() + " left");
        }
    }

    private static int padded(int length) {
        return (length + 3) & ~3;
    }
}
