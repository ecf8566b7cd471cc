package io.cistern.nas;

import static io.cistern.nas.CallbackClient.WANT_READ_DELEGATION;
import static io.cistern.nas.V4TestClient.*;
import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.nas.V4TestClient.Op;
import io.cistern.nas.V4TestClient.Opened;
import io.cistern.nas.state.StateLimits;
import io.cistern.nas.xdr.XdrReader;
import org.awaitility.Awaitility;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/// Read delegations: who gets one, and how they are given back.
class DelegationTest {
    private static final int DELAY = 10_008;
    private static final int DELEGRETURN = 8;
    private static final int FREE_STATEID = 45;
    private static final int TEST_STATEID = 55;
    private static final int REVOKED = 0x40;

    private final TestServer server = new TestServer();
    private final CallbackClient holder = new CallbackClient(server.address(), "holder");
    private final V4TestClient other = V4TestClient.started(server.address(), 2, "other");
    private byte[] handle = {};

    @AfterEach
    void stop() {
        holder.close();
        other.close();
        server.close();
    }

    /// Opens a file to read it.
    ///
    /// @return the delegation's stateid; null: none
    private byte @Nullable [] open(V4TestClient client, String name, int want) {
        XdrReader r =
                client.ok(
                        root(),
                        lookup("share"),
                        V4TestClient.open("o", name, 1 | want, 0, true),
                        op(GETFH));
        result(r, PUTROOTFH);
        result(r, LOOKUP);
        result(r, OPEN);
        r.readFixed(16 + 20 + 4);
        r.readBitmap(3, "attrset");
        byte[] id = null;
        int type = r.readInt();
        if (type == 1) {
            id = r.readFixed(16);
            assertThat(r.readBool()).as("recalled at once").isFalse();
            r.readFixed(16);
        } else if (type == 3) {
            int why = r.readInt();
            if (why == 1 || why == 2) { // contention, resources: whether the client will be told
                r.readBool();
            }
        }
        result(r, GETFH);
        handle = r.readOpaque(128, "handle");
        return id;
    }

    private static Op giveBack(byte[] id) {
        return stateOp(DELEGRETURN, id, o -> {});
    }

    @Test
    void whoeverOnlyReadsIsGivenADelegationAndGivesItBackForAWriter() {
        byte[] id = open(holder, "f", WANT_READ_DELEGATION);
        assertThat(id).isNotNull();
        assertThat(holder.probes).isPositive();
        assertThat(holder.status(putfh(handle), read(id, 0, 1))).isZero();
        Op[] write = {root(), lookup("share"), V4TestClient.open("o", "f", 2, 0, false)};
        assertThat(other.status(write)).as("DELAY").isEqualTo(DELAY);
        holder.ok(root());
        Awaitility.await()
                .untilAsserted(() -> {
                    holder.ok(root());
                    assertThat(holder.recalled).containsExactly(id);
                });
        assertThat(other.status(write)).as("not yet").isEqualTo(DELAY);
        holder.ok(putfh(handle), giveBack(id));
        assertThat(other.status(write)).isZero();
        assertThat(holder.status(putfh(handle), giveBack(id))).as("BAD_STATEID").isEqualTo(10_025);
        assertThat(open(holder, "f", WANT_READ_DELEGATION)).as("somebody writes").isNull();
    }

    @Test
    void everyChangeOfADelegatedFileWaitsForIt() {
        assertThat(open(holder, "f", WANT_READ_DELEGATION)).isNotNull();
        byte[] file = handle;
        Op[][] changes = {
            {
                putfh(file),
                stateOp(SETATTR, new byte[16], o -> o.writeBitmap(0, 2).writeInt(4).writeInt(0600))
            },
            {putfh(file), write(new byte[16], 0, new byte[1])},
            {root(), lookup("share"), remove("f")},
            {root(), lookup("share"), op(SAVEFH), rename("f", "g")},
            {putfh(file), op(SAVEFH), root(), lookup("share"), op(LINK, o -> o.writeString("g"))},
        };
        for (Op[] change : changes) {
            assertThat(other.status(change)).isEqualTo(DELAY);
        }
        assertThat(other.status(putfh(file), read(new byte[16], 0, 1))).as("READ").isZero();
        assertThat(holder.status(putfh(file), changes[0][1])).as("its own change").isZero();
    }

    @Test
    void aDelegationThatDoesNotComeBackIsRevokedAndTheClientIsTold() {
        try (TestServer brief =
                        TestServer.of(
                                MemoryShares.open(),
                                c -> c.withState(StateLimits.DEFAULT.withLease(2, 2)));
                CallbackClient slow = new CallbackClient(brief.address(), "slow");
                V4TestClient writer = V4TestClient.started(brief.address(), 2, "writer")) {
            byte[] id = open(slow, "f", WANT_READ_DELEGATION);
            assertThat(id).isNotNull();
            byte[] file = handle;
            Op[] write = {root(), lookup("share"), V4TestClient.open("o", "f", 2, 0, false)};
            Awaitility.await()
                    .untilAsserted(() -> {
                        slow.ok(root());
                        assertThat(writer.status(write)).isZero();
                    });
            assertThat(slow.status(putfh(file), read(id, 0, 1)))
                    .as("DELEG_REVOKED")
                    .isEqualTo(10_087);
            assertThat(slow.lastFlags() & REVOKED).isNotZero();
            XdrReader r = slow.ok(op(TEST_STATEID, o -> o.writeInt(1).writeFixed(id)));
            result(r, TEST_STATEID);
            r.readInt();
            assertThat(r.readInt()).isEqualTo(10_087);
            slow.ok(stateOp(FREE_STATEID, id, o -> {}));
            slow.ok(root());
            assertThat(slow.lastFlags() & REVOKED).isZero();
        }
    }

    @Test
    void nobodyIsGivenADelegationWhoCannotBeCalledBackOrOfAFileThatIsWritten() {
        assertThat(open(other, "f", WANT_READ_DELEGATION)).as("no back channel").isNull();
        Opened g = other.open("share", "o", "g", 2, 0, true);
        assertThat(open(holder, "g", WANT_READ_DELEGATION)).as("open for writing").isNull();
        other.close(g);
        assertThat(open(holder, "g", 0x400)).as("not wanted").isNull();
        assertThat(open(holder, "g", 0)).as("no preference").isNotNull();
    }
}
