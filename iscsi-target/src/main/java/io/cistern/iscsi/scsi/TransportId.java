package io.cistern.iscsi.scsi;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Collection;
import java.util.HexFormat;
import java.util.LinkedHashSet;
import java.util.Locale;
import java.util.Set;

/// The TransportID of an iSCSI initiator (SPC-4 7.6.4.6): of a port (format 01b) its name, `,i,0x`
/// and its ISID; of all ports of that name (format 00b) the name.
final class TransportId {
    private static final int NAME_FORMAT = 0x05;
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

    /// The nexuses of the initiator ports that it names with a target port.
    ///
    /// @param known nexuses whose initiator ports a mere name means
    /// @throws Refusal INVALID FIELD IN PARAMETER LIST, also where a mere name means none
    static Set<NexusId> decodeAll(
            ByteBuffer in, int at, int targetPort, Collection<NexusId> known) {
        if ((in.get(at) & 0xff) != NAME_FORMAT) {
            return Set.of(decode(in, at, targetPort));
        }
        String name = text(in, at).toLowerCase(Locale.ROOT);
        Set<NexusId> meant = new LinkedHashSet<>();
        for (NexusId nexus : known) {
            if (nexus.initiatorName().equals(name)) {
                meant.add(new NexusId(name, nexus.isid(), targetPort));
            }
        }
        if (meant.isEmpty()) {
            throw Refusal.parameter(at + HEADER_BYTES, -1);
        }
        return meant;
    }

    /// The nexus of that initiator port with a target port. A TransportID that names no port
    /// (format 00b) or another protocol's is refused.
    ///
    /// @throws Refusal INVALID FIELD IN PARAMETER LIST
    static NexusId decode(ByteBuffer in, int at, int targetPort) {
        if ((in.get(at) & 0xff) != PORT_FORMAT) {
            throw Refusal.parameter(at, 7);
        }
        String text = text(in, at);
        int separator = text.indexOf(SEPARATOR);
        String isid = separator < 0 ? "" : text.substring(separator + SEPARATOR.length());
        if (separator < 1 || separator > MAX_NAME_BYTES || !isid.matches("[0-9a-fA-F]{1,12}")) {
            throw Refusal.parameter(at + HEADER_BYTES, -1);
        }
        // Names are compared in lower case (RFC 3722).
        return new NexusId(
                text.substring(0, separator).toLowerCase(Locale.ROOT),
                HexFormat.fromHexDigitsToLong(isid),
                targetPort);
    }

    /// The text after the header, which a NUL ends.
    private static String text(ByteBuffer in, int at) {
        byte[] bytes = new byte[length(in, at) - HEADER_BYTES];
        in.get(at + HEADER_BYTES, bytes);
        int end = 0;
        while (end < bytes.length && bytes[end] != 0) {
            end++;
        }
        if (end == bytes.length) {
            throw Refusal.parameter(at + HEADER_BYTES, -1);
        }
        return new String(bytes, 0, end, StandardCharsets.UTF_8);
    }
}
