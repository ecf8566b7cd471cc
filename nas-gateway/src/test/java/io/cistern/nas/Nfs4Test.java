package io.cistern.nas;

import static io.cistern.nas.V4TestClient.*;
import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.block.fs.FileId;
import io.cistern.nas.V4TestClient.Op;
import io.cistern.nas.V4TestClient.Opened;
import io.cistern.nas.state.StateLimits;
import io.cistern.nas.xdr.XdrReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/// COMPOUNDs of NFSv4.1 and 4.2 as bytes on the wire.
class Nfs4Test {
    private static final byte[] ANONYMOUS = new byte[16];
    private static final byte[] CURRENT = new byte[16];
    private static final byte[] DATA = "hello".getBytes(StandardCharsets.US_ASCII);

    static {
        CURRENT[3] = 1;
    }

    private final TestServer server = new TestServer();
    private final V4TestClient a = V4TestClient.started(server.address(), 2, "a");

    @AfterEach
    void stop() {
        a.close();
        server.close();
    }

    @Test
    void minorVersionZeroIsRefusedClearly() {
        try (V4TestClient old = new V4TestClient(server.address(), 0)) {
            old.alone(op(PUTROOTFH));
            assertThat(old.lastStatus()).isEqualTo(10_021);
            assertThat(old.lastCount()).isZero();
        }
    }

    @Test
    void clientIdsWithFlagsForWhatIsNotOfferedAreRefused() {
        for (int flag : new int[] {0x4, 0x8, 0x8000_0000}) {
            a.alone(
                    op(
                            EXCHANGE_ID,
                            o -> {
                                o.writeLong(1).writeString("flags").writeInt(flag);
                                o.writeInt(0).writeInt(0);
                            }));
            assertThat(a.lastStatus()).as("INVAL").isEqualTo(22);
        }
    }

    @Test
    void operationsOfTheNextMinorVersionAreIllegal() {
        try (V4TestClient b = V4TestClient.started(server.address(), 1, "b")) {
            assertThat(b.status(root(), op(69))).isEqualTo(10_044); // SEEK
        }
        assertThat(a.status(root(), op(76))).isEqualTo(10_044);
        assertThat(a.status(root(), op(0))).isEqualTo(10_044);
    }

    @Test
    void whatNeedsASessionIsRefusedWithoutOne() {
        a.alone(op(PUTROOTFH));
        assertThat(a.lastStatus()).as("OP_NOT_IN_SESSION").isEqualTo(10_071);
        assertThat(a.status(op(SEQUENCE, o -> o.writeFixed(new byte[32])))).isEqualTo(10_064);
        assertThat(a.status(op(GETFH))).as("NOFILEHANDLE").isEqualTo(10_020);
        assertThat(a.status(op(RESTOREFH))).as("RESTOREFH").isEqualTo(10_030);
    }

    @Test
    void theRootListsTheSharesAndCrossesIntoThem() {
        XdrReader r =
                a.ok(
                        root(),
                        op(
                                READDIR,
                                o ->
                                        o.writeLong(0)
                                                .writeLong(0)
                                                .writeInt(4_096)
                                                .writeInt(4_096)
                                                .writeBitmap(1 << 1 | 1 << 8 | 1 << 20)));
        result(r, PUTROOTFH);
        result(r, READDIR);
        r.readLong();
        assertThat(r.readBool()).isTrue();
        r.readLong();
        assertThat(r.readString(255, "name")).isEqualTo("share");
        assertThat(a.status(root(), lookup("none"))).isEqualTo(2);
        assertThat(a.status(root(), lookup("share"), op(LOOKUPP), lookup("share"))).isZero();
        assertThat(a.status(root(), op(LOOKUPP))).isEqualTo(2);
        assertThat(a.status(root(), open("o", "share", 1, 0, false))).isEqualTo(21);
    }

