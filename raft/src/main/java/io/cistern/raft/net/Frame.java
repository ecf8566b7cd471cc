package io.cistern.raft.net;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.buffer.ByteBufUtil;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.UUID;
import java.util.zip.CRC32C;

/// What travels on a connection, all integers big-endian. Each end first sends one [Hello], the
/// client before the server; then only [Message]s follow.
///
/// ```
/// hello   = magic "CSTN" : 4
///           versions     : u16    newest that the sender speaks, 1, in the low byte; oldest in the
///                                 high one, 0 where that is the same. Both go by the newest that
///                                 both speak
///           service      : u8     RpcIdentity.service
///           status       : u8     0, or the ErrorCode of a server's refusal
///           text length  : u16    at most 1024
///           cluster id   : 16
///           crc          : u32    CRC32C over all above and the text
///           text         : UTF-8  node name; where refused, the reason
///
/// message = length       : u32    bytes after the crc: 12 + payload
///           crc          : u32    CRC32C over those bytes
///           kind         : u8     1 request, 2 response, 3 error
///           opcode       : u8     of the request, also in its answer
///           flags        : u16    0
///           correlation  : u64    chosen by the client, repeated in the answer
///           payload
///
/// error payload = code : u8 (ErrorCode.wire), text : UTF-8, at most 1024 bytes
/// ```
sealed interface Frame {
    int MAGIC = 0x4353544E;
    int HELLO_BYTES = 30;
    int MAX_TEXT_BYTES = 1024;

    /// Length field and checksum.
    int PREFIX_BYTES = 8;

    /// From kind to correlation id.
    int HEADER_BYTES = 12;

    int REQUEST = 1;
    int RESPONSE = 2;
    int ERROR = 3;

    record Hello(int versions, int service, int status, UUID clusterId, String text)
            implements Frame {
        ByteBuf encode(ByteBufAllocator allocator) {
            byte[] bytes = cut(text);
            ByteBuf out = allocator.buffer(HELLO_BYTES + bytes.length);
            out.writeInt(MAGIC).writeShort(versions).writeByte(service).writeByte(status);
            out.writeShort(bytes.length);
            out.writeLong(clusterId.getMostSignificantBits());
            out.writeLong(clusterId.getLeastSignificantBits());
            CRC32C crc = new CRC32C();
            update(crc, out);
            crc.update(bytes);
            return out.writeInt((int) crc.getValue()).writeBytes(bytes);
        }
    }

    /// @param payload owned by the receiver of the frame
    record Message(int kind, int opcode, long correlation, ByteBuf payload) implements Frame {}

    /// A message ready to be written: the header with a short payload, or the header and the parts
    /// of a long one.
    ///
    /// @param bytes the length of all of it
    record Encoded(ByteBuf head, ByteBuf[] parts, int bytes) {
        void release() {
            head.release();
            Frame.release(parts);
        }

        /// All of it, in the order in which it is written. The buffers' indexes stay as they are.
        ByteBuffer[] buffers() {
            List<ByteBuffer> all = new ArrayList<>(1 + parts.length);
            all.add(head.nioBuffer());
            for (ByteBuf part : parts) {
                all.addAll(Arrays.asList(part.nioBuffers()));
            }
            return all.toArray(ByteBuffer[]::new);
        }

        /// Leaves out the first bytes, at most as many as there are.
        void skip(int count) {
            int left = skip(head, count);
            for (ByteBuf part : parts) {
                left = skip(part, left);
            }
        }

        private static int skip(ByteBuf part, int count) {
            int n = Math.min(part.readableBytes(), count);
            part.skipBytes(n);
            return count - n;
        }
    }

    ByteBuf[] NO_PARTS = {};

    /// Payloads up to this many bytes are copied behind the header: one buffer to write.
    int COPY_BYTES = 1024;

