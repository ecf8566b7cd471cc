package io.cistern.iscsi.session;

import java.nio.ByteBuffer;

/// The sense data that the transport itself has to give (RFC 7143 11.4.7.2), in fixed format.
final class Sense {
    /// Data came that was not asked for, or more than the negotiated first burst.
    static final byte[] UNEXPECTED_UNSOLICITED_DATA = fixed(0x0b, 0x0c, 0x0c);

    /// Not as much data came as was to come.
    static final byte[] INCORRECT_AMOUNT_OF_DATA = fixed(0x0b, 0x0c, 0x0d);

    /// Data was lost to a wrong digest, or is missing by its DataSN.
    static final byte[] PROTOCOL_SERVICE_CRC_ERROR = fixed(0x0b, 0x47, 0x05);

    /// SPC-4: INVALID COMMAND OPERATION CODE; no bidirectional command is known here.
    static final byte[] INVALID_OPERATION_CODE = fixed(0x05, 0x20, 0x00);

    private static final int LENGTH = 18;

    private Sense() {}

    private static byte[] fixed(int key, int asc, int ascq) {
        byte[] sense = new byte[LENGTH];
        ByteBuffer.wrap(sense)
                .put(0, (byte) 0x70)
                .put(2, (byte) key)
                .put(7, (byte) (LENGTH - 8))
                .put(12, (byte) asc)
                .put(13, (byte) ascq);
        return sense;
    }
}