    @Test
    void filesAreOpenedWrittenReadAndClosed() {
        Opened f = a.open("share", "o", "f", 3, 0, true);
        a.ok(
                putfh(f.handle()),
                write(f.stateid(), 3, DATA),
                op(COMMIT, o -> o.writeLong(0).writeInt(0)));
        XdrReader r = a.ok(putfh(f.handle()), read(f.stateid(), 0, 100));
        result(r, PUTFH);
        result(r, READ);
        assertThat(r.readBool()).as("eof").isTrue();
        assertThat(new String(r.readOpaque(100, "data"), StandardCharsets.US_ASCII))
                .isEqualTo("\0\0\0hello");
        assertThat(a.close(f)).isZero();
        assertThat(a.close(f)).as("BAD_STATEID").isEqualTo(10_025);
        assertThat(a.status(putfh(f.handle()), read(f.stateid(), 0, 1))).isEqualTo(10_025);
        assertThat(a.status(putfh(f.handle()), read(ANONYMOUS, 0, 1))).isZero();
    }

    @Test
    void theCurrentStateidFollowsTheCurrentFileHandle() {
        assertThat(
                        a.status(
                                root(),
                                lookup("share"),
                                open("o", "f", 3, 0, true),
                                write(CURRENT, 0, DATA),
                                op(CLOSE, o -> o.writeInt(0).writeFixed(CURRENT))))
                .isZero();
        assertThat(
                        a.status(
                                root(),
                                lookup("share"),
                                open("o", "f", 3, 0, true),
                                root(),
                                op(CLOSE, o -> o.writeInt(0).writeFixed(CURRENT))))
                .isNotZero();
    }

    @Test
    void aRepeatedRequestGetsTheFirstReplyAndHappensOnce() {
        a.open("share", "o", "f", 3, 0, true);
        Op[] removal = {root(), lookup("share"), remove("f")};
        assertThat(a.status(removal)).isZero();
        a.again();
        assertThat(a.lastStatus()).isZero();
        a.reconnect();
        a.again();
        assertThat(a.lastStatus()).isZero();
        assertThat(a.status(removal)).isEqualTo(2);
    }

    private static Op down(Opened file, int access, int deny) {
        return stateOp(
                OPEN_DOWNGRADE, file.stateid(), o -> o.writeInt(0).writeInt(access).writeInt(deny));
    }

    @Test
    void shareReservationsHoldBetweenClientsAndAreUpgradedByOneOwner() {
        Opened f = a.open("share", "o", "f", 1, 2, true);
        try (V4TestClient b = V4TestClient.started(server.address(), 1, "b")) {
            Op[] writer = {root(), lookup("share"), open("o", "f", 2, 0, false)};
            assertThat(b.status(writer)).as("SHARE_DENIED").isEqualTo(10_015);
            assertThat(b.status(putfh(f.handle()), write(ANONYMOUS, 0, DATA)))
                    .as("LOCKED")
                    .isEqualTo(10_012);
            b.open("share", "o", "f", 1, 0, false);
            // Another open of the same owner: one state, both modes.
            Opened both = a.open("share", "o", "f", 2, 0, false);
            assertThat(a.status(putfh(f.handle()), write(both.stateid(), 0, DATA))).isZero();
            assertThat(a.status(putfh(f.handle()), read(f.stateid(), 0, 1)))
                    .as("OLD_STATEID")
                    .isEqualTo(10_024);
            assertThat(a.status(putfh(f.handle()), down(both, 1, 0)))
                    .as("INVAL: never read without denying")
                    .isEqualTo(22);
            Opened plain = a.open("share", "o", "f", 1, 0, false);
            assertThat(a.status(putfh(f.handle()), down(plain, 1, 0))).isZero();
            assertThat(b.status(writer)).isZero();
        }
    }

