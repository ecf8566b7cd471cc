package io.cistern.nas;

import static io.cistern.nas.V4TestClient.CREATE_SESSION;
import static io.cistern.nas.V4TestClient.EXCHANGE_ID;
import static io.cistern.nas.V4TestClient.GETATTR;
import static io.cistern.nas.V4TestClient.OPEN;
import static io.cistern.nas.V4TestClient.SEQUENCE;
import static io.cistern.nas.V4TestClient.SETATTR;
import static io.cistern.nas.V4TestClient.lookup;
import static io.cistern.nas.V4TestClient.op;
import static io.cistern.nas.V4TestClient.putfh;
import static io.cistern.nas.V4TestClient.result;
import static io.cistern.nas.V4TestClient.root;
import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.nas.V4TestClient.Op;
import io.cistern.nas.V4TestClient.Opened;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/// Corners of RFC 8881 that clients seldom come to.
class SessionRulesTest {
    private static final int TOOSMALL = 10_005;
    private static final int SHARE_DENIED = 10_015;
    private static final int ATTRNOTSUPP = 10_032;
    private static final int SEQ_MISORDERED = 10_063;

    private final TestServer server = new TestServer();
    private final V4TestClient a = V4TestClient.started(server.address(), 1, "a");

    @AfterEach
    void stop() {
        a.close();
        server.close();
    }

    private static Op createSession(long client, int sequence, int requestBytes) {
        return op(
                CREATE_SESSION,
                o -> {
                    o.writeLong(client).writeInt(sequence).writeInt(0);
                    channel(o, requestBytes);
                    channel(o, 4_096);
                    o.writeInt(0x4000_0000).writeInt(1).writeInt(0);
                });
    }

    private static void channel(XdrWriter o, int requestBytes) {
        o.writeInt(0).writeInt(requestBytes).writeInt(4_096).writeInt(1_024);
        o.writeInt(8).writeInt(4).writeInt(0);
    }

    @Test
    void aSessionThatWasRefusedHasNotTakenItsSequenceNumber() {
        XdrReader id =
                a.alone(
                        op(
                                EXCHANGE_ID,
                                o -> {
                                    o.writeLong(1).writeString("refused").writeInt(0);
                                    o.writeInt(0).writeInt(0);
                                }));
        long client = id.readLong();
        int next = id.readInt();
        a.alone(createSession(client, next + 1, 4_096));
        assertThat(a.lastStatus()).isEqualTo(SEQ_MISORDERED);
        a.alone(createSession(client, next, 10));
        assertThat(a.lastStatus()).isEqualTo(TOOSMALL);
        XdrReader made = a.alone(createSession(client, next, 4_096));
        assertThat(a.lastStatus()).isZero();
        byte[] session = made.readFixed(16);
        XdrReader again = a.alone(createSession(client, next, 4_096));
        assertThat(again.readFixed(16)).isEqualTo(session);
    }

    @Test
    void aSequenceAloneIsAnsweredAgainThoughItsReplyWasTooLongToKeep() {
        byte[] session = a.session();
        for (int i = 0; i < 2; i++) {
            XdrReader r =
                    a.call(
                            V4TestClient.NFS,
                            4,
                            1,
                            o -> {
                                o.writeString("t".repeat(1_000)).writeInt(1).writeInt(1);
                                o.writeInt(SEQUENCE).writeFixed(session);
                                o.writeInt(1).writeInt(7).writeInt(7).writeBool(false);
                            });
            assertThat(r.readInt()).isZero();
            r.readString(1_000, "tag");
            assertThat(r.readInt()).isEqualTo(1);
            result(r, SEQUENCE);
            assertThat(r.readFixed(16)).isEqualTo(session);
        }
    }

    @Test
    void attributesOfAnyNumberMayBeAskedForAndOnlyThoseOfferedAreSet() {
        XdrReader r = a.ok(root(), op(GETATTR, o -> o.writeBitmap(1 << 1, 0, 0, 0, -1, 0, 1)));
        result(r, V4TestClient.PUTROOTFH);
        result(r, GETATTR);
        assertThat(r.readBitmap(8, "mask")).containsExactly(1 << 1);
        Opened f = a.open("share", "o", "f", 3, 0, true);
        Op set =
                op(SETATTR, o -> o.writeFixed(new byte[16]).writeBitmap(0, 0, 0, 0, 1).writeInt(0));
        assertThat(a.status(putfh(f.handle()), set)).isEqualTo(ATTRNOTSUPP);
    }

    @Test
    void aTimeOfCreationIsTakenAlongWithOthersAndLeftAsItIs() {
        Opened f = a.open("share", "o", "f", 3, 0, true);
        int mode = 1 << 1;
        int created = 1 << 18;
        Op set =
                op(
                        SETATTR,
                        o -> {
                            o.writeFixed(new byte[16]).writeBitmap(0, mode | created);
                            o.writeInt(16).writeInt(0600).writeLong(1).writeInt(0);
                        });
        XdrReader r = a.ok(putfh(f.handle()), set);
        result(r, V4TestClient.PUTFH);
        result(r, SETATTR);
        assertThat(r.readBitmap(3, "attrset")).containsExactly(0, mode);
        XdrReader now = a.ok(putfh(f.handle()), op(GETATTR, o -> o.writeBitmap(0, mode | created)));
        result(now, V4TestClient.PUTFH);
        result(now, GETATTR);
        now.readBitmap(3, "mask");
        now.readInt();
        assertThat(now.readInt()).isEqualTo(0600);
        assertThat(now.readLong()).as("seconds").isGreaterThan(1);
    }

    /// OPEN, UNCHECKED, with a size of 0.
    private static Op cutOpen(String owner, String name) {
        return op(
                OPEN,
                o -> {
                    o.writeInt(0).writeInt(1).writeInt(0).writeLong(0).writeString(owner);
                    o.writeBool(true).writeInt(0).writeBitmap(1 << 4).writeInt(8).writeLong(0);
                    o.writeInt(0).writeString(name);
                });
    }

    @Test
    void anOpenThatMayNotCutTheFileOffIsNotEntered() {
        Opened f = a.open("share", "o", "f", 3, 0, true);
        a.ok(putfh(f.handle()), V4TestClient.write(f.stateid(), 0, new byte[100]));
        a.close(f);
        Op[] cut = {root(), lookup("share"), cutOpen("reader", "f")};
        a.as(1_000);
        assertThat(a.status(cut)).as("ACCESS").isEqualTo(13);
        a.as(0);
        assertThat(server.server.metrics().state().opens()).isZero();
        try (V4TestClient b = V4TestClient.started(server.address(), 1, "b")) {
            Opened denied = b.open("share", "o", "f", 1, 2, false);
            assertThat(a.status(cut)).isEqualTo(SHARE_DENIED);
            b.close(denied);
            assertThat(a.status(cut)).isZero();
        }
    }
}
