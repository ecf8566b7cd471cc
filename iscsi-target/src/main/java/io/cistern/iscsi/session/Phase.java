package io.cistern.iscsi.session;

import io.cistern.iscsi.pdu.Malformed;
import io.cistern.iscsi.pdu.Pdu;

/// What a connection does with what it receives. Event loop only.
interface Phase {
    /// Ownership of the PDU's data passes on.
    void received(Pdu pdu);

    void malformed(Malformed malformed);

    /// Called about every second.
    void tick(long nowNanos);

    /// The portal closes: end in order, or at once.
    void shutdown(String reason);

    /// The connection is gone. Called once.
    void closed();
}