    @Test
    void locksConflictSplitAndAreReleasedByClose() {
        Opened f = a.open("share", "o", "f", 3, 0, true);
        assertThat(a.status(putfh(f.handle()), lock(f, "l", 2, 0, 100))).isZero();
        XdrReader r = a.ok(putfh(f.handle()), lock(f, "l", 2, 200, -1));
        result(r, PUTFH);
        result(r, LOCK);
        byte[] locks = r.readFixed(16);
        try (V4TestClient b = V4TestClient.started(server.address(), 1, "b")) {
            Opened g = b.open("share", "o", "f", 3, 0, false);
            XdrReader denied = b.compound(putfh(g.handle()), lock(g, "l", 1, 50, 10));
            assertThat(b.lastStatus()).as("DENIED").isEqualTo(10_010);
            result(denied, PUTFH);
            assertThat(denied.readInt()).isEqualTo(LOCK);
            assertThat(denied.readInt()).isEqualTo(10_010);
            assertThat(denied.readLong()).isZero();
            assertThat(denied.readLong()).isEqualTo(100);
            assertThat(denied.readInt()).as("WRITE_LT").isEqualTo(2);
            Op unlock =
                    op(
                            LOCKU,
                            o ->
                                    o.writeInt(2)
                                            .writeInt(0)
                                            .writeFixed(locks)
                                            .writeLong(40)
                                            .writeLong(20));
            assertThat(a.status(putfh(f.handle()), unlock)).isZero();
            assertThat(b.status(putfh(g.handle()), lock(g, "l", 1, 50, 10))).isZero();
            Op test =
                    op(
                            LOCKT,
                            o ->
                                    o.writeInt(2)
                                            .writeLong(0)
                                            .writeLong(-1)
                                            .writeLong(0)
                                            .writeString("x"));
            assertThat(b.status(putfh(g.handle()), test)).isEqualTo(10_010);
            assertThat(b.status(putfh(g.handle()), lock(g, "l", 1, 5, 0)))
                    .as("INVAL")
                    .isEqualTo(22);
            assertThat(a.close(f)).isZero();
            assertThat(b.status(putfh(g.handle()), lock(g, "l", 2, 0, -1))).isZero();
            assertThat(server.server.locks()).hasSize(1);
        }
    }

    @Test
    void anOpenFileOutlivesItsLastName() {
        Opened f = a.open("share", "o", "f", 3, 0, true);
        a.ok(putfh(f.handle()), write(f.stateid(), 0, DATA));
        assertThat(a.status(root(), lookup("share"), remove("f"))).isZero();
        assertThat(a.status(putfh(f.handle()), read(f.stateid(), 0, 10))).isZero();
        assertThat(a.close(f)).isZero();
        org.awaitility.Awaitility.await()
                .untilAsserted(() ->
                        assertThat(a.status(putfh(f.handle()), read(ANONYMOUS, 0, 10)))
                                .as("STALE")
                                .isEqualTo(70));
    }

