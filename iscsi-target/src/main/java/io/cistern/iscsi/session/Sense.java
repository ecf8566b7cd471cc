package io.cistern.iscsi.session;

import java.nio.ByteBuffer;

/// The sense data that the transport itself has to give (RFC 7143 11.4.7.2).
enum Sense {
    /// Data came that was not asked for, or more than the negotiated first burst.
    UNEXPECTED_UNSOLICITED_DATA(0x0b, 0x0c, 0x0c),
    /// Not as much data came as was to come.
    INCORRECT_AMOUNT_OF_DATA(0x0b, 0x0c, 0x0d),
    /// Data was lost to a wrong digest, or is missing by its DataSN.
    PROTOCOL_SERVICE_CRC_ERROR(0x0b, 0x47, 0x05),
    /// SPC-4: INVALID COMMAND OPERATION CODE; no bidirectional command is known here.
    INVALID_OPERATION_CODE(0x05, 0x20, 0x00);

    private static final int FIXED_BYTES = 18;
    private static final int DESCRIPTOR_BYTES = 8;

    private final byte key;
    private final byte code;
    private final byte qualifier;

    Sense(int key, int code, int qualifier) {
        this.key = (byte) key;
        this.code = (byte) code;
        this.qualifier = (byte) qualifier;
    }

    /// @param descriptorFormat whether D_SENSE is set (SPC-4 4.5)
    byte[] encode(boolean descriptorFormat) {
        if (descriptorFormat) {
            return ByteBuffer.allocate(DESCRIPTOR_BYTES)
                    .put((byte) 0x72)
                    .put(key)
                    .put(code)
                    .put(qualifier)
                    .array();
        }
        return ByteBuffer.allocate(FIXED_BYTES)
                .put(0, (byte) 0x70)
                .put(2, key)
                .put(7, (byte) (FIXED_BYTES - 8))
                .put(12, code)
                .put(13, qualifier)
                .array();
    }
}
