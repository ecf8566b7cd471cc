package io.cistern.iscsi.pdu;

import io.netty.buffer.ByteBuf;

/// The sequence numbers that every PDU of a target carries in bytes 24 to 35 (RFC 7143 4.2.2).
/// Serial numbers of 32 bits.
///
/// @param maxCmdSn the last command number that the initiator may use
public record TargetNumbers(int statSn, int expCmdSn, int maxCmdSn) {
    private static final int AT = 24;

    void encode(ByteBuf header) {
        header.setInt(AT, statSn).setInt(AT + 4, expCmdSn).setInt(AT + 8, maxCmdSn);
    }

    static TargetNumbers decode(ByteBuf header) {
        return new TargetNumbers(header.getInt(AT), header.getInt(AT + 4), header.getInt(AT + 8));
    }
}
