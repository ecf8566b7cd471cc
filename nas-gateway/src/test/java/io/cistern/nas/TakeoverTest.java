package io.cistern.nas;

import static io.cistern.nas.V4TestClient.*;
import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.block.fs.FileSystem;
import io.cistern.nas.V4TestClient.Op;
import io.cistern.nas.V4TestClient.Opened;
import io.cistern.nas.state.StateLimits;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;
import java.util.ArrayList;
import java.util.List;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/// A share that goes from one server to another with its clients.
class TakeoverTest {
    private static final int RECLAIM_NEEDED = 0x100;
    private static final StateLimits LONG = StateLimits.DEFAULT.withLease(60, 60);

    private final TestServer first = new TestServer();
    private final TestServer next = new TestServer(first.shares, c -> c.withState(LONG));
    private final V4TestClient a = V4TestClient.started(first.address(), 2, "a");

    @AfterEach
    void stop() {
        a.close();
        first.close();
        next.close();
    }

    private static Op create(String name, int how) {
        return op(
                OPEN,
                o -> {
                    o.writeInt(0).writeInt(3).writeInt(0).writeLong(0).writeString("o");
                    o.writeBool(true).writeInt(how).writeBitmap(0, 1 << 1).writeInt(4);
                    o.writeInt(0644).writeInt(0).writeString(name);
                });
    }

    /// Requests of which a second execution would come to something else.
    private static List<Op[]> requests() {
        return List.of(
                new Op[] {root(), lookup("share"), mkdir("d")},
                new Op[] {root(), lookup("share"), create("guarded", 1)},
                new Op[] {root(), lookup("share"), op(SAVEFH), rename("d", "e")},
                new Op[] {
                    root(),
                    lookup("share"),
                    lookup("guarded"),
                    op(SAVEFH),
                    root(),
                    lookup("share"),
                    op(LINK, o -> o.writeString("second"))
                },
                new Op[] {root(), lookup("share"), remove("e")},
                new Op[] {root(), lookup("share"), remove("second"), remove("guarded")});
    }

    @Test
    void aRequestThatIsRepeatedAtTheNextOwnerHappensOnce() {
        TestServer now = first;
        TestServer other = next;
        for (Op[] request : requests()) {
            a.ok(request);
            a.moveTo(other.address());
            a.again();
            assertThat(a.lastStatus()).as("status of the repetition").isZero();
            assertThat(a.lastFlags() & RECLAIM_NEEDED).isNotZero();
            a.ok(op(RECLAIM_COMPLETE, o -> o.writeBool(false)));
            a.ok(root());
            assertThat(a.lastFlags() & RECLAIM_NEEDED).isZero();
            TestServer swap = now;
            now = other;
            other = swap;
            other.close();
            other = new TestServer(first.shares, c -> c.withState(LONG));
        }
        now.close();
        other.close();
    }

    /// Linux sends one where the process that waited for the first was killed meanwhile.
    @Test
    void anotherRequestUnderTheSameNumberIsCarriedOutAtTheNextOwner() {
        Op[] made = {root(), lookup("share"), mkdir("d")};
        Op[] other = {root(), lookup("share"), mkdir("e")};
        a.ok(made);
        a.moveTo(next.address());
        a.instead(other);
        assertThat(a.lastStatus()).isZero();
        a.again();
        assertThat(a.lastStatus()).as("from the slot").isZero();
        assertThat(a.status(root(), lookup("share"), lookup("e"))).as("made").isZero();
        assertThat(a.status(made)).as("EXIST: a new request").isEqualTo(17);
        a.ok(op(RECLAIM_COMPLETE, o -> o.writeBool(false)));
        a.ok(root(), lookup("share"), mkdir("f"));
        try (TestServer after = new TestServer(first.shares, c -> c.withState(LONG))) {
            a.moveTo(after.address());
            a.again();
            assertThat(a.lastStatus()).as("the same request gets its result").isZero();
        }
    }

    /// As many changes of a request as a share remembers, and one more: nobody knows of that one.
    @Test
    void aChangeThatIsNotRememberedIsNotMadeAgainAtTheNextOwner() {
        Opened f = a.open("share", "o", "f", 3, 0, true);
        List<Op> ops = new ArrayList<>(List.of(putfh(f.handle())));
        for (int i = 0; i < FileSystem.MAX_ONCE_INDEX + 2; i++) {
            ops.add(op(SETATTR, o -> sizeZero(o.writeFixed(new byte[16]))));
        }
        a.close(f);
        a.ok(ops.toArray(Op[]::new));
        byte[] ten = new byte[10];
        try (V4TestClient b = V4TestClient.started(next.address(), 1, "b")) {
            b.ok(putfh(f.handle()), write(new byte[16], 0, ten));
            a.moveTo(next.address());
            a.again();
            assertThat(a.lastStatus()).as("DELAY").isEqualTo(10_008);
            XdrReader left = b.ok(putfh(f.handle()), read(new byte[16], 0, 100));
            result(left, PUTFH);
            result(left, READ);
            left.readBool();
            assertThat(left.readOpaque(100, "data")).hasSize(ten.length);
        }
    }

