package io.cistern.nas.rpc;

import io.cistern.nas.rpc.RpcException.Answer;
import io.cistern.nas.xdr.XdrException;
import io.cistern.nas.xdr.XdrReader;
import io.netty.buffer.ByteBuf;
import java.nio.charset.StandardCharsets;

/// Call and reply headers (RFC 5531 section 9).
final class RpcHeader {
    static final int CALL = 0;
    static final int REPLY = 1;
    static final int RPC_VERSION = 2;

    /// What [#success] writes.
    static final int SUCCESS_BYTES = 24;

    private static final int MAX_AUTH_BYTES = 400;
    private static final byte[] STARTTLS = "STARTTLS".getBytes(StandardCharsets.US_ASCII);

    private RpcHeader() {}

    /// An authentication flavor and its bytes.
    record OpaqueAuth(int flavor, ByteBuf body) {
        static OpaqueAuth read(XdrReader in) {
            return new OpaqueAuth(
                    in.readInt(), in.readOpaqueView(MAX_AUTH_BYTES, "authentication body"));
        }
    }

    /// @throws RpcException AUTH_BADCRED, AUTH_REJECTEDCRED or AUTH_BADVERF
    static Credential credential(OpaqueAuth cred, OpaqueAuth verifier) {
        Credential result =
                switch (cred.flavor()) {
                    case Credential.FLAVOR_NONE -> {
                        if (cred.body().isReadable()) {
                            throw new RpcException(Answer.AUTH_BADCRED, "AUTH_NONE with a body");
                        }
                        yield new Credential.Anonymous();
                    }
                    case Credential.FLAVOR_SYS -> sys(cred.body());
                    case Credential.FLAVOR_SHORT, Credential.FLAVOR_GSS ->
                            throw new RpcException(Answer.AUTH_REJECTEDCRED, "flavor not offered");
                    default -> throw new RpcException(Answer.AUTH_BADCRED, "unknown flavor");
                };
        if (verifier.flavor() != Credential.FLAVOR_NONE || verifier.body().isReadable()) {
            throw new RpcException(Answer.AUTH_BADVERF, "the verifier is not an empty AUTH_NONE");
        }
        return result;
    }

    private static Credential sys(ByteBuf body) {
        try {
            return Credential.Sys.read(new XdrReader(body));
        } catch (XdrException e) {
            throw new RpcException(Answer.AUTH_BADCRED, "AUTH_SYS: " + e.getMessage());
        }
    }

    private static void accepted(ByteBuf out, int xid, int stat) {
        out.writeInt(xid);
        out.writeInt(REPLY);
        out.writeInt(0); // MSG_ACCEPTED
        out.writeInt(Credential.FLAVOR_NONE);
        out.writeInt(0);
        out.writeInt(stat);
    }

    static void success(ByteBuf out, int xid) {
        accepted(out, xid, 0);
    }

    /// @param low lowest version, where the answer is PROG_MISMATCH
    static void failure(ByteBuf out, int xid, Answer answer, int low, int high) {
        if (answer.denied()) {
            out.writeInt(xid);
            out.writeInt(REPLY);
            out.writeInt(1); // MSG_DENIED
            out.writeInt(1); // AUTH_ERROR
            out.writeInt(answer.number());
            return;
        }
        accepted(out, xid, answer.number());
        if (answer == Answer.PROG_MISMATCH) {
            out.writeInt(low);
            out.writeInt(high);
        }
    }

    static void rpcMismatch(ByteBuf out, int xid) {
        out.writeInt(xid);
        out.writeInt(REPLY);
        out.writeInt(1); // MSG_DENIED
        out.writeInt(0); // RPC_MISMATCH
        out.writeInt(RPC_VERSION);
        out.writeInt(RPC_VERSION);
    }

    /// What a server with TLS answers the probe with (RFC 9289 section 4.1).
    static void startTls(ByteBuf out, int xid) {
        out.writeInt(xid);
        out.writeInt(REPLY);
        out.writeInt(0);
        out.writeInt(Credential.FLAVOR_NONE);
        out.writeInt(STARTTLS.length);
        out.writeBytes(STARTTLS);
        out.writeInt(0);
    }
}
