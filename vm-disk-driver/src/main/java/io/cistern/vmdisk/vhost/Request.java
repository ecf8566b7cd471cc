package io.cistern.vmdisk.vhost;

import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/// The requests of a front end that this back end knows: number, payload, descriptors, reply. Any
/// other closes the connection: the protocol has a feature bit for each, and they were not offered.
enum Request {
    GET_FEATURES(1, 0, 0, 0, Reply.VALUE, Payload.Empty::decode),
    SET_FEATURES(2, 8, 8, 0, Reply.ACK, Payload.Number::decode),
    SET_OWNER(3, 0, 0, 0, Reply.ACK, Payload.Empty::decode),
    RESET_OWNER(4, 0, 0, 0, Reply.ACK, Payload.Empty::decode),
    SET_MEM_TABLE(5, 8, Payload.MemoryTable.MAX_BYTES, 8, Reply.ACK, Payload.MemoryTable::decode),
    SET_LOG_BASE(6, 16, 16, 1, Reply.VALUE, Payload.LogArea::decode),
    SET_LOG_FD(7, 0, 8, 1, Reply.ACK, Request::skip),
    SET_VRING_NUM(8, 8, 8, 0, Reply.ACK, Payload.RingState::decode),
    SET_VRING_ADDR(9, 40, 40, 0, Reply.ACK, Payload.RingAddress::decode),
    SET_VRING_BASE(10, 8, 8, 0, Reply.ACK, Payload.RingState::decode),
    GET_VRING_BASE(11, 8, 8, 0, Reply.VALUE, Payload.RingState::decode),
    SET_VRING_KICK(12, 8, 8, 1, Reply.ACK, Payload.Number::decode),
    SET_VRING_CALL(13, 8, 8, 1, Reply.ACK, Payload.Number::decode),
    SET_VRING_ERR(14, 8, 8, 1, Reply.ACK, Payload.Number::decode),
    GET_PROTOCOL_FEATURES(15, 0, 0, 0, Reply.VALUE, Payload.Empty::decode),
    SET_PROTOCOL_FEATURES(16, 8, 8, 0, Reply.ACK, Payload.Number::decode),
    GET_QUEUE_NUM(17, 0, 0, 0, Reply.VALUE, Payload.Empty::decode),
    SET_VRING_ENABLE(18, 8, 8, 0, Reply.ACK, Payload.RingState::decode),
    SET_BACKEND_REQ_FD(21, 0, 8, 1, Reply.ACK, Request::skip),
    GET_CONFIG(24, 12, 268, 0, Reply.VALUE, Payload.Config::decode),
    SET_CONFIG(25, 12, 268, 0, Reply.ACK, Payload.Config::decode),
    GET_INFLIGHT_FD(31, 20, 24, 0, Reply.VALUE, Payload.Inflight::decode),
    SET_INFLIGHT_FD(32, 20, 24, 1, Reply.ACK, Payload.Inflight::decode),
    GET_MAX_MEM_SLOTS(36, 0, 0, 0, Reply.VALUE, Payload.Empty::decode),
    ADD_MEM_REG(37, 40, 40, 1, Reply.ACK, Payload.MemoryRegion::decode),
    // Some front ends attach the region's descriptor here too.
    REM_MEM_REG(38, 40, 40, 1, Reply.ACK, Payload.MemoryRegion::decode);

    /// How a request is answered.
    enum Reply {
        /// With a message of its own, always.
        VALUE,
        /// With 0 or 1, where the front end asks for it.
        ACK
    }

    private interface Decoder {
        Payload decode(ByteBuffer in) throws VhostException;
    }

    private static final @Nullable Request[] BY_NUMBER = new Request[64];

    static {
        for (Request request : values()) {
            BY_NUMBER[request.number] = request;
        }
    }

    final int number;
    private final int minBytes;
    private final int maxBytes;
    final int maxFds;
    final Reply reply;
    private final Decoder decoder;

    Request(int number, int minBytes, int maxBytes, int maxFds, Reply reply, Decoder decoder) {
        this.number = number;
        this.minBytes = minBytes;
        this.maxBytes = maxBytes;
        this.maxFds = maxFds;
        this.reply = reply;
        this.decoder = decoder;
    }

    private static Payload skip(ByteBuffer in) {
        in.position(in.limit());
        return Payload.Empty.INSTANCE;
    }

    /// @throws VhostException for a number that is not in the table
    static Request of(int number) throws VhostException {
        Request found = number < 0 || number >= BY_NUMBER.length ? null : BY_NUMBER[number];
        if (found == null) {
            throw new VhostException(
                    "request " + Integer.toUnsignedLong(number) + " is not known here");
        }
        return found;
    }

    /// @throws VhostException where a payload of that length cannot be this request's
    void checkSize(long bytes) throws VhostException {
        if (bytes < minBytes || bytes > maxBytes) {
            throw new VhostException(this + " with " + bytes + " bytes of payload");
        }
    }

    /// Decodes the whole of `in`.
    ///
    /// @throws VhostException where its length or its counts do not fit
    Payload decode(ByteBuffer in) throws VhostException {
        checkSize(in.remaining());
        Payload payload = decoder.decode(in);
        if (in.hasRemaining()) {
            throw new VhostException(this + " with " + in.remaining() + " bytes too many");
        }
        return payload;
    }
}
