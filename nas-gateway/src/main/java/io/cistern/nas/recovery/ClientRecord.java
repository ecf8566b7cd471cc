package io.cistern.nas.recovery;

import io.cistern.block.fs.ByteString;
import io.cistern.nas.state.ChannelAttributes;
import io.cistern.nas.state.Kinds;
import io.cistern.nas.state.KnownClient;
import io.cistern.nas.state.KnownClient.KnownSession;
import io.cistern.nas.state.Principal;
import io.cistern.nas.state.SessionId;
import io.cistern.nas.xdr.XdrException;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import io.netty.buffer.UnpooledByteBufAllocator;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// How a client is recorded in a share.
///
/// ```
/// record   := version:u8 (1) owner                     of earlier servers: who may reclaim
///           | version:u8 (2 or 3) zero[3] owner:opaque id:i64 boot:i32 verifier:i64 flavor:i32
///             uid:i32 gid:i32 address:string createSequence:i32 nextSession:i32
///             (state:bool, of earlier servers: whether it had opens | kinds:i32) session<64>
/// session  := client:i64 boot:i32 number:i32 channel:i32[5]          as XDR (RFC 4506)
/// ```
final class ClientRecord {
    private static final byte OLD = 1;
    private static final byte WITHOUT_KINDS = 2;
    private static final byte VERSION = 3;
    private static final int MAX_OWNER_BYTES = 1_024;
    private static final int MAX_ADDRESS_BYTES = 256;
    private static final int MAX_SESSIONS = 1_024;

    private ClientRecord() {}

    static ByteString encode(KnownClient c) {
        try (XdrWriter out = new XdrWriter(UnpooledByteBufAllocator.DEFAULT)) {
            out.writeInt(VERSION << 24).writeOpaque(c.owner().toByteArray());
            out.writeLong(c.id()).writeInt(c.boot()).writeLong(c.verifier());
            out.writeInt(c.principal().flavor());
            out.writeInt(c.principal().uid()).writeInt(c.principal().gid());
            out.writeString(c.address()).writeInt(c.createSequence()).writeInt(c.nextSession());
            out.writeInt(c.kinds()).writeInt(c.sessions().size());
            for (KnownSession s : c.sessions()) {
                out.writeLong(s.id().client()).writeInt(s.id().boot()).writeInt(s.id().number());
                ChannelAttributes f = s.fore();
                out.writeInt(f.maxRequestBytes()).writeInt(f.maxResponseBytes());
                out.writeInt(f.maxCachedBytes()).writeInt(f.maxOperations());
                out.writeInt(f.maxRequests());
            }
            ByteBuf bytes = out.take();
            try {
                return ByteString.of(ByteBufUtil.getBytes(bytes));
            } finally {
                bytes.release();
            }
        }
    }

    /// @return null: not a record that this server understands
    static @Nullable KnownClient decode(ByteString value) {
        byte[] bytes = value.toByteArray();
        if (bytes.length > 1 && bytes[0] == OLD) {
            ByteString owner = ByteString.of(Arrays.copyOfRange(bytes, 1, bytes.length));
            return new KnownClient(
                    owner, 0, 0, 0, new Principal(0, 0, 0), "", 0, 0, Kinds.ALL, List.of());
        }
        try {
            return read(new XdrReader(Unpooled.wrappedBuffer(bytes)));
        } catch (XdrException e) {
            return null;
        }
    }

    private static @Nullable KnownClient read(XdrReader in) {
        int version = in.readInt();
        if (version != VERSION << 24 && version != WITHOUT_KINDS << 24) {
            return null;
        }
        boolean withKinds = version == VERSION << 24;
        KnownClient client =
                new KnownClient(
                        ByteString.of(in.readOpaque(MAX_OWNER_BYTES, "owner")),
                        in.readLong(),
                        in.readInt(),
                        in.readLong(),
                        new Principal(in.readInt(), in.readInt(), in.readInt()),
                        in.readString(MAX_ADDRESS_BYTES, "address"),
                        in.readInt(),
                        in.readInt(),
                        withKinds ? readKinds(in) : in.readBool() ? Kinds.ALL : Kinds.NONE,
                        in.readList(MAX_SESSIONS, "sessions", ClientRecord::readSession));
        in.expectEnd("client record");
        return client;
    }

    private static int readKinds(XdrReader in) {
        int kinds = in.readInt();
        if ((kinds & ~Kinds.ALL) != 0) {
            throw new XdrException("an unknown kind of state");
        }
        return kinds;
    }

    private static KnownSession readSession(XdrReader in) {
        SessionId id = new SessionId(in.readLong(), in.readInt(), in.readInt());
        ChannelAttributes fore =
                new ChannelAttributes(
                        in.readInt(), in.readInt(), in.readInt(), in.readInt(), in.readInt());
        if (fore.maxRequests() < 1 || fore.maxRequests() > MAX_SESSIONS) {
            throw new XdrException("a session without slots");
        }
        return new KnownSession(id, fore);
    }
}
