package io.cistern.iscsi.session;

import io.cistern.iscsi.PortalConfig;
import io.cistern.iscsi.pdu.NopIn;
import io.cistern.iscsi.pdu.Pdu;
import io.netty.buffer.Unpooled;

/// Asks a silent initiator whether it lives (RFC 7143 11.19). Event loop only.
final class Pings {
    private final Connection connection;
    private final long afterNanos;
    private final long answerNanos;
    private int lastTag;
    private boolean asked;
    private long askedAt;

    Pings(Connection connection) {
        this.connection = connection;
        PortalConfig.Timeouts timeouts = connection.shared().config().timeouts();
        this.afterNanos = timeouts.pingAfter().toNanos();
        this.answerNanos = timeouts.pingAnswer().toNanos();
    }

    /// Any PDU is a sign of life; the answer needs no matching.
    void answered(int ttt) {
        if (ttt == lastTag) {
            asked = false;
        }
    }

    /// Sends a ping where one is due.
    ///
    /// @param mayPing false in discovery, whose initiators need not answer; they are given as long
    /// @return whether the initiator has been silent for too long
    boolean silent(long now, boolean mayPing) {
        long heard = connection.lastReceived();
        if (asked && heard - askedAt > 0) {
            asked = false;
        }
        if (asked) {
            return now - askedAt > answerNanos;
        }
        if (now - heard < afterNanos) {
            return false;
        }
        asked = true;
        askedAt = now;
        if (mayPing) {
            lastTag = lastTag == Pdu.NO_TAG - 1 ? 1 : lastTag + 1;
            Outbox out = connection.out();
            out.send(new NopIn(0, Pdu.NO_TAG, lastTag, out.peek(), Unpooled.EMPTY_BUFFER));
        }
        return false;
    }
}
