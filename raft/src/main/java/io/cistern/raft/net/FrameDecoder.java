package io.cistern.raft.net;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.handler.codec.DecoderException;
import java.nio.charset.StandardCharsets;
import java.util.UUID;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/// Turns bytes into [Frame]s: one hello, then messages. What is not a frame fails the pipeline once
/// with a [CisternException] (INVALID or CORRUPT) that says why, in a [DecoderException], and
/// everything after it is thrown away.
///
/// A frame that lies whole in what was received is passed on as a slice of it. One that does not is
/// gathered in a buffer of its own size, so that each of its bytes is copied once, however many
/// reads it takes.
final class FrameDecoder extends ChannelInboundHandlerAdapter {
    /// Most memory that a length field alone takes, before the bytes it announces have come.
    private static final int TRUSTED_BYTES = 2 << 20;

    private static final int LENGTH_BYTES = 4;

    private enum State {
        /// The hello is not complete.
        HELLO,
        /// Messages follow.
        MESSAGES,
        /// A malformed frame was seen.
        FAILED
    }

    private final int maxFrameBytes;
    private final boolean onHeap;
    private State state = State.HELLO;

    /// The first bytes of a frame that is not complete.
    private @Nullable ByteBuf partial;

    /// @param maxFrameBytes most bytes behind the prefix of a message
    /// @param onHeap gathers frames in arrays that are not pooled, so that a receiver may keep what
    ///   it parsed from them without a copy
    FrameDecoder(int maxFrameBytes, boolean onHeap) {
        this.maxFrameBytes = maxFrameBytes;
        this.onHeap = onHeap;
    }

    @Override
    public void channelRead(ChannelHandlerContext ctx, Object received) {
        if (!(received instanceof ByteBuf in)) {
            ctx.fireChannelRead(received);
            return;
        }
        try {
            while (state != State.FAILED && in.isReadable()) {
                next(ctx, in);
            }
        } catch (CisternException e) {
            state = State.FAILED;
            releasePartial();
            throw new DecoderException(e);
        } finally {
            in.release();
        }
    }

    /// Passes the next frame on, or moves what there is of it to [#partial].
    private void next(ChannelHandlerContext ctx, ByteBuf in) {
        ByteBuf begun = partial;
        if (begun == null) {
            int missing = missing(in);
            if (missing == 0) {
                ctx.fireChannelRead(frame(in));
            } else {
                partial = roomier(ctx, in, missing);
            }
            return;
        }
        int missing = missing(begun);
        int n = Math.min(missing, in.readableBytes());
        if (n > begun.writableBytes()) {
            begun = roomier(ctx, begun, missing);
            releasePartial();
            partial = begun;
            n = Math.min(n, begun.writableBytes());
        }
        begun.writeBytes(in, n);
        if (missing(begun) == 0) {
            partial = null;
            try {
                ctx.fireChannelRead(frame(begun));
            } finally {
                begun.release();
            }
        }
    }

    /// A buffer with the bytes of `begun`, which are consumed, and room for those missing; for not
    /// many more than have come already where that is much.
    private ByteBuf roomier(ChannelHandlerContext ctx, ByteBuf begun, int missing) {
        int have = begun.readableBytes();
        int room = Math.min(missing, Math.max(TRUSTED_BYTES, have));
        int capacity = have + room;
        ByteBuf out =
                onHeap
                        ? Unpooled.buffer(capacity, capacity)
                        : ctx.alloc().directBuffer(capacity, capacity);
        return out.writeBytes(begun, have);
    }

    /// 0 if `in` begins with a whole frame, else how many bytes lack for the next look: never more
    /// than the frame has.
    ///
    /// @throws CisternException this is not the beginning of a frame
    private int missing(ByteBuf in) {
        int have = in.readableBytes();
        int need = state == State.HELLO ? helloBytes(in, have) : messageBytes(in, have);
        return Math.max(0, need - have);
    }

