package io.cistern.nas.xdr;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.buffer.CompositeByteBuf;
import io.netty.buffer.Unpooled;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;

/// Writes XDR (RFC 4506). Large opaques that the caller gives away are linked, not copied.
///
/// Owns its buffers until [#take] hands them over; [#close] frees what was not taken. One thread.
public final class XdrWriter implements AutoCloseable {
    private static final int LINK_BYTES = 8 << 10;
    private static final int INITIAL_BYTES = 512;

    private final ByteBufAllocator allocator;
    private final ArrayDeque<ByteBuf> parts = new ArrayDeque<>();
    private ByteBuf tail;
    private int before;

    public XdrWriter(ByteBufAllocator allocator) {
        this(allocator, 0);
    }

    /// @param headroom bytes to leave free in front of the first, for a header
    public XdrWriter(ByteBufAllocator allocator, int headroom) {
        this.allocator = allocator;
        this.tail = allocator.directBuffer(INITIAL_BYTES).setIndex(headroom, headroom);
    }

    /// What the buffers are from.
    public ByteBufAllocator allocator() {
        return allocator;
    }

    /// A place to go back to.
    public record Mark(int parts, int tailBytes, int before) {}

    /// Bytes written so far.
    public int size() {
        return before + tail.readableBytes();
    }

    public Mark mark() {
        return new Mark(parts.size(), tail.writerIndex(), before);
    }

    /// Drops what was written since `mark`.
    public void reset(Mark mark) {
        while (parts.size() > mark.parts) {
            tail.release();
            tail = parts.removeLast();
        }
        tail.writerIndex(mark.tailBytes);
        before = mark.before;
    }

    public XdrWriter writeInt(int value) {
        tail.writeInt(value);
        return this;
    }

    public XdrWriter writeUint(long value) {
        tail.writeInt((int) value);
        return this;
    }

    public XdrWriter writeLong(long value) {
        tail.writeLong(value);
        return this;
    }

    public XdrWriter writeBool(boolean value) {
        tail.writeInt(value ? 1 : 0);
        return this;
    }

    public XdrWriter writeFixed(byte[] bytes) {
        tail.writeBytes(bytes);
        pad(bytes.length);
        return this;
    }

    public XdrWriter writeOpaque(byte[] bytes) {
        writeInt(bytes.length);
        return writeFixed(bytes);
    }

    public XdrWriter writeString(String text) {
        return writeOpaque(text.getBytes(StandardCharsets.UTF_8));
    }

    /// An opaque whose buffer passes to this writer.
    public XdrWriter writeOpaqueGiven(ByteBuf bytes) {
        int length = bytes.readableBytes();
        writeInt(length);
        append(bytes);
        pad(length);
        return this;
    }

    /// Bytes that are XDR already, whose ownership passes to this writer.
    public XdrWriter append(ByteBuf encoded) {
        if (encoded.readableBytes() < LINK_BYTES) {
            tail.writeBytes(encoded);
            encoded.release();
        } else {
            link(encoded);
        }
        return this;
    }

    public XdrWriter writeBitmap(int... words) {
        int count = words.length;
        while (count > 0 && words[count - 1] == 0) {
            count--;
        }
        writeInt(count);
        for (int i = 0; i < count; i++) {
            writeInt(words[i]);
        }
        return this;
    }

    /// Begins an opaque whose length is not known yet. Until [#endOpaque] only small values may be
    /// written.
    ///
    /// @return to be given to [#endOpaque]
    public int beginOpaque() {
        tail.writeInt(0);
        return tail.writerIndex();
    }

    public void endOpaque(int begin) {
        int length = tail.writerIndex() - begin;
        tail.setInt(begin - 4, length);
        pad(length);
    }

    /// A place for an integer that is written later, with [#setInt]; the same holds as for
    /// [#beginOpaque].
    public int reserveInt() {
        int at = tail.writerIndex();
        tail.writeInt(0);
        return at;
    }

    public void setInt(int at, int value) {
        tail.setInt(at, value);
    }

    private void link(ByteBuf bytes) {
        parts.addLast(tail);
        before += tail.readableBytes();
        parts.addLast(bytes);
        before += bytes.readableBytes();
        tail = allocator.directBuffer(INITIAL_BYTES);
    }

    private void pad(int length) {
        int zeroes = -length & 3;
        if (zeroes != 0) {
            tail.writeZero(zeroes);
        }
    }

    /// All bytes, whose ownership passes to the caller. The writer is empty afterwards.
    public ByteBuf take() {
        ByteBuf last = tail;
        tail = Unpooled.buffer(0);
        before = 0;
        if (parts.isEmpty()) {
            return last;
        }
        CompositeByteBuf all = allocator.compositeBuffer(Math.max(16, parts.size() + 1));
        parts.forEach(part -> all.addComponent(true, part));
        parts.clear();
        if (last.isReadable()) {
            all.addComponent(true, last);
        } else {
            last.release();
        }
        return all;
    }

    @Override
    public void close() {
        parts.forEach(ByteBuf::release);
        parts.clear();
        tail.release();
        tail = Unpooled.EMPTY_BUFFER;
    }
}
