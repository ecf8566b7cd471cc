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

        /// Whether it is a request with a CmdSN that is used up (RFC 7143 4.2.2.1).
        public boolean takesCmdSn() {
            return switch (opcode()) {
                case Pdu.Opcode.NOP_OUT,
                        Pdu.Opcode.SCSI_REQUEST,
                        Pdu.Opcode.TASK_MANAGEMENT_REQUEST,
                        Pdu.Opcode.TEXT_REQUEST,
                        Pdu.Opcode.LOGOUT_REQUEST ->
                        (bytes[0] & Pdu.Opcode.IMMEDIATE) == 0;
                default -> false;
            };
        }

        public int cmdSn() {
            return int32(24);
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