    @Test
    void attributesAreSetAndReadAndThoseUnknownAreRefused() {
        Opened f = a.open("share", "o", "f", 3, 0, true);
        Op set =
                stateOp(
                        SETATTR,
                        f.stateid(),
                        o -> {
                            o.writeBitmap(1 << 4, 1 << 1).writeInt(12);
                            o.writeLong(1_000).writeInt(0600);
                        });
        assertThat(a.status(putfh(f.handle()), set)).isZero();
        XdrReader r =
                a.ok(putfh(f.handle()), op(GETATTR, o -> o.writeBitmap(1 << 1 | 1 << 4, 1 << 1)));
        result(r, PUTFH);
        result(r, GETATTR);
        assertThat(r.readBitmap(3, "mask")).containsExactly(1 << 1 | 1 << 4, 1 << 1);
        assertThat(r.readInt()).isEqualTo(16);
        assertThat(r.readInt()).isEqualTo(1);
        assertThat(r.readLong()).isEqualTo(1_000);
        assertThat(r.readInt()).isEqualTo(0600);
        Op acl = stateOp(SETATTR, ANONYMOUS, o -> o.writeBitmap(1 << 12).writeInt(0));
        assertThat(a.status(putfh(f.handle()), acl)).as("ATTRNOTSUPP").isEqualTo(10_032);
        Op type = stateOp(SETATTR, ANONYMOUS, o -> o.writeBitmap(1 << 1).writeInt(4).writeInt(1));
        assertThat(a.status(putfh(f.handle()), type)).as("INVAL").isEqualTo(22);
        Op same = op(37, o -> o.writeBitmap(1 << 4).writeInt(8).writeLong(1_000));
        assertThat(a.status(putfh(f.handle()), same)).isZero();
        Op differs = op(15 + 2, o -> o.writeBitmap(1 << 4).writeInt(8).writeLong(1_000));
        assertThat(a.status(putfh(f.handle()), differs)).as("SAME").isEqualTo(10_009);
        assertThat(a.status(putfh(f.handle()), op(ACCESS, o -> o.writeInt(0x1f)))).isZero();
    }

    @Test
    void namesThatAreNoneAreRefused() {
        assertThat(a.status(root(), lookup("share"), lookup(""))).isEqualTo(22);
        assertThat(a.status(root(), lookup("share"), lookup(".."))).isEqualTo(10_041);
        assertThat(a.status(root(), lookup("share"), lookup("a/b"))).isEqualTo(10_041);
        assertThat(a.status(root(), lookup("share"), lookup("x".repeat(256)))).isEqualTo(63);
    }

    @Test
    void directoriesAreMadeListedRenamedAndRemoved() {
        Op[] make = {root(), lookup("share"), mkdir("d"), mkdir("e")};
        assertThat(a.status(make)).isZero();
        List<String> expected = new ArrayList<>();
        for (int i = 0; i < 40; i++) {
            String name = "sub-" + i;
            expected.add(name);
            assertThat(a.status(root(), lookup("share"), lookup("d"), mkdir(name))).isZero();
        }
        for (int bytes : new int[] {150, 1_000, 100_000}) {
            assertThat(list("d", bytes)).contains("e").containsAll(expected).hasSize(41);
        }
        Op[] rename = {
            root(),
            lookup("share"),
            lookup("d"),
            op(SAVEFH),
            root(),
            lookup("share"),
            rename("e", "moved")
        };
        assertThat(a.status(rename)).isZero();
        assertThat(a.status(root(), lookup("share"), remove("moved"))).isZero();
        assertThat(a.status(root(), lookup("share"), remove("d"))).as("NOTEMPTY").isEqualTo(66);
    }

    private List<String> list(String directory, int bytes) {
        List<String> names = new ArrayList<>();
        long cookie = 0;
        long verifier = 0;
        boolean end = false;
        while (!end) {
            long c = cookie;
            long v = verifier;
            XdrReader r =
                    a.ok(
                            root(),
                            lookup("share"),
                            lookup(directory),
                            op(
                                    READDIR,
                                    o ->
                                            o.writeLong(c)
                                                    .writeLong(v)
                                                    .writeInt(bytes)
                                                    .writeInt(bytes)
                                                    .writeBitmap(1 << 1 | 1 << 20)));
            result(r, PUTROOTFH);
            result(r, LOOKUP);
            result(r, LOOKUP);
            result(r, READDIR);
            verifier = r.readLong();
            while (r.readBool()) {
                cookie = r.readLong();
                names.add(r.readString(255, "name"));
                r.readBitmap(3, "mask");
                r.readOpaque(100, "values");
            }
            end = r.readBool();
            r.expectEnd("READDIR4res");
        }
        return names;
    }

