package io.cistern.nas;

import static io.cistern.nas.V4TestClient.*;
import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.nas.V4TestClient.Op;
import io.cistern.nas.V4TestClient.Opened;
import io.cistern.nas.xdr.XdrReader;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/// What permission bits and special stateids let a user do who has no right to it.
class RightsTest {
    private static final int PERM = 1;
    private static final int ACCESS_DENIED = 13;
    private static final int USER = 1_000;
    private static final int COPY = 60;
    private static final int READ_PLUS = 68;
    private static final int SEEK = 69;
    private static final int CLONE = 71;
    private static final byte[] ANONYMOUS = new byte[16];

    private final TestServer server = new TestServer();
    private final V4TestClient a = V4TestClient.started(server.address(), 2, "a");

    @AfterEach
    void stop() {
        a.close();
        server.close();
    }

    /// A file of root's with 8 KiB in it.
    private Opened file(String name, int mode) {
        Opened f = a.open("share", "o", name, 3, 0, true);
        a.ok(putfh(f.handle()), write(f.stateid(), 0, new byte[8_192]), chmod(mode));
        return f;
    }

    private static Op chmod(int mode) {
        return op(
                SETATTR,
                o -> o.writeFixed(ANONYMOUS).writeBitmap(0, 1 << 1).writeInt(4).writeInt(mode));
    }

    @Test
    void whoHasAFileOpenForWritingOnlyReadsItOnlyIfHeMay() {
        a.close(file("f", 0622));
        a.as(USER);
        Opened f = a.open("share", "u", "f", 2, 0, false);
        assertThat(a.status(putfh(f.handle()), write(f.stateid(), 0, new byte[1]))).isZero();
        assertThat(a.status(putfh(f.handle()), read(f.stateid(), 0, 1))).isEqualTo(ACCESS_DENIED);
        Op plus = stateOp(READ_PLUS, f.stateid(), o -> o.writeLong(0).writeInt(1));
        assertThat(a.status(putfh(f.handle()), plus)).isEqualTo(ACCESS_DENIED);
        Op seek = stateOp(SEEK, f.stateid(), o -> o.writeLong(0).writeInt(0));
        assertThat(a.status(putfh(f.handle()), seek)).isEqualTo(ACCESS_DENIED);
        Opened mine = a.open("share", "u", "mine", 3, 0, true);
        assertThat(copy(f, f.stateid(), mine, mine.stateid(), COPY)).isEqualTo(ACCESS_DENIED);
        a.as(0);
        a.ok(putfh(f.handle()), chmod(0666));
        a.as(USER);
        assertThat(a.status(putfh(f.handle()), read(f.stateid(), 0, 1)))
                .as("his by the mode")
                .isZero();
    }

    @Test
    void nobodyCopiesOrClonesIntoAFileThatHeMayNotWrite() {
        Opened from = file("from", 0644);
        Opened to = file("to", 0644);
        for (int how : new int[] {COPY, CLONE}) {
            a.as(USER);
            assertThat(copy(from, ANONYMOUS, to, ANONYMOUS, how)).isEqualTo(ACCESS_DENIED);
            a.as(0);
            a.ok(putfh(to.handle()), chmod(0646));
            a.as(USER);
            assertThat(copy(from, ANONYMOUS, to, ANONYMOUS, how)).isZero();
            a.as(0);
            a.ok(putfh(to.handle()), chmod(0644));
            assertThat(copy(from, ANONYMOUS, to, ANONYMOUS, how)).as("the superuser").isZero();
        }
    }

    private int copy(Opened from, byte[] fromState, Opened to, byte[] toState, int how) {
        Op copy =
                op(
                        how,
                        o -> {
                            o.writeFixed(fromState).writeFixed(toState);
                            o.writeLong(0).writeLong(0).writeLong(4_096);
                            if (how == COPY) {
                                o.writeBool(true).writeBool(true).writeInt(0);
                            }
                        });
        return a.status(putfh(from.handle()), op(SAVEFH), putfh(to.handle()), copy);
    }

    @Test
    void onlyTheSuperuserMakesDeviceFiles() {
        a.as(USER);
        assertThat(a.status(root(), lookup("share"), special(3, "b"))).isEqualTo(PERM);
        assertThat(a.status(root(), lookup("share"), special(4, "c"))).isEqualTo(PERM);
        assertThat(a.status(root(), lookup("share"), special(6, "socket"))).isZero();
        assertThat(a.status(root(), lookup("share"), special(7, "pipe"))).isZero();
        try (RpcTestClient old = server.client()) {
            byte[] directory = handle();
            old.as(USER);
            assertThat(mknod(old, directory, 4)).isEqualTo(PERM);
            assertThat(mknod(old, directory, 7)).isZero();
            old.as(0);
            assertThat(mknod(old, directory, 4)).isZero();
        }
        a.as(0);
        assertThat(a.status(root(), lookup("share"), special(4, "c"))).isZero();
    }

    /// CREATE of a device (3, 4), socket (6) or FIFO (7).
    private static Op special(int type, String name) {
        return op(
                CREATE,
                o -> {
                    o.writeInt(type);
                    if (type < 5) {
                        o.writeInt(1).writeInt(3);
                    }
                    o.writeString(name).writeBitmap(0, 1 << 1).writeInt(4).writeInt(0644);
                });
    }

    private byte[] handle() {
        XdrReader r = a.ok(root(), lookup("share"), op(GETFH));
        result(r, PUTROOTFH);
        result(r, LOOKUP);
        result(r, GETFH);
        return r.readOpaque(128, "handle");
    }

    private static int mknod(RpcTestClient client, byte[] directory, int type) {
        return client.call(
                        RpcTestClient.NFS,
                        3,
                        11,
                        o -> {
                            o.writeOpaque(directory).writeString("v3-" + type).writeInt(type);
                            for (int i = 0; i < 6; i++) {
                                o.writeInt(0); // no attributes
                            }
                            if (type < 5) {
                                o.writeInt(1).writeInt(3);
                            }
                        })
                .readInt();
    }
}
