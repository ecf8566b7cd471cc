package io.cistern.nas.v4;

import io.cistern.block.fs.ByteString;
import io.cistern.nas.rpc.Callback;
import io.cistern.nas.rpc.RpcPeer;
import io.cistern.nas.share.NfsStatus;
import io.cistern.nas.state.BackChannel;
import io.cistern.nas.state.BackChannel.Security;
import io.cistern.nas.state.Session;
import io.cistern.nas.state.StateId;
import io.cistern.nas.xdr.XdrException;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;
import io.netty.buffer.Unpooled;
import java.io.IOException;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Calls clients back: CB_NULL and CB_COMPOUND (RFC 8881 chapter 20). Any thread.
final class Callbacks {
    private static final Logger LOG = LoggerFactory.getLogger(Callbacks.class);
    private static final int VERSION = 1;
    private static final int CB_NULL = 0;
    private static final int CB_COMPOUND = 1;
    private static final int CB_RECALL = 4;
    private static final int CB_SEQUENCE = 11;
    private static final int MAX_TAG_BYTES = 1_024;

    /// A client that does not answer within that is taken to be unreachable this way.
    private static final int TIMEOUT_SECONDS = 10;

    /// Finds out whether a session's client can be called back, in the background.
    void probe(Session session) {
        BackChannel back = session.back();
        if (back != null) {
            Thread.ofVirtual().name("nfs-probe").start(() -> probe(back));
        }
    }

    private void probe(BackChannel back) {
        RpcPeer line = back.line();
        if (line == null) {
            return;
        }
        try {
            call(line, back, CB_NULL, o -> {});
            back.answered(true);
        } catch (IOException e) {
            LOG.debug("{}: no callbacks: {}", line.address(), e.getMessage());
            back.answered(false);
        }
    }

    private static byte[] call(
            RpcPeer line, BackChannel back, int procedure, Consumer<XdrWriter> arguments)
            throws IOException {
        Security security = back.security();
        Callback callback =
                new Callback(
                        back.program(),
                        VERSION,
                        procedure,
                        security.flavor(),
                        security.body(),
                        arguments);
        try {
            return line.transport()
                    .call(callback)
                    .orTimeout(TIMEOUT_SECONDS, TimeUnit.SECONDS)
                    .join();
        } catch (CompletionException e) {
            throw new IOException("not answered: " + e.getCause(), e);
        }
    }

    /// CB_RECALL. Blocks.
    ///
    /// @return the client's status
    /// @throws IOException it could not be asked, or did not answer
    int recall(Session session, StateId id, ByteString handle)
            throws IOException, InterruptedException {
        BackChannel back = session.back();
        if (back == null) {
            throw new IOException("no back channel");
        }
        int sequence = back.begin();
        boolean used = false;
        try {
            RpcPeer line = back.line();
            if (line == null || !back.usable()) {
                throw new IOException("no connection for callbacks");
            }
            byte[] reply;
            try {
                reply =
                        call(
                                line,
                                back,
                                CB_COMPOUND,
                                o -> writeRecall(o, session, sequence, id, handle));
            } catch (IOException e) {
                back.fault();
                throw e;
            }
            XdrReader in = new XdrReader(Unpooled.wrappedBuffer(reply));
            int status = in.readInt();
            in.readOpaque(MAX_TAG_BYTES, "tag");
            int results = in.readInt();
            used = results > 0 && in.readInt() == CB_SEQUENCE && in.readInt() == NfsStatus.OK;
            if (!used) {
                back.fault();
                throw new IOException("CB_SEQUENCE failed with " + status);
            }
            back.answered(true);
            return status;
        } catch (XdrException e) {
            back.fault();
            throw new IOException("not a reply to a callback", e);
        } finally {
            back.end(used);
        }
    }

    private static void writeRecall(
            XdrWriter out, Session session, int sequence, StateId id, ByteString handle) {
        BackChannel back = session.back();
        out.writeString("recall").writeInt(back == null ? 1 : back.minorVersion());
        out.writeInt(0).writeInt(2); // callback_ident is of 4.0
        out.writeInt(CB_SEQUENCE);
        Wire4.write(out, session.id());
        out.writeInt(sequence).writeInt(0).writeInt(0).writeBool(false).writeInt(0);
        out.writeInt(CB_RECALL);
        Wire4.write(out, id);
        out.writeBool(false).writeOpaque(handle.toByteArray());
    }
}