    @Test
    void whatIsOfVersionTwoWorks() {
        Opened f = a.open("share", "o", "f", 3, 0, true);
        byte[] block = new byte[4_096];
        block[0] = 1;
        a.ok(putfh(f.handle()), write(f.stateid(), 1 << 20, block));
        XdrReader seek =
                a.ok(putfh(f.handle()), stateOp(69, f.stateid(), o -> o.writeLong(0).writeInt(0)));
        result(seek, PUTFH);
        result(seek, 69);
        assertThat(seek.readBool()).isFalse();
        assertThat(seek.readLong()).isEqualTo(1 << 20);
        assertThat(
                        a.status(
                                putfh(f.handle()),
                                stateOp(59, f.stateid(), o -> o.writeLong(0).writeLong(2 << 20))))
                .as("ALLOCATE")
                .isZero();
        assertThat(
                        a.status(
                                putfh(f.handle()),
                                stateOp(62, f.stateid(), o -> o.writeLong(0).writeLong(4_096))))
                .as("DEALLOCATE")
                .isZero();
        XdrReader plus =
                a.ok(
                        putfh(f.handle()),
                        stateOp(68, f.stateid(), o -> o.writeLong(1 << 20).writeInt(4_096)));
        result(plus, PUTFH);
        result(plus, 68);
        Opened g = a.open("share", "o", "g", 3, 0, true);
        Op copy =
                op(
                        60,
                        o -> {
                            o.writeFixed(f.stateid()).writeFixed(g.stateid());
                            o.writeLong(0).writeLong(0).writeLong(0);
                            o.writeBool(true).writeBool(true).writeInt(0);
                        });
        XdrReader copied = a.ok(putfh(f.handle()), op(SAVEFH), putfh(g.handle()), copy);
        result(copied, PUTFH);
        result(copied, SAVEFH);
        result(copied, PUTFH);
        result(copied, 60);
        copied.readInt();
        assertThat(copied.readLong()).isEqualTo(2 << 20);
        Op beyond =
                op(
                        60,
                        x -> {
                            x.writeFixed(f.stateid()).writeFixed(g.stateid());
                            x.writeLong(0).writeLong(0).writeLong(-1);
                            x.writeBool(true).writeBool(true).writeInt(0);
                        });
        assertThat(a.status(putfh(f.handle()), op(SAVEFH), putfh(g.handle()), beyond))
                .as("INVAL: the source ends before")
                .isEqualTo(22);
        assertThat(
                        a.status(
                                putfh(f.handle()),
                                op(73, o -> o.writeInt(1).writeString("x").writeString("v"))))
                .as("SETXATTR")
                .isZero();
        XdrReader get = a.ok(putfh(f.handle()), op(72, o -> o.writeString("x")));
        result(get, PUTFH);
        result(get, 72);
        assertThat(get.readString(10, "value")).isEqualTo("v");
        XdrReader names = a.ok(putfh(f.handle()), op(74, o -> o.writeLong(0).writeInt(1_000)));
        result(names, PUTFH);
        result(names, 74);
        names.readLong();
        assertThat(names.readInt()).isEqualTo(1);
        assertThat(a.status(putfh(f.handle()), op(75, o -> o.writeString("x")))).isZero();
        assertThat(a.status(putfh(f.handle()), op(72, o -> o.writeString("x")))).isEqualTo(10_095);
    }

    @Test
    void clientsReclaimTheirOpensAndLocksAtTheNextOwnerAndNobodyElseTakesThem() {
        Opened f = a.open("share", "o", "f", 3, 0, true);
        StateLimits limits = StateLimits.DEFAULT.withLease(30, 60);
        try (TestServer next = new TestServer(server.shares, c -> c.withState(limits));
                V4TestClient back = new V4TestClient(next.address(), 1);
                V4TestClient other = V4TestClient.started(next.address(), 1, "other")) {
            Op[] steal = {root(), lookup("share"), open("o", "f", 1, 2, false)};
            assertThat(other.status(steal)).as("GRACE").isEqualTo(10_013);
            assertThat(other.status(putfh(f.handle()), reclaim("o")))
                    .as("NO_GRACE")
                    .isEqualTo(10_033);

            back.start("a", 1);
            assertThat(back.status(putfh(f.handle()), read(f.stateid(), 0, 1)))
                    .as("STALE_STATEID")
                    .isEqualTo(10_023);
            assertThat(back.status(putfh(f.handle()), reclaim("o"))).isZero();
            assertThat(back.status(op(RECLAIM_COMPLETE, o -> o.writeBool(false)))).isZero();
            assertThat(other.status(steal)).as("SHARE_DENIED").isEqualTo(10_015);
            assertThat(back.status(putfh(f.handle()), reclaim("o"))).isEqualTo(10_033);
        }
    }