    private static int helloBytes(ByteBuf in, int have) {
        int start = in.readerIndex();
        if (have >= 4 && in.getInt(start) != Frame.MAGIC) {
            throw new CisternException(
                    ErrorCode.INVALID,
                    "the peer does not speak this protocol (or TLS is on at one end only)");
        }
        if (have < Frame.HELLO_BYTES) {
            return have < 4 ? 4 : Frame.HELLO_BYTES;
        }
        int textLength = in.getUnsignedShort(start + 8);
        if (textLength > Frame.MAX_TEXT_BYTES) {
            throw new CisternException(
                    ErrorCode.INVALID, "hello with a text of " + textLength + " bytes");
        }
        return Frame.HELLO_BYTES + textLength;
    }

    private int messageBytes(ByteBuf in, int have) {
        if (have < LENGTH_BYTES) {
            return LENGTH_BYTES;
        }
        int length = in.getInt(in.readerIndex());
        if (length < Frame.HEADER_BYTES || length > maxFrameBytes) {
            throw new CisternException(
                    ErrorCode.INVALID,
                    "frame of "
                            + Integer.toUnsignedLong(length)
                            + " bytes; between "
                            + Frame.HEADER_BYTES
                            + " and "
                            + maxFrameBytes
                            + " are allowed");
        }
        return Frame.PREFIX_BYTES + length;
    }

    private Frame frame(ByteBuf in) {
        if (state == State.HELLO) {
            Frame hello = hello(in);
            state = State.MESSAGES;
            return hello;
        }
        return message(in);
    }

    private static Frame hello(ByteBuf in) {
        int start = in.readerIndex();
        int textLength = in.getUnsignedShort(start + 8);
        CRC32C crc = new CRC32C();
        Frame.update(crc, in, start, Frame.HELLO_BYTES - 4);
        Frame.update(crc, in, start + Frame.HELLO_BYTES, textLength);
        if (in.getInt(start + Frame.HELLO_BYTES - 4) != (int) crc.getValue()) {
            throw new CisternException(ErrorCode.CORRUPT, "hello with a wrong checksum");
        }
        in.skipBytes(4);
        int versions = in.readUnsignedShort();
        int service = in.readUnsignedByte();
        int status = in.readUnsignedByte();
        in.skipBytes(2);
        UUID clusterId = new UUID(in.readLong(), in.readLong());
        in.skipBytes(4);
        String text = in.readCharSequence(textLength, StandardCharsets.UTF_8).toString();
        return new Frame.Hello(versions, service, status, clusterId, text);
    }

    private static Frame message(ByteBuf in) {
        int length = in.readInt();
        int expected = in.readInt();
        CRC32C crc = new CRC32C();
        Frame.update(crc, in, in.readerIndex(), length);
        if (expected != (int) crc.getValue()) {
            throw new CisternException(ErrorCode.CORRUPT, "frame with a wrong checksum");
        }
        int kind = in.readUnsignedByte();
        if (kind < Frame.REQUEST || kind > Frame.ERROR) {
            throw new CisternException(ErrorCode.INVALID, "frame of unknown kind " + kind);
        }
        int opcode = in.readUnsignedByte();
        int flags = in.readUnsignedShort();
        if (flags != 0) {
            throw new CisternException(ErrorCode.INVALID, "frame with unknown flags " + flags);
        }
        long correlation = in.readLong();
        ByteBuf payload = in.readRetainedSlice(length - Frame.HEADER_BYTES);
        return new Frame.Message(kind, opcode, correlation, payload);
    }

    @Override
    public void channelInactive(ChannelHandlerContext ctx) {
        releasePartial();
        ctx.fireChannelInactive();
    }

    @Override
    public void handlerRemoved(ChannelHandlerContext ctx) {
        releasePartial();
    }

    private void releasePartial() {
        if (partial != null) {
            partial.release();
            partial = null;
        }
    }
}
