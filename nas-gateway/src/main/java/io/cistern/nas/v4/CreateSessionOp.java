package io.cistern.nas.v4;

import io.cistern.nas.share.NfsException;
import io.cistern.nas.share.NfsStatus;
import io.cistern.nas.state.BackChannel;
import io.cistern.nas.state.ChannelAttributes;
import io.cistern.nas.state.Client.CreatedSession;
import io.cistern.nas.state.Session;
import io.cistern.nas.state.SessionRequest;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;
import org.jspecify.annotations.Nullable;

/// CREATE_SESSION (RFC 8881 section 18.36).
///
/// @param program that the client offers for callbacks
/// @param security null: none that this server knows was offered
record CreateSessionOp(
        long client,
        int sequence,
        int flags,
        ChannelAttributes fore,
        ChannelAttributes back,
        int program,
        BackChannel.@Nullable Security security)
        implements Operation {
    private static final int CONN_BACK_CHAN = 2;

    /// PERSIST, CONN_BACK_CHAN and CONN_RDMA.
    private static final int KNOWN_FLAGS = 1 | 2 | 4;

    static CreateSessionOp decode(XdrReader in) {
        long client = in.readLong();
        int sequence = in.readInt();
        int flags = in.readInt();
        ChannelAttributes fore = readChannel(in);
        ChannelAttributes back = readChannel(in);
        int program = in.readInt();
        return new CreateSessionOp(
                client, sequence, flags, fore, back, program, CallbackSecurity.read(in));
    }

    private static ChannelAttributes readChannel(XdrReader in) {
        in.readInt(); // header padding is for RDMA
        ChannelAttributes attributes =
                new ChannelAttributes(
                        in.readInt(), in.readInt(), in.readInt(), in.readInt(), in.readInt());
        if (in.readCount(1, "RDMA read depths") == 1) {
            in.readInt();
        }
        return attributes;
    }

    private static void write(XdrWriter out, ChannelAttributes a) {
        out.writeInt(0).writeInt(a.maxRequestBytes()).writeInt(a.maxResponseBytes());
        out.writeInt(a.maxCachedBytes()).writeInt(a.maxOperations()).writeInt(a.maxRequests());
        out.writeInt(0);
    }

    @Override
    public void execute(Compound c, XdrWriter out) {
        if ((flags & ~KNOWN_FLAGS) != 0) {
            throw new NfsException(NfsStatus.INVAL, "undefined flags");
        }
        BackChannel callbacks =
                security == null ? null : new BackChannel(program, security, c.minorVersion());
        boolean same = callbacks != null && (flags & CONN_BACK_CHAN) != 0;
        if (callbacks != null && same) {
            callbacks.add(c.call().peer());
        }
        CreatedSession created =
                c.state()
                        .createSession(
                                new SessionRequest(
                                        client,
                                        sequence,
                                        fore,
                                        back,
                                        Principals.of(c.call()),
                                        c.call().peer().id(),
                                        callbacks,
                                        same));
        Session session = c.state().findSession(created.id(), c.call().peer().id());
        if (same && session != null) {
            c.parts().callbacks().probe(session);
        }
        Wire4.write(out, created.id());
        out.writeInt(created.sequence()).writeInt(created.flags());
        write(out, created.fore());
        write(out, created.back());
    }

    @Override
    public int resultBytes() {
        return 88;
    }
}
