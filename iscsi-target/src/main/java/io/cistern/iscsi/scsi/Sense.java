package io.cistern.iscsi.scsi;

import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/// Sense data (SPC-4 4.5), before it is known in which format it is wanted.
///
/// @param information -1 for none; an LBA, or the offset of a miscompare
/// @param pointer what field of the CDB or the parameter list was wrong, null for none
record Sense(Condition condition, long information, @Nullable FieldPointer pointer) {
    /// Length of fixed format sense data.
    static final int FIXED_BYTES = 18;

    /// Where an illegal request is wrong (SPC-4 4.5.2.4.2).
    ///
    /// @param inCdb false: in the parameter list
    /// @param bit the most significant bit of the field, -1 where the whole byte is meant
    record FieldPointer(boolean inCdb, int offset, int bit) {
        private int first() {
            return 0x80 | (inCdb ? 0x40 : 0) | (bit >= 0 ? 0x08 | bit : 0);
        }
    }

    static Sense of(Condition condition) {
        return new Sense(condition, -1, null);
    }

    static Sense at(Condition condition, long information) {
        return new Sense(condition, information, null);
    }

    /// INVALID FIELD IN CDB.
    ///
    /// @param bit most significant bit of the field in that byte, -1 for a field of whole bytes
    static Sense cdb(int offset, int bit) {
        return new Sense(Condition.INVALID_FIELD_IN_CDB, -1, new FieldPointer(true, offset, bit));
    }

    /// INVALID FIELD IN PARAMETER LIST.
    static Sense parameter(int offset, int bit) {
        return new Sense(
                Condition.INVALID_FIELD_IN_PARAMETER_LIST,
                -1,
                new FieldPointer(false, offset, bit));
    }

    byte[] encode(boolean descriptorFormat) {
        return descriptorFormat ? descriptor() : fixed();
    }

    /// Response code 70h. An information of more than 32 bits does not fit and is left out.
    private byte[] fixed() {
        ByteBuffer out = ByteBuffer.allocate(FIXED_BYTES);
        boolean valid = information >= 0 && information <= 0xffffffffL;
        out.put(0, (byte) (0x70 | (valid ? 0x80 : 0)));
        out.put(2, (byte) condition.key());
        if (valid) {
            out.putInt(3, (int) information);
        }
        out.put(7, (byte) (FIXED_BYTES - 8));
        out.put(12, (byte) condition.code());
        out.put(13, (byte) condition.qualifier());
        if (pointer != null) {
            out.put(15, (byte) pointer.first());
            out.putShort(16, (short) pointer.offset());
        }
        return out.array();
    }

    /// Response code 72h.
    private byte[] descriptor() {
        int length = 8 + (information >= 0 ? 12 : 0) + (pointer != null ? 8 : 0);
        ByteBuffer out = ByteBuffer.allocate(length);
        out.put((byte) 0x72)
                .put((byte) condition.key())
                .put((byte) condition.code())
                .put((byte) condition.qualifier())
                .put(7, (byte) (length - 8))
                .position(8);
        if (information >= 0) {
            out.put((byte) 0x00).put((byte) 0x0a).put((byte) 0x80).put((byte) 0);
            out.putLong(information);
        }
        if (pointer != null) {
            out.put((byte) 0x02).put((byte) 0x06).putShort((short) 0);
            out.put((byte) pointer.first()).putShort((short) pointer.offset()).put((byte) 0);
        }
        return out.array();
    }
}