    @Test
    void aSilentClientKeepsItsStateUntilSomebodyNeedsIt() throws InterruptedException {
        StateLimits limits = StateLimits.DEFAULT.withLease(1, 1);
        try (TestServer s = TestServer.of(MemoryShares.open(), c -> c.withState(limits));
                V4TestClient quiet = V4TestClient.started(s.address(), 1, "quiet");
                V4TestClient busy = V4TestClient.started(s.address(), 1, "busy")) {
            Opened f = quiet.open("share", "o", "f", 3, 3, true);
            org.awaitility.Awaitility.await()
                    .until(() ->
                            s.server.clients().stream()
                                    .anyMatch(c -> c.owner().equals("quiet") && c.expired()));
            assertThat(quiet.status(putfh(f.handle()), read(f.stateid(), 0, 1)))
                    .as("courtesy")
                    .isZero();
            org.awaitility.Awaitility.await()
                    .untilAsserted(() ->
                            assertThat(
                                            busy.status(
                                                    root(),
                                                    lookup("share"),
                                                    open("o", "f", 3, 0, false)))
                                    .isZero());
            quiet.compound(putfh(f.handle()), read(f.stateid(), 0, 1));
            assertThat(quiet.lastStatus()).as("BADSESSION").isEqualTo(10_052);
        }
    }

    @Test
    void snapshotsAreSeenReadOnly() {
        Opened f = a.open("share", "o", "f", 3, 0, true);
        a.ok(putfh(f.handle()), write(f.stateid(), 0, DATA));
        server.shares.files("share").snapshot("s1");
        Op[] path = {
            root(), lookup("share"), lookup(".snapshot"), lookup("s1"), lookup("f"), op(GETFH)
        };
        XdrReader r = a.ok(path);
        for (int i = 0; i < 5; i++) {
            r.readInt();
            r.readInt();
        }
        result(r, GETFH);
        byte[] old = r.readOpaque(128, "handle");
        assertThat(a.status(putfh(old), read(ANONYMOUS, 0, 10))).isZero();
        assertThat(a.status(putfh(old), write(ANONYMOUS, 0, DATA))).as("ROFS").isEqualTo(30);
        assertThat(server.shares.files("share").attributes(FileId.ROOT).join().isDirectory())
                .isTrue();
    }

    @Test
    void whatWasHeldInAShareThatAnotherNodeTookIsGoneAndCanBeHadAgain() {
        Opened f = a.open("share", "o", "f", 3, 0, true);
        try (TestServer next = new TestServer(server.shares, c -> c);
                V4TestClient b = V4TestClient.started(next.address(), 1, "b")) {
            assertThat(b.status(root(), lookup("share"), op(GETFH))).isZero();
        }
        Op[] change = {putfh(f.handle()), write(f.stateid(), 0, DATA)};
        assertThat(a.status(change)).as("DELAY: fenced").isEqualTo(10_008);
        assertThat(a.status(change)).as("BAD_STATEID").isEqualTo(10_025);
        Opened again = a.open("share", "o", "f", 3, 0, false);
        assertThat(a.status(putfh(again.handle()), write(again.stateid(), 0, DATA))).isZero();
    }
}
