package io.cistern.vmdisk;

import io.cistern.block.BlockDevice;
import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.List;

/// Encodes replies of the transmission phase into buffers, at absolute indexes.
final class ReplyEncoder {
    /// Longest error message sent, in bytes: it fits the smallest buffer of the pool.
    static final int MAX_MESSAGE_BYTES = 400;

    private static final ByteBuffer ZEROES = ByteBuffer.allocateDirect(64 << 10);

    private ReplyEncoder() {}

    /// A simple reply's 16 bytes.
    static void simple(ByteBuffer out, int at, long cookie, int error) {
        out.putInt(at, NbdProtocol.SIMPLE_REPLY_MAGIC);
        out.putInt(at + 4, error);
        out.putLong(at + 8, cookie);
    }

    /// A chunk's 20 bytes. All replies here have one chunk, so it is always the last.
    static void chunk(ByteBuffer out, int at, int type, long cookie, int payloadBytes) {
        out.putInt(at, NbdProtocol.STRUCTURED_REPLY_MAGIC);
        out.putShort(at + 4, (short) NbdProtocol.REPLY_FLAG_DONE);
        out.putShort(at + 6, (short) type);
        out.putLong(at + 8, cookie);
        out.putInt(at + 16, payloadBytes);
    }

    /// What precedes a successful read's data: 16 or 28 bytes.
    static void readHeader(ByteBuffer out, int at, boolean structured, RequestHeader request) {
        if (structured) {
            int length = (int) request.length();
            chunk(out, at, NbdProtocol.REPLY_OFFSET_DATA, request.cookie(), 8 + length);
            out.putLong(at + NbdProtocol.CHUNK_BYTES, request.offset());
        } else {
            simple(out, at, request.cookie(), 0);
        }
    }

    /// A chunk that says all of the request reads as zeroes.
    ///
    /// @return bytes written
    static int hole(ByteBuffer out, int at, RequestHeader request) {
        chunk(out, at, NbdProtocol.REPLY_OFFSET_HOLE, request.cookie(), 12);
        out.putLong(at + NbdProtocol.CHUNK_BYTES, request.offset());
        out.putInt(at + NbdProtocol.CHUNK_BYTES + 8, (int) request.length());
        return NbdProtocol.CHUNK_BYTES + 12;
    }

    /// Success of a request whose reply has no payload.
    ///
    /// @return bytes written
    static int done(ByteBuffer out, int at, boolean structured, long cookie) {
        if (!structured) {
            simple(out, at, cookie, 0);
            return NbdProtocol.SIMPLE_REPLY_BYTES;
        }
        chunk(out, at, NbdProtocol.REPLY_NONE, cookie, 0);
        return NbdProtocol.CHUNK_BYTES;
    }

    /// Failure of any request.
    ///
    /// @return bytes written, at most [#MAX_MESSAGE_BYTES] + 26
    static int error(ByteBuffer out, int at, boolean structured, long cookie, Failure failure) {
        if (!structured) {
            simple(out, at, cookie, failure.error());
            return NbdProtocol.SIMPLE_REPLY_BYTES;
        }
        byte[] text = failure.message().getBytes(StandardCharsets.UTF_8);
        int length = Math.min(text.length, MAX_MESSAGE_BYTES);
        while (length < text.length && length > 0 && (text[length] & 0xc0) == 0x80) {
            length--;
        }
        chunk(out, at, NbdProtocol.REPLY_ERROR, cookie, 6 + length);
        out.putInt(at + NbdProtocol.CHUNK_BYTES, failure.error());
        out.putShort(at + NbdProtocol.CHUNK_BYTES + 4, (short) length);
        out.put(at + NbdProtocol.CHUNK_BYTES + 6, text, 0, length);
        return NbdProtocol.CHUNK_BYTES + 6 + length;
    }

    /// A block status chunk: neighbours of one kind merged, nothing beyond the request.
    ///
    /// @return bytes written
    static int blockStatus(
            ByteBuffer out, RequestHeader request, List<BlockDevice.Extent> extents) {
        int at = NbdProtocol.CHUNK_BYTES + 4;
        long left = request.length();
        long run = 0;
        int runState = -1;
        for (BlockDevice.Extent extent : extents) {
            int state = state(extent.kind());
            long length = Math.min(extent.length(), left);
            left -= length;
            if (state != runState && run > 0) {
                at = descriptor(out, at, run, runState);
                run = 0;
            }
            runState = state;
            run += length;
        }
        if (run > 0) {
            at = descriptor(out, at, run, runState);
        }
        int payload = at - NbdProtocol.CHUNK_BYTES;
        chunk(out, 0, NbdProtocol.REPLY_BLOCK_STATUS, request.cookie(), payload);
        out.putInt(NbdProtocol.CHUNK_BYTES, NbdProtocol.BASE_ALLOCATION_ID);
        return at;
    }

    private static int descriptor(ByteBuffer out, int at, long length, int state) {
        out.putInt(at, (int) length);
        out.putInt(at + 4, state);
        return at + 8;
    }

    private static int state(BlockDevice.Extent.Kind kind) {
        return switch (kind) {
            case DATA -> 0;
            case ZERO -> NbdProtocol.STATE_ZERO;
            case HOLE -> NbdProtocol.STATE_HOLE | NbdProtocol.STATE_ZERO;
        };
    }

    /// True where `length` bytes from index `at` are all zero. Quick on data that begins or ends
    /// with anything else.
    static boolean allZero(ByteBuffer data, int at, int length) {
        if (length < 8 || data.getLong(at) != 0 || data.getLong(at + length - 8) != 0) {
            return false;
        }
        for (int done = 0; done < length; ) {
            int n = Math.min(length - done, ZEROES.capacity());
            if (data.slice(at + done, n).mismatch(ZEROES.slice(0, n)) >= 0) {
                return false;
            }
            done += n;
        }
        return true;
    }

    /// An error number of the protocol with its text.
    record Failure(int error, String message) {
        /// The protocol's error for a failure of the device.
        ///
        /// @param writing true for commands that change the device: beyond its end there is no
        ///   space, whereas reading there is an invalid request
        static Failure of(Throwable thrown, boolean writing) {
            CisternException e = CisternException.of(thrown);
            ErrorCode code = e.code();
            int error =
                    switch (code) {
                        case INVALID -> NbdProtocol.EINVAL;
                        case OUT_OF_RANGE -> writing ? NbdProtocol.ENOSPC : NbdProtocol.EINVAL;
                        case NO_SPACE -> NbdProtocol.ENOSPC;
                        case FENCED, READ_ONLY, UNAUTHORIZED -> NbdProtocol.EPERM;
                        case LIMIT -> NbdProtocol.ENOMEM;
                        default -> NbdProtocol.EIO;
                    };
            String message = e.getMessage();
            return new Failure(error, message == null ? code.name() : message);
        }
    }
}
