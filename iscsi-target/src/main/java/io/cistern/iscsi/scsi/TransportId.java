package io.cistern.iscsi.scsi;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;

/// The TransportID of an iSCSI initiator port (SPC-4 7.6.4.6): its name, `,i,0x` and its ISID.
final class TransportId {
    private static final int PORT_FORMAT = 0x45;
    private static final int HEADER_BYTES = 4;
    private static final int LEAST_BYTES = 24;
    private static final String SEPARATOR = ",i,0x";
    private static final int MAX_NAME_BYTES = 223;

    private TransportId() {}

    static byte[] encode(NexusId nexus) {
        String text =
                nexus.initiatorName() + SEPARATOR + HexFormat.of().toHexDigits(nexus.isid(), 12);
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        int padded = Math.max(LEAST_BYTES - HEADER_BYTES, bytes.length / 4 * 4 + 4);
        ByteBuffer out = ByteBuffer.allocate(HEADER_BYTES + padded);
        out.put((byte) PORT_FORMAT).put((byte) 0).putShort((short) padded).put(bytes);
        return out.array();
    }

    /// The length of the TransportID that begins at `at`, if it lies within `in`.
    ///
    /// @throws Refusal PARAMETER LIST LENGTH ERROR, or INVALID FIELD IN PARAMETER LIST
    static int length(ByteBuffer in, int at) {
        if (in.limit() - at < HEADER_BYTES) {
            throw Refusal.of(Condition.PARAMETER_LIST_LENGTH_ERROR);
        }
        int length = HEADER_BYTES + (in.getShort(at + 2) & 0xffff);
        if (length % 4 != 0 || length < LEAST_BYTES) {
            throw Refusal.parameter(at + 2, -1);
        }
        if (length > in.limit() - at) {
            throw Refusal.of(Condition.PARAMETER_LIST_LENGTH_ERROR);
        }
        return length;
    }

    /// The nexus of that initiator port with a target port. A TransportID that names no port
    /// (format 00b) or another protocol's is refused.
    ///
    /// @throws Refusal INVALID FIELD IN PARAMETER LIST
    static NexusId decode(ByteBuffer in, int at, int targetPort) {
        if ((in.get(at) & 0xff) != PORT_FORMAT) {
            throw Refusal.parameter(at, 7);
        }
        byte[] bytes = new byte[length(in, at) - HEADER_BYTES];
        in.get(at + HEADER_BYTES, bytes);
        int end = 0;
        while (end < bytes.length && bytes[end] != 0) {
            end++;
        }
        String text = new String(bytes, 0, end, StandardCharsets.UTF_8);
        int separator = text.indexOf(SEPARATOR);
        String isid = separator < 0 ? "" : text.substring(separator + SEPARATOR.length());
        if (end == bytes.length
                || separator < 1
                || separator > MAX_NAME_BYTES
                || !isid.matches("[0-9a-fA-F]{1,12}")) {
            throw Refusal.parameter(at + HEADER_BYTES, -1);
        }
        return new NexusId(
                text.substring(0, separator), HexFormat.fromHexDigitsToLong(isid), targetPort);
    }
}