    /// Encodes a message and takes the parts over, also where it throws.
    ///
    /// @throws CisternException LIMIT if it is longer than `maxFrameBytes`
    static Encoded encode(
            ByteBufAllocator allocator, Message header, int maxFrameBytes, ByteBuf... parts) {
        long payload = bytes(parts);
        if (payload + HEADER_BYTES > maxFrameBytes) {
            release(parts);
            throw new CisternException(
                    ErrorCode.LIMIT,
                    "message of "
                            + payload
                            + " bytes is longer than the limit of "
                            + (maxFrameBytes - HEADER_BYTES)
                            + "; split it");
        }
        boolean copy = payload <= COPY_BYTES;
        ByteBuf out =
                allocator.directBuffer(PREFIX_BYTES + HEADER_BYTES + (copy ? (int) payload : 0));
        out.writeInt(HEADER_BYTES + (int) payload).writeInt(0);
        out.writeByte(header.kind()).writeByte(header.opcode()).writeShort(0);
        out.writeLong(header.correlation());
        CRC32C crc = new CRC32C();
        if (copy) {
            for (ByteBuf part : parts) {
                out.writeBytes(part, part.readerIndex(), part.readableBytes());
            }
            release(parts);
        }
        update(crc, out, PREFIX_BYTES, out.writerIndex() - PREFIX_BYTES);
        if (!copy) {
            for (ByteBuf part : parts) {
                update(crc, part);
            }
        }
        out.setInt(4, (int) crc.getValue());
        int total = PREFIX_BYTES + HEADER_BYTES + (int) payload;
        return new Encoded(out, copy ? NO_PARTS : parts, total);
    }

    /// The payload of an error message.
    static ByteBuf encodeError(ByteBufAllocator allocator, CisternException failure) {
        String message = failure.getMessage();
        byte[] text = cut(message == null ? "" : message);
        return allocator.buffer(1 + text.length).writeByte(failure.code().wire()).writeBytes(text);
    }

    /// The failure in the payload of an error message, which is not released.
    static CisternException decodeError(ByteBuf payload) {
        if (!payload.isReadable()) {
            return new CisternException(ErrorCode.INTERNAL, "the peer failed without a reason");
        }
        ErrorCode code = ErrorCode.fromWire(payload.getUnsignedByte(payload.readerIndex()));
        int length = Math.min(payload.readableBytes() - 1, MAX_TEXT_BYTES);
        String text = payload.toString(payload.readerIndex() + 1, length, StandardCharsets.UTF_8);
        return new CisternException(code, text);
    }

    static long bytes(ByteBuf... parts) {
        long sum = 0;
        for (ByteBuf part : parts) {
            sum += part.readableBytes();
        }
        return sum;
    }

    static void release(ByteBuf... parts) {
        for (ByteBuf part : parts) {
            part.release();
        }
    }

    static void update(CRC32C crc, ByteBuf data) {
        update(crc, data, data.readerIndex(), data.readableBytes());
    }

    static void update(CRC32C crc, ByteBuf data, int index, int length) {
        if (length == 0) {
            return;
        }
        if (data.hasArray()) {
            crc.update(data.array(), data.arrayOffset() + index, length);
        } else if (data.nioBufferCount() == 1) {
            crc.update(data.nioBuffer(index, length));
        } else {
            for (ByteBuffer piece : data.nioBuffers(index, length)) {
                crc.update(piece);
            }
        }
    }

    /// UTF-8 of `text`, cut at a character's end to at most [#MAX_TEXT_BYTES].
    private static byte[] cut(String text) {
        int end = Math.min(text.length(), MAX_TEXT_BYTES);
        while (ByteBufUtil.utf8Bytes(text, 0, end) > MAX_TEXT_BYTES) {
            end--;
        }
        if (end > 0 && end < text.length() && Character.isHighSurrogate(text.charAt(end - 1))) {
            end--;
        }
        return text.substring(0, end).getBytes(StandardCharsets.UTF_8);
    }
}