    /// The name of a file that was cut off is another file's by the time of the repetition.
    @Test
    void anOpenThatCutAFileOffDoesNotOpenAnotherFileWhenItIsRepeated() {
        a.close(a.open("share", "o", "f", 3, 0, true));
        a.ok(root(), lookup("share"), cutOpen("f"));
        try (V4TestClient b = V4TestClient.started(next.address(), 1, "b")) {
            a.moveTo(next.address());
            b.ok(root(), lookup("share"), op(SAVEFH), rename("f", "g"));
            a.again();
            assertThat(a.lastStatus()).as("DELAY: it is gone").isEqualTo(10_008);
        }
    }

    @Test
    void anOpenThatCutAFileOffIsNotTakenForOneOfAnotherFile() {
        Opened other = a.open("share", "o", "other", 3, 0, true);
        a.ok(putfh(other.handle()), write(other.stateid(), 0, new byte[10]));
        a.close(other);
        a.close(a.open("share", "o", "f", 3, 0, true));
        a.ok(root(), lookup("share"), cutOpen("f"));
        try (V4TestClient b = V4TestClient.started(next.address(), 1, "b")) {
            b.ok(root(), lookup("share"), op(SAVEFH), rename("other", "f"));
            a.moveTo(next.address());
            a.again();
            assertThat(a.lastStatus()).as("DELAY").isEqualTo(10_008);
        }
    }

    /// What a file that was cut off holds afterwards is not lost to the request's repetition.
    @Test
    void aFileIsCutOffOnceByARequestThatIsRepeatedAtTheNextOwner() {
        Opened f = a.open("share", "o", "f", 3, 0, true);
        a.ok(putfh(f.handle()), write(f.stateid(), 0, new byte[10]));
        Op size = op(SETATTR, o -> sizeZero(o.writeFixed(f.stateid())));
        TestServer after = new TestServer(first.shares, c -> c.withState(LONG));
        try (after) {
            cutOffOnce(next, f, putfh(f.handle()), size);
            cutOffOnce(after, f, root(), lookup("share"), cutOpen("f"));
        }
    }

    /// @param then the server that the request is repeated to
    private void cutOffOnce(TestServer then, Opened f, Op... cut) {
        byte[] ten = new byte[10];
        a.ok(cut);
        try (V4TestClient b = V4TestClient.started(then.address(), 1, "b")) {
            b.ok(putfh(f.handle()), write(new byte[16], 0, ten));
            a.moveTo(then.address());
            a.again();
            assertThat(a.lastStatus()).as("the first result").isZero();
            XdrReader left = b.ok(putfh(f.handle()), read(new byte[16], 0, 100));
            result(left, PUTFH);
            result(left, READ);
            left.readBool();
            assertThat(left.readOpaque(100, "data")).hasSize(ten.length);
        }
        a.ok(op(RECLAIM_COMPLETE, o -> o.writeBool(false)));
    }

    private static Op cutOpen(String name) {
        return op(
                OPEN,
                o -> {
                    o.writeInt(0).writeInt(3).writeInt(0).writeLong(0).writeString("o");
                    sizeZero(o.writeBool(true).writeInt(0));
                    o.writeInt(0).writeString(name);
                });
    }

    private static void sizeZero(XdrWriter o) {
        o.writeBitmap(1 << 4).writeInt(8).writeLong(0);
    }

    @Test
    void whatWasOpenIsReclaimedByItsOwnerOrByThoseWhoMayOpenIt() {
        Opened f = a.open("share", "o", "f", 3, 0, true);
        a.as(1_000);
        Opened mine = a.open("share", "o", "mine", 3, 0, true);
        a.ok(
                putfh(mine.handle()),
                op(
                        SETATTR,
                        o ->
                                o.writeFixed(new byte[16])
                                        .writeBitmap(0, 1 << 1)
                                        .writeInt(4)
                                        .writeInt(0400)));
        a.moveTo(next.address());
        assertThat(a.status(putfh(f.handle()), reclaim("o"))).as("ACCESS").isEqualTo(13);
        assertThat(a.status(putfh(mine.handle()), reclaim("o"))).as("its owner").isZero();
        a.as(2_000);
        assertThat(a.status(putfh(mine.handle()), reclaim("p"))).as("ACCESS").isEqualTo(13);
        a.as(0);
        assertThat(a.status(putfh(f.handle()), reclaim("o"))).isZero();
    }

