package io.cistern.nas.v4;

import io.cistern.nas.share.NfsException;
import io.cistern.nas.state.Session;
import io.cistern.nas.state.SessionId;
import io.cistern.nas.state.Status4;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;
import org.jspecify.annotations.Nullable;

/// SEQUENCE (RFC 8881 section 18.46).
record SequenceOp(SessionId id, Session.Ask ask, boolean keep) implements Operation {
    /// A reply with nothing but SEQUENCE's result, its tag aside.
    private static final int SOLE_REPLY_BYTES = 24 + 12 + 8 + 36;

    static SequenceOp decode(XdrReader in) {
        SessionId id = Wire4.readSessionId(in);
        int sequence = in.readInt();
        int slot = in.readInt();
        int highest = in.readInt();
        return new SequenceOp(id, new Session.Ask(sequence, slot, highest, 0), in.readBool());
    }

    /// Claims the slot.
    ///
    /// @return null: carry the request out; else the reply of the first time, empty where it was
    ///   not kept
    byte @Nullable [] claim(Compound c, int checksum) {
        Session session = c.parts().adoption().use(id, c.call());
        if (c.call().record().writerIndex() > session.fore().maxRequestBytes()) {
            throw new NfsException(Status4.REQ_TOO_BIG, "longer than the session allows");
        }
        if (c.operations() > session.fore().maxOperations()) {
            throw new NfsException(Status4.TOO_MANY_OPS, "more than the session allows");
        }
        if (keep && session.fore().maxCachedBytes() < SOLE_REPLY_BYTES) {
            throw new NfsException(Status4.REP_TOO_BIG_TO_CACHE, "the session keeps no replies");
        }
        Session.Ask asked =
                new Session.Ask(ask.sequence(), ask.slot(), ask.highestSlot(), checksum);
        byte[] first = session.begin(asked);
        session.client().usage().request();
        c.enter(session, asked, first == null, keep);
        return first;
    }

    @Override
    public void execute(Compound c, XdrWriter out) {
        int highest = c.session().slotCount() - 1;
        Wire4.write(out, id);
        out.writeInt(ask.sequence()).writeInt(ask.slot());
        out.writeInt(highest).writeInt(highest);
        out.writeInt(c.state().statusFlags(c.session()));
    }
}
