package io.cistern.iscsi.pdu;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelOutboundHandlerAdapter;
import io.netty.channel.ChannelPromise;
import java.util.zip.CRC32C;

/// Writes PDUs: header, digests, padding. The data segment is passed on, not copied.
public final class PduEncoder extends ChannelOutboundHandlerAdapter {
    private Digests digests = Digests.NONE;

    /// From the next PDU on. Event loop only.
    public void digests(Digests negotiated) {
        digests = negotiated;
    }

    /// Length of a PDU with that much data on the wire, without additional headers.
    public int wireBytes(int dataBytes) {
        int bytes = Pdu.HEADER_BYTES + (digests.header() ? Digests.BYTES : 0);
        if (dataBytes > 0) {
            bytes += dataBytes + (-dataBytes & 3) + (digests.data() ? Digests.BYTES : 0);
        }
        return bytes;
    }

    @Override
    public void write(ChannelHandlerContext ctx, Object message, ChannelPromise promise) {
        if (!(message instanceof Pdu pdu)) {
            ctx.write(message, promise);
            return;
        }
        ByteBuf data = pdu.data();
        int length = data.readableBytes();
        if (length > Pdu.MAX_DATA_BYTES) {
            data.release();
            throw new IllegalArgumentException("a data segment of " + length + " bytes");
        }
        ByteBuf header = header(ctx, pdu, length);
        if (length == 0) {
            data.release();
            ctx.write(header, promise);
            return;
        }
        ByteBuf trailer = trailer(ctx, data, length);
        ctx.write(header, ctx.voidPromise());
        if (trailer.isReadable()) {
            ctx.write(data, ctx.voidPromise());
            ctx.write(trailer, promise);
        } else {
            ctx.write(data, promise);
        }
    }

    private ByteBuf header(ChannelHandlerContext ctx, Pdu pdu, int length) {
        ByteBuf ahs = pdu.additionalHeader();
        int bytes = Pdu.HEADER_BYTES + ahs.readableBytes();
        ByteBuf out = ctx.alloc().ioBuffer(bytes + Digests.BYTES);
        out.writeZero(Pdu.HEADER_BYTES);
        pdu.encode(out);
        out.setByte(4, ahs.readableBytes() / 4).setMedium(5, length);
        out.writeBytes(ahs);
        if (digests.header()) {
            out.writeIntLE(Digests.of(out, 0, bytes));
        }
        return out;
    }

    /// Padding and data digest.
    private ByteBuf trailer(ChannelHandlerContext ctx, ByteBuf data, int length) {
        int padding = -length & 3;
        if (padding == 0 && !digests.data()) {
            return Unpooled.EMPTY_BUFFER;
        }
        ByteBuf out = ctx.alloc().ioBuffer(padding + Digests.BYTES);
        out.writeZero(padding);
        if (digests.data()) {
            CRC32C crc = new CRC32C();
            Digests.update(crc, data, data.readerIndex(), length);
            Digests.update(crc, out, 0, padding);
            out.writeIntLE((int) crc.getValue());
        }
        return out;
    }
}