    @Test
    void whatWasNotCarriedOutIsWhenItIsRepeatedAndTheNextRequestIsNew() {
        a.ok(root(), lookup("share"), mkdir("d"));
        a.moveTo(next.address());
        assertThat(a.status(root(), lookup("share"), mkdir("d"))).as("EXIST").isEqualTo(17);
        assertThat(a.status(root(), lookup("share"), mkdir("f"))).isZero();
        a.again();
        assertThat(a.lastStatus()).as("from the slot").isZero();
        a.ok(op(RECLAIM_COMPLETE, o -> o.writeBool(false)));
        assertThat(a.status(root(), lookup("share"), create("f", 1))).as("EXIST").isEqualTo(17);
    }

    @Test
    void theGraceEndsWhenAllClientsThatHadFilesOpenHaveReclaimed() {
        try (V4TestClient b = V4TestClient.started(first.address(), 1, "b");
                V4TestClient noOpens = V4TestClient.started(first.address(), 1, "c")) {
            Opened f = a.open("share", "o", "f", 3, 0, true);
            Opened g = b.open("share", "o", "g", 3, 0, true);
            noOpens.ok(root(), lookup("share"), mkdir("d"));
            a.moveTo(next.address());
            b.moveTo(next.address());
            noOpens.moveTo(next.address());
            noOpens.ok(root());
            assertThat(noOpens.lastFlags() & RECLAIM_NEEDED).isNotZero();
            noOpens.ok(op(RECLAIM_COMPLETE, o -> o.writeBool(false)));
            Op[] take = {root(), lookup("share"), open("x", "h", 1, 3, true)};
            assertThat(noOpens.status(take)).as("GRACE").isEqualTo(10_013);
            assertThat(a.status(putfh(f.handle()), read(f.stateid(), 0, 1)))
                    .as("STALE_STATEID")
                    .isEqualTo(10_023);
            a.ok(putfh(f.handle()), reclaim("o"));
            a.ok(op(RECLAIM_COMPLETE, o -> o.writeBool(false)));
            assertThat(noOpens.status(take)).as("GRACE").isEqualTo(10_013);
            b.ok(putfh(g.handle()), reclaim("o"));
            b.ok(op(RECLAIM_COMPLETE, o -> o.writeBool(false)));
            assertThat(noOpens.status(take)).as("grace is over").isZero();
        }
    }

    @Test
    void aClientThatLostItsStateCannotReclaimItAtTheNextOwner() {
        StateLimits brief = StateLimits.DEFAULT.withLease(1, 60);
        try (TestServer s =
                        new TestServer(
                                TestServer.withRoots(
                                        new MemoryShares().add("share", MemoryShares.open())),
                                c -> c.withState(brief));
                TestServer after = new TestServer(s.shares, c -> c.withState(LONG));
                V4TestClient quiet = V4TestClient.started(s.address(), 1, "quiet");
                V4TestClient busy = V4TestClient.started(s.address(), 1, "busy")) {
            Opened f = quiet.open("share", "o", "f", 3, 3, true);
            Op[] take = {root(), lookup("share"), open("o", "f", 3, 3, false)};
            Awaitility.await().untilAsserted(() -> assertThat(busy.status(take)).isZero());
            quiet.moveTo(after.address());
            quiet.compound(root());
            assertThat(quiet.lastStatus()).as("BADSESSION").isEqualTo(10_052);
            quiet.start("quiet", 1);
            assertThat(quiet.status(putfh(f.handle()), reclaim("o")))
                    .as("RECLAIM_BAD")
                    .isEqualTo(10_034);
            busy.moveTo(after.address());
            assertThat(busy.status(putfh(f.handle()), reclaim("o"))).isZero();
        }
    }

    @Test
    void theSessionOfAClientThatChangedNothingIsGone() {
        a.ok(root(), lookup("share"));
        a.moveTo(next.address());
        a.compound(root());
        assertThat(a.lastStatus()).as("BADSESSION").isEqualTo(10_052);
    }

