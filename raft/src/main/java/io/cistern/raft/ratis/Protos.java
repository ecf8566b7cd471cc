package io.cistern.raft.ratis;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.buffer.UnpooledHeapByteBuf;
import java.io.IOException;
import org.apache.ratis.thirdparty.com.google.protobuf.ByteString;
import org.apache.ratis.thirdparty.com.google.protobuf.CodedInputStream;
import org.apache.ratis.thirdparty.com.google.protobuf.CodedOutputStream;
import org.apache.ratis.thirdparty.com.google.protobuf.MessageLite;
import org.apache.ratis.thirdparty.com.google.protobuf.Parser;
import org.apache.ratis.thirdparty.com.google.protobuf.UnsafeByteOperations;

/// Ratis' messages to and from buffers, with one copy each way.
final class Protos {
    private Protos() {}

    private static ByteString bytes(ByteBuf in) {
        int length = in.readableBytes();
        if (in.unwrap() instanceof UnpooledHeapByteBuf && in.hasArray()) {
            int from = in.arrayOffset() + in.readerIndex();
            return UnsafeByteOperations.unsafeWrap(in.array(), from, length);
        }
        byte[] bytes = new byte[length];
        in.getBytes(in.readerIndex(), bytes);
        return UnsafeByteOperations.unsafeWrap(bytes);
    }

    /// The message in a new direct buffer.
    static ByteBuf encode(MessageLite message) {
        int size = message.getSerializedSize();
        ByteBuf out = ByteBufAllocator.DEFAULT.directBuffer(size, size);
        try {
            CodedOutputStream coded = CodedOutputStream.newInstance(out.nioBuffer(0, size));
            message.writeTo(coded);
            coded.flush();
        } catch (IOException e) {
            out.release();
            throw new IllegalStateException("a message grew while it was written", e);
        }
        return out.writerIndex(size);
    }

    /// The message in the readable bytes of `in`, which is not released. The byte strings in it
    /// share one array, so what keeps one of them keeps all: that of `in` where it is not pooled,
    /// else a copy.
    ///
    /// @throws CisternException CORRUPT
    static <T> T decode(Parser<T> parser, ByteBuf in) {
        try {
            CodedInputStream coded = bytes(in).newCodedInput();
            coded.enableAliasing(true);
            return parser.parseFrom(coded);
        } catch (IOException e) {
            throw new CisternException(
                    ErrorCode.CORRUPT, "a message that is not Raft: " + e.getMessage(), e);
        }
    }
}
