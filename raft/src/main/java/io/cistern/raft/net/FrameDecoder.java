package io.cistern.raft.net;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelHandlerContext;
import io.netty.handler.codec.ByteToMessageDecoder;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.UUID;
import java.util.zip.CRC32C;

/// Turns bytes into [Frame]s: one hello, then messages. What is not a frame fails the pipeline once
/// with a [CisternException] (INVALID or CORRUPT) that says why, and everything after it is thrown
/// away. A payload is a slice of the receive buffer, not a copy.
final class FrameDecoder extends ByteToMessageDecoder {
    private enum State {
        /// The fixed part of the hello is not complete.
        HELLO,
        /// The length field of a message is not complete.
        LENGTH,
        /// The message that [#length] announces is not complete.
        BODY,
        /// A malformed frame was seen.
        FAILED
    }

    private final int maxFrameBytes;
    private State state = State.HELLO;
    private int length;

    /// @param maxFrameBytes most bytes behind the prefix of a message
    FrameDecoder(int maxFrameBytes) {
        this.maxFrameBytes = maxFrameBytes;
    }

    @Override
    protected void decode(ChannelHandlerContext ctx, ByteBuf in, List<Object> out) {
        switch (state) {
            case HELLO -> hello(in, out);
            case LENGTH -> length(in);
            case BODY -> body(in, out);
            case FAILED -> in.skipBytes(in.readableBytes());
        }
    }

    private void hello(ByteBuf in, List<Object> out) {
        int start = in.readerIndex();
        if (in.readableBytes() >= 4 && in.getInt(start) != Frame.MAGIC) {
            throw failed(
                    ErrorCode.INVALID,
                    "the peer does not speak this protocol (or TLS is on" + " at one end only)");
        }
        if (in.readableBytes() < Frame.HELLO_BYTES) {
            return;
        }
        int textLength = in.getUnsignedShort(start + 8);
        if (textLength > Frame.MAX_TEXT_BYTES) {
            throw failed(ErrorCode.INVALID, "hello with a text of " + textLength + " bytes");
        }
        if (in.readableBytes() < Frame.HELLO_BYTES + textLength) {
            return;
        }
        CRC32C crc = new CRC32C();
        Frame.update(crc, in, start, Frame.HELLO_BYTES - 4);
        Frame.update(crc, in, start + Frame.HELLO_BYTES, textLength);
        if (in.getInt(start + Frame.HELLO_BYTES - 4) != (int) crc.getValue()) {
            throw failed(ErrorCode.CORRUPT, "hello with a wrong checksum");
        }
        in.skipBytes(4);
        int version = in.readUnsignedShort();
        int service = in.readUnsignedByte();
        int status = in.readUnsignedByte();
        in.skipBytes(2);
        UUID clusterId = new UUID(in.readLong(), in.readLong());
        in.skipBytes(4);
        String text = in.readCharSequence(textLength, StandardCharsets.UTF_8).toString();
        out.add(new Frame.Hello(version, service, status, clusterId, text));
        state = State.LENGTH;
    }

    private void length(ByteBuf in) {
        if (in.readableBytes() < 4) {
            return;
        }
        length = in.readInt();
        if (length < Frame.HEADER_BYTES || length > maxFrameBytes) {
            throw failed(
                    ErrorCode.INVALID,
                    "frame of "
                            + Integer.toUnsignedLong(length)
                            + " bytes; between "
                            + Frame.HEADER_BYTES
                            + " and "
                            + maxFrameBytes
                            + " are allowed");
        }
        state = State.BODY;
    }

    private void body(ByteBuf in, List<Object> out) {
        if (in.readableBytes() < 4 + length) {
            return;
        }
        int expected = in.readInt();
        CRC32C crc = new CRC32C();
        Frame.update(crc, in, in.readerIndex(), length);
        if (expected != (int) crc.getValue()) {
            throw failed(ErrorCode.CORRUPT, "frame with a wrong checksum");
        }
        int kind = in.readUnsignedByte();
        if (kind < Frame.REQUEST || kind > Frame.ERROR) {
            throw failed(ErrorCode.INVALID, "frame of unknown kind " + kind);
        }
        int opcode = in.readUnsignedByte();
        int flags = in.readUnsignedShort();
        if (flags != 0) {
            throw failed(ErrorCode.INVALID, "frame with unknown flags " + flags);
        }
        long correlation = in.readLong();
        ByteBuf payload = in.readRetainedSlice(length - Frame.HEADER_BYTES);
        out.add(new Frame.Message(kind, opcode, correlation, payload));
        state = State.LENGTH;
    }

    private CisternException failed(ErrorCode code, String message) {
        state = State.FAILED;
        return new CisternException(code, message);
    }
}
