package io.cistern.iscsi.pdu;

import io.netty.buffer.ByteBuf;

/// Byte 1 of login PDUs (RFC 7143 11.12.1 to 11.12.3).
///
/// @param transit T: the sender is ready to go from `current` to `next`
/// @param more C: the text goes on in the next PDU
/// @param current see the constants
/// @param next meaningful with `transit`
public record LoginStage(boolean transit, boolean more, int current, int next) {
    public static final int SECURITY = 0;
    public static final int OPERATIONAL = 1;
    public static final int FULL_FEATURE = 3;

    void encode(ByteBuf h) {
        h.setByte(1, (transit ? 0x80 : 0) | (more ? 0x40 : 0) | current << 2 | next);
    }

    static LoginStage decode(ByteBuf h) {
        int b = h.getByte(1);
        return new LoginStage((b & 0x80) != 0, (b & 0x40) != 0, b >> 2 & 3, b & 3);
    }
}
