package io.cistern.iscsi.pdu;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.handler.codec.CorruptedFrameException;
import io.netty.handler.codec.TooLongFrameException;
import org.jspecify.annotations.Nullable;

/// Reads PDUs from the stream, however it is cut, and passes on each [Pdu] or, where one is wrong
/// but its end is known, a [Malformed].
///
/// ```
/// HEADER --48 bytes--> AHS --lengths, digest--> DATA --padding, digest--> HEADER
///    any --header digest wrong, data segment too long--> FAILED: an exception, then all is dropped
/// ```
///
/// Holds at most one header and one data segment. A data segment's buffer is allocated when its
/// header has been checked.
public final class PduDecoder extends ChannelInboundHandlerAdapter {
    /// Which side of the connection this is.
    public enum Side {
        /// Reads what initiators send.
        TARGET,
        /// Reads what targets send.
        INITIATOR
    }

    private enum State {
        HEADER,
        AHS,
        DATA,
        FAILED
    }

    private final Side side;
    private Digests digests = Digests.NONE;
    private int maxDataBytes;

    private State state = State.HEADER;

    /// Basic header, additional headers, digest; refilled for each PDU.
    private final ByteBuf header;

    private int headerNeed = Pdu.HEADER_BYTES;
    private ByteBuf data = Unpooled.EMPTY_BUFFER;
    private int dataLength;
    private boolean removed;

    /// @param maxDataBytes length of the longest data segment to accept
    public PduDecoder(Side side, int maxDataBytes) {
        this.side = side;
        this.maxDataBytes = maxDataBytes;
        this.header = Unpooled.buffer(Pdu.HEADER_BYTES, Pdu.HEADER_BYTES + 255 * 4 + 4);
    }

    /// From the next PDU on. Event loop only.
    ///
    /// @param maxData length of the longest data segment to accept
    public void limits(Digests negotiated, int maxData) {
        digests = negotiated;
        maxDataBytes = maxData;
    }

    /// The header of the PDU that is being passed on. Event loop only.
    public Malformed.Header header() {
        byte[] bytes = new byte[Pdu.HEADER_BYTES];
        header.getBytes(0, bytes);
        return new Malformed.Header(bytes);
    }

    @Override
    public void channelRead(ChannelHandlerContext ctx, Object message) {
        if (!(message instanceof ByteBuf in)) {
            ctx.fireChannelRead(message);
            return;
        }
        try {
            while (state != State.FAILED && !removed && step(ctx, in)) {}
        } catch (RuntimeException e) {
            state = State.FAILED;
            drop();
            throw e;
        } finally {
            in.release();
        }
    }

    /// Takes what it can.
    ///
    /// @return false where more bytes are needed
    private boolean step(ChannelHandlerContext ctx, ByteBuf in) {
        if (state == State.DATA) {
            if (!fill(data, data.capacity(), in)) {
                return false;
            }
            finish(ctx);
            return true;
        }
        if (!fill(header, headerNeed, in)) {
            return false;
        }
        if (state == State.HEADER) {
            state = State.AHS;
            headerNeed += header.getUnsignedByte(4) * 4 + (digests.header() ? Digests.BYTES : 0);
            if (headerNeed > Pdu.HEADER_BYTES) {
                return true;
            }
        }
        startData(ctx);
        return true;
    }

    private static boolean fill(ByteBuf to, int need, ByteBuf in) {
        int n = Math.min(need - to.writerIndex(), in.readableBytes());
        if (n > 0) {
            to.writeBytes(in, n);
        }
        return to.writerIndex() == need;
    }

    private void startData(ChannelHandlerContext ctx) {
        if (digests.header()) {
            int at = headerNeed - Digests.BYTES;
            if (Digests.of(header, 0, at) != header.getIntLE(at)) {
                throw new CorruptedFrameException("the digest of a header does not match");
            }
        }
        dataLength = header.getUnsignedMedium(5);
        if (dataLength > maxDataBytes) {
            throw new TooLongFrameException(
                    "a data segment of " + dataLength + " bytes; " + maxDataBytes + " are allowed");
        }
        if (dataLength == 0) {
            finish(ctx);
            return;
        }
        int bytes = dataLength + (-dataLength & 3) + (digests.data() ? Digests.BYTES : 0);
        data = ctx.alloc().ioBuffer(bytes, bytes);
        state = State.DATA;
    }