    @Test
    void whatNobodyCanReclaimIsGivenOutDuringTheGrace() {
        try (V4TestClient b = V4TestClient.started(first.address(), 1, "b")) {
            Opened f = a.open("share", "o", "f", 3, 0, true);
            a.ok(putfh(f.handle()), write(f.stateid(), 0, new byte[] {1, 2, 3}));
            b.ok(root(), lookup("share"), mkdir("d"));
            b.moveTo(next.address());
            assertThat(b.status(root(), lookup("share"), open("x", "f", 3, 0, false)))
                    .as("GRACE: it has not said that it is done")
                    .isEqualTo(10_013);
            b.ok(op(RECLAIM_COMPLETE, o -> o.writeBool(false)));
            Opened same = b.open("share", "x", "f", 3, 0, false);
            assertThat(b.status(putfh(same.handle()), lock(same, "l", 2, 0, 1))).isZero();
            assertThat(b.status(root(), lookup("share"), open("x", "f", 1, 2, false)))
                    .as("GRACE: a reclaim may be denied")
                    .isEqualTo(10_013);
        }
    }

    @Test
    void aFileThatLosesItsNameDuringTheGraceIsKeptForWhomeverReclaimsIt() {
        try (V4TestClient b = V4TestClient.started(first.address(), 1, "b")) {
            Opened f = a.open("share", "o", "f", 3, 0, true);
            a.ok(putfh(f.handle()), write(f.stateid(), 0, new byte[] {1, 2, 3}));
            Opened g = b.open("share", "o", "g", 3, 0, true);
            b.close(g);
            b.moveTo(next.address());
            b.ok(op(RECLAIM_COMPLETE, o -> o.writeBool(false)));
            b.ok(root(), lookup("share"), remove("f"));
            b.ok(root(), lookup("share"), op(SAVEFH), rename("g", "f"), remove("f"));
            a.moveTo(next.address());
            XdrReader opened = a.ok(putfh(f.handle()), reclaim("o"));
            result(opened, PUTFH);
            result(opened, OPEN);
            Opened again = new Opened(f.handle(), opened.readFixed(16));
            a.ok(op(RECLAIM_COMPLETE, o -> o.writeBool(false)));
            XdrReader data = a.ok(putfh(f.handle()), read(again.stateid(), 0, 10));
            result(data, PUTFH);
            result(data, READ);
            assertThat(data.readBool()).as("end").isTrue();
            assertThat(data.readOpaque(10, "data")).containsExactly(1, 2, 3);
            Op size = op(GETATTR, o -> o.writeBitmap(1 << 4));
            Awaitility.await()
                    .untilAsserted(() ->
                            assertThat(b.status(putfh(g.handle()), size))
                                    .as("nobody reclaimed it: STALE")
                                    .isEqualTo(70));
            a.close(again);
            Awaitility.await()
                    .untilAsserted(() ->
                            assertThat(a.status(putfh(f.handle()), size))
                                    .as("STALE")
                                    .isEqualTo(70));
        }
    }

    @Test
    void locksWaitForClientsThatHadLocksAndOpensForThoseThatDeniedThem() {
        try (V4TestClient b = V4TestClient.started(first.address(), 1, "b");
                V4TestClient c = V4TestClient.started(first.address(), 1, "c")) {
            Opened f = a.open("share", "o", "f", 3, 0, true);
            a.ok(putfh(f.handle()), lock(f, "l", 2, 0, 10));
            Opened g = b.open("share", "o", "g", 3, 2, true);
            c.ok(root(), lookup("share"), mkdir("d"));
            c.moveTo(next.address());
            c.ok(op(RECLAIM_COMPLETE, o -> o.writeBool(false)));
            Op[] open = {root(), lookup("share"), open("x", "f", 3, 0, false)};
            assertThat(c.status(open)).as("GRACE: b may deny it").isEqualTo(10_013);
            Op[] anonymous = {putfh(f.handle()), read(new byte[16], 0, 1)};
            assertThat(c.status(anonymous)).as("GRACE").isEqualTo(10_013);
            b.moveTo(next.address());
            assertThat(b.status(putfh(g.handle()), lock(g, "l", 2, 0, 1)))
                    .as("GRACE: before it has reclaimed")
                    .isEqualTo(10_013);
            b.ok(op(RECLAIM_COMPLETE, o -> o.writeBool(false)));
            assertThat(c.status(anonymous)).isZero();
            Opened mine = c.open("share", "x", "f", 3, 0, false);
            Op[] take = {putfh(f.handle()), lock(mine, "l", 2, 20, 1)};
            assertThat(c.status(take)).as("GRACE: a has locks").isEqualTo(10_013);
            a.moveTo(next.address());
            a.ok(op(RECLAIM_COMPLETE, o -> o.writeBool(false)));
            assertThat(c.status(take)).isZero();
        }
    }

