package io.cistern.nas.rpc;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.CompositeByteBuf;
import io.netty.channel.ChannelHandlerContext;
import io.netty.handler.codec.ByteToMessageDecoder;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Puts records together from their fragments (RFC 5531 section 11). A fragment is a 4-byte header,
/// whose top bit marks the last fragment and whose other bits are its length, and its bytes.
///
/// A record that exceeds a limit closes the connection: where it ends is not worth finding out.
final class RecordDecoder extends ByteToMessageDecoder {
    private static final Logger LOG = LoggerFactory.getLogger(RecordDecoder.class);
    private static final int LAST = 1 << 31;

    private enum State {
        HEADER,
        FRAGMENT,
        REFUSED
    }

    private final int maxRecordBytes;
    private final int maxFragments;

    private State state = State.HEADER;
    private int fragmentBytes;
    private boolean lastFragment;
    private int fragments;
    private int recordBytes;
    private @Nullable CompositeByteBuf assembled;

    RecordDecoder(int maxRecordBytes, int maxFragments) {
        this.maxRecordBytes = maxRecordBytes;
        this.maxFragments = maxFragments;
    }

    /// Bytes received that do not yet make a record.
    int pendingBytes() {
        return actualReadableBytes() + (assembled == null ? 0 : assembled.readableBytes());
    }

    @Override
    protected void decode(ChannelHandlerContext ctx, ByteBuf in, List<Object> out) {
        switch (state) {
            case HEADER -> readHeader(ctx, in, out);
            case FRAGMENT -> readFragment(in, out);
            case REFUSED -> in.skipBytes(in.readableBytes());
        }
    }

    private void readHeader(ChannelHandlerContext ctx, ByteBuf in, List<Object> out) {
        if (in.readableBytes() < 4) {
            return;
        }
        int header = in.readInt();
        fragmentBytes = header & ~LAST;
        lastFragment = (header & LAST) != 0;
        fragments++;
        if (fragmentBytes > maxRecordBytes - recordBytes || fragments > maxFragments) {
            LOG.warn(
                    "{}: a record of more than {} bytes or {} fragments; connection closed",
                    ctx.channel().remoteAddress(),
                    maxRecordBytes,
                    maxFragments);
            state = State.REFUSED;
            ctx.close();
            return;
        }
        recordBytes += fragmentBytes;
        state = State.FRAGMENT;
        if (fragmentBytes == 0) {
            readFragment(in, out); // now: what comes next may be the next header
        }
    }

    private void readFragment(ByteBuf in, List<Object> out) {
        if (in.readableBytes() < fragmentBytes) {
            return;
        }
        ByteBuf fragment = in.readRetainedSlice(fragmentBytes);
        if (lastFragment && assembled == null) {
            out.add(fragment);
            fragments = 0;
            recordBytes = 0;
        } else {
            if (assembled == null) {
                assembled = fragment.alloc().compositeBuffer(maxFragments + 1);
            }
            assembled.addComponent(true, fragment);
            if (lastFragment) {
                out.add(assembled);
                assembled = null;
                fragments = 0;
                recordBytes = 0;
            }
        }
        state = State.HEADER;
    }

    @Override
    protected void handlerRemoved0(ChannelHandlerContext ctx) {
        if (assembled != null) {
            assembled.release();
            assembled = null;
        }
    }
}