    private void finish(ChannelHandlerContext ctx) {
        ByteBuf segment = data;
        data = Unpooled.EMPTY_BUFFER;
        Object message;
        if (dataLength > 0 && digests.data() && !intact(segment)) {
            segment.release();
            message =
                    new Malformed(
                            Malformed.Kind.DATA_DIGEST,
                            header(),
                            "the digest of a data segment does not match");
        } else {
            segment.writerIndex(dataLength);
            message = decode(segment);
        }
        try {
            ctx.fireChannelRead(message);
        } finally {
            header.clear();
            headerNeed = Pdu.HEADER_BYTES;
            state = state == State.FAILED ? state : State.HEADER;
        }
    }

    private boolean intact(ByteBuf segment) {
        int at = segment.writerIndex() - Digests.BYTES;
        return Digests.of(segment, 0, at) == segment.getIntLE(at);
    }

    private Object decode(ByteBuf segment) {
        int ahsBytes = header.getUnsignedByte(4) * 4;
        int opcode = header.getByte(0) & Pdu.Opcode.MASK;
        try {
            if (ahsBytes > 0 && opcode != Pdu.Opcode.SCSI_REQUEST) {
                throw new MalformedPduException("additional headers on opcode " + opcode);
            }
            Pdu pdu =
                    side == Side.TARGET
                            ? request(opcode, ahsBytes, segment)
                            : response(opcode, segment);
            if (pdu == null) {
                segment.release();
                return new Malformed(
                        Malformed.Kind.UNKNOWN_OPCODE, header(), "unknown opcode " + opcode);
            }
            if (pdu.data() != segment) {
                segment.release();
                if (dataLength > 0) {
                    return new Malformed(
                            Malformed.Kind.BAD_HEADER,
                            header(),
                            "opcode " + opcode + " has a data segment");
                }
            }
            return pdu;
        } catch (MalformedPduException e) {
            segment.release();
            return new Malformed(
                    Malformed.Kind.BAD_HEADER, header(), String.valueOf(e.getMessage()));
        }
    }

    private @Nullable Pdu request(int opcode, int ahsBytes, ByteBuf segment)
            throws MalformedPduException {
        return switch (opcode) {
            case Pdu.Opcode.NOP_OUT -> NopOut.decode(header, segment);
            case Pdu.Opcode.SCSI_REQUEST ->
                    ScsiRequest.decode(header, header.slice(Pdu.HEADER_BYTES, ahsBytes), segment);
            case Pdu.Opcode.TASK_MANAGEMENT_REQUEST -> TaskManagementRequest.decode(header);
            case Pdu.Opcode.LOGIN_REQUEST -> LoginRequest.decode(header, segment);
            case Pdu.Opcode.TEXT_REQUEST -> TextRequest.decode(header, segment);
            case Pdu.Opcode.DATA_OUT -> DataOut.decode(header, segment);
            case Pdu.Opcode.LOGOUT_REQUEST -> LogoutRequest.decode(header);
            case Pdu.Opcode.SNACK_REQUEST -> SnackRequest.decode(header);
            default -> null;
        };
    }

    private @Nullable Pdu response(int opcode, ByteBuf segment) {
        return switch (opcode) {
            case Pdu.Opcode.NOP_IN -> NopIn.decode(header, segment);
            case Pdu.Opcode.SCSI_RESPONSE -> ScsiResponse.decode(header, segment);
            case Pdu.Opcode.TASK_MANAGEMENT_RESPONSE -> TaskManagementResponse.decode(header);
            case Pdu.Opcode.LOGIN_RESPONSE -> LoginResponse.decode(header, segment);
            case Pdu.Opcode.TEXT_RESPONSE -> TextResponse.decode(header, segment);
            case Pdu.Opcode.DATA_IN -> DataIn.decode(header, segment);
            case Pdu.Opcode.LOGOUT_RESPONSE -> LogoutResponse.decode(header);
            case Pdu.Opcode.READY_TO_TRANSFER -> ReadyToTransfer.decode(header);
            case Pdu.Opcode.ASYNC_MESSAGE -> AsyncMessage.decode(header, segment);
            case Pdu.Opcode.REJECT -> Reject.decode(header, segment);
            default -> null;
        };
    }

    private void drop() {
        data.release();
        data = Unpooled.EMPTY_BUFFER;
    }

    @Override
    public void handlerRemoved(ChannelHandlerContext ctx) {
        removed = true;
        drop();
    }

    @Override
    public void channelInactive(ChannelHandlerContext ctx) {
        state = State.FAILED;
        drop();
        ctx.fireChannelInactive();
    }
}