    @Test
    void changesWaitForClientsThatMayStillActOnDelegations() {
        try (CallbackClient holder = new CallbackClient(first.address(), "holder");
                V4TestClient b = V4TestClient.started(first.address(), 1, "b")) {
            Opened f = b.open("share", "o", "f", 3, 0, true);
            b.close(f);
            XdrReader r = holder.ok(delegated());
            result(r, PUTROOTFH);
            result(r, LOOKUP);
            result(r, OPEN);
            r.readFixed(16 + 20 + 4);
            r.readBitmap(3, "attrset");
            assertThat(r.readInt()).as("a read delegation").isEqualTo(1);
            b.moveTo(next.address());
            b.ok(op(RECLAIM_COMPLETE, o -> o.writeBool(false)));
            List<Op[]> changes =
                    List.of(
                            new Op[] {root(), lookup("share"), open("x", "f", 3, 0, false)},
                            new Op[] {putfh(f.handle()), write(new byte[16], 0, new byte[1])},
                            new Op[] {root(), lookup("share"), remove("f")});
            for (Op[] change : changes) {
                assertThat(b.status(change)).as("GRACE or DELAY").isIn(10_013, 10_008);
            }
            assertThat(b.status(root(), lookup("share"), open("x", "f", 1, 0, false)))
                    .as("only to read")
                    .isZero();
            holder.moveTo(next.address());
            holder.ok(op(RECLAIM_COMPLETE, o -> o.writeBool(false)));
            for (Op[] change : changes) {
                assertThat(b.status(change)).isZero();
            }
        }
    }

    @Test
    void repetitionsOfVersionThreeAreAnsweredWhileOthersReclaim() {
        CallbackClient holder = new CallbackClient(first.address(), "holder");
        Opened f = a.open("share", "o", "f", 3, 0, true);
        a.close(f);
        holder.ok(delegated());
        try (holder;
                RpcTestClient old = first.client();
                V4TestClient b = V4TestClient.started(first.address(), 1, "b")) {
            byte[] root = rootOfShare(b);
            b.open("share", "o", "g", 3, 0, true);
            assertThat(old.call(RpcTestClient.NFS, 3, 12, o -> removal(o, root, "g")).readInt())
                    .isZero();
            old.moveTo(next.address());
            assertThat(old.repeat(RpcTestClient.NFS, 3, 12, o -> removal(o, root, "g")).readInt())
                    .isZero();
            assertThat(old.call(RpcTestClient.NFS, 3, 12, o -> removal(o, root, "f")).readInt())
                    .as("JUKEBOX")
                    .isEqualTo(10_008);
        }
        assertThat(f.handle()).isNotEmpty();
    }

    @Test
    void repeatedLinksAreAnsweredWhileOthersReclaim() {
        CallbackClient holder = new CallbackClient(first.address(), "holder");
        a.close(a.open("share", "o", "f", 3, 0, true));
        holder.ok(delegated());
        try (holder;
                RpcTestClient old = first.client();
                V4TestClient b = V4TestClient.started(first.address(), 1, "b")) {
            Opened g = b.open("share", "o", "g", 3, 0, true);
            byte[] root = rootOfShare(b);
            assertThat(old.call(RpcTestClient.NFS, 3, 15, o -> link(o, g, root, "h")).readInt())
                    .isZero();
            Op link = op(LINK, o -> o.writeString("i"));
            b.ok(putfh(g.handle()), op(SAVEFH), putfh(root), link);
            old.moveTo(next.address());
            b.moveTo(next.address());
            b.again();
            assertThat(b.lastStatus()).as("the first result").isZero();
            assertThat(old.repeat(RpcTestClient.NFS, 3, 15, o -> link(o, g, root, "h")).readInt())
                    .as("the first result")
                    .isZero();
            assertThat(old.call(RpcTestClient.NFS, 3, 15, o -> link(o, g, root, "j")).readInt())
                    .as("JUKEBOX")
                    .isEqualTo(10_008);
        }
    }

    /// Opens a file with a delegation to read.
    private static Op[] delegated() {
        return new Op[] {
            root(),
            lookup("share"),
            open("o", "f", 1 | CallbackClient.WANT_READ_DELEGATION, 0, false)
        };
    }

    private static byte[] rootOfShare(V4TestClient client) {
        XdrReader r = client.ok(root(), lookup("share"), op(GETFH));
        result(r, PUTROOTFH);
        result(r, LOOKUP);
        result(r, GETFH);
        return r.readOpaque(128, "handle");
    }

    private static void link(XdrWriter o, Opened file, byte[] directory, String name) {
        o.writeOpaque(file.handle()).writeOpaque(directory).writeString(name);
    }

    private static void removal(XdrWriter o, byte[] directory, String name) {
        o.writeOpaque(directory).writeString(name);
    }
}
