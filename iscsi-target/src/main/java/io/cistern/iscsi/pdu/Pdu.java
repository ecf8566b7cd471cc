package io.cistern.iscsi.pdu;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.util.ReferenceCountUtil;

/// A protocol data unit (RFC 7143 section 11).
///
/// Each record reads its fields from a basic header segment and writes them to one; lengths,
/// padding and digests belong to [PduDecoder] and [PduEncoder]. A data segment belongs to whoever
/// holds the record.
public sealed interface Pdu
        permits AsyncMessage,
                DataIn,
                DataOut,
                LoginRequest,
                LoginResponse,
                LogoutRequest,
                LogoutResponse,
                NopIn,
                NopOut,
                ReadyToTransfer,
                Reject,
                ScsiRequest,
                ScsiResponse,
                SnackRequest,
                TaskManagementRequest,
                TaskManagementResponse,
                TextRequest,
                TextResponse {
    /// Size of the basic header segment in bytes.
    int HEADER_BYTES = 48;

    /// The tag that stands for "none" (RFC 7143 11.19, 11.7.4).
    int NO_TAG = 0xffffffff;

    /// Length of the longest data segment that the 24-bit field can state.
    int MAX_DATA_BYTES = 0xffffff;

    /// The six bits of RFC 7143 11.2.1.2.
    int opcode();

    /// The data segment without padding.
    default ByteBuf data() {
        return Unpooled.EMPTY_BUFFER;
    }

    /// The additional header segments, padded (RFC 7143 11.2.2).
    default ByteBuf additionalHeader() {
        return Unpooled.EMPTY_BUFFER;
    }

    /// Writes the fields into `header`, 48 bytes that are zero; not the lengths in bytes 4 to 7.
    void encode(ByteBuf header);

    /// Gives up the data segment.
    default void release() {
        ReferenceCountUtil.release(data());
    }

    /// The opcodes of RFC 7143 11.2.1.2.
    final class Opcode {
        public static final int NOP_OUT = 0x00;
        public static final int SCSI_REQUEST = 0x01;
        public static final int TASK_MANAGEMENT_REQUEST = 0x02;
        public static final int LOGIN_REQUEST = 0x03;
        public static final int TEXT_REQUEST = 0x04;
        public static final int DATA_OUT = 0x05;
        public static final int LOGOUT_REQUEST = 0x06;
        public static final int SNACK_REQUEST = 0x10;
        public static final int NOP_IN = 0x20;
        public static final int SCSI_RESPONSE = 0x21;
        public static final int TASK_MANAGEMENT_RESPONSE = 0x22;
        public static final int LOGIN_RESPONSE = 0x23;
        public static final int TEXT_RESPONSE = 0x24;
        public static final int DATA_IN = 0x25;
        public static final int LOGOUT_RESPONSE = 0x26;
        public static final int READY_TO_TRANSFER = 0x31;
        public static final int ASYNC_MESSAGE = 0x32;
        public static final int REJECT = 0x3f;

        /// The I bit of byte 0: immediate delivery.
        static final int IMMEDIATE = 0x40;

        static final int MASK = 0x3f;

        /// The F bit of byte 1, which many PDUs must set.
        static final int FINAL = 0x80;

        private Opcode() {}
    }
}
