package io.cistern.iscsi.pdu;

/// What a decoder passes on in place of a PDU that it could not accept; the stream stays in step.
///
/// @param detail what was wrong, for logs
public record Malformed(Kind kind, Header header, String detail) {
    public enum Kind {
        UNKNOWN_OPCODE,
        /// The additional header, or where no data may be there is some.
        BAD_HEADER,
        DATA_DIGEST
    }

    /// The 48 bytes of the basic header segment.
    public record Header(byte[] bytes) {
        public int opcode() {
            return bytes[0] & Pdu.Opcode.MASK;
        }

        public int itt() {
            return int32(16);
        }

        public int ttt() {
            return int32(20);
        }

        /// The F bit.
        public boolean last() {
            return (bytes[1] & Pdu.Opcode.FINAL) != 0;
        }

        private int int32(int at) {
            return java.nio.ByteBuffer.wrap(bytes).getInt(at);
        }
    }
}
