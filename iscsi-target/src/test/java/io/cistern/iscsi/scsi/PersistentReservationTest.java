package io.cistern.iscsi.scsi;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class PersistentReservationTest {
    private static final int REGISTER = 0;
    private static final int RESERVE = 1;
    private static final int RELEASE = 2;
    private static final int CLEAR = 3;
    private static final int PREEMPT = 4;
    private static final int IGNORE = 6;
    private static final int MOVE = 7;
    private static final byte[] BLOCK = new byte[512];

    private final Nodes nodes = new Nodes();
    private final Initiator a = nodes.login("a", 1);
    private final Initiator b = nodes.login("b", 2);
    private final Initiator c = nodes.login("c", 2);

    private static List<Long> keys(Initiator initiator) {
        ByteBuffer answer = initiator.reserveIn(0);
        List<Long> keys = new ArrayList<>();
        answer.position(8);
        while (answer.hasRemaining()) {
            keys.add(answer.getLong());
        }
        return keys;
    }

    private static int heldType(Initiator initiator) {
        ByteBuffer answer = initiator.reserveIn(1);
        return answer.getInt(4) == 0 ? 0 : answer.get(21);
    }

    @Test
    void aKeyIsNeededToChangeARegistration() {
        a.reserveOut(REGISTER, 0, 1, 0xa).conflict();
        a.reserveOut(REGISTER, 0, 0, 0xa).good();
        b.reserveOut(REGISTER, 0, 0, 0xb).good();
        assertThat(keys(b)).containsExactly(0xaL, 0xbL);
        a.reserveOut(REGISTER, 0, 0, 0xc).conflict();
        a.reserveOut(REGISTER, 0, 0xa, 0xc).good();
        a.reserveOut(IGNORE, 0, 99, 0xd).good();
        assertThat(keys(b)).containsExactly(0xdL, 0xbL);
        assertThat(b.reserveIn(0).getInt(0)).as("PRGENERATION").isEqualTo(4);
        a.reserveOut(REGISTER, 0, 0xd, 0).good();
        assertThat(keys(a)).containsExactly(0xbL);
        a.reserveOut(RESERVE, 1, 0xd, 0).conflict();
    }

    /// SPC-4 table 68: what each type lets the holder, another registrant and a stranger do, asked
    /// through the other node.
    @ParameterizedTest
    @EnumSource(ReservationType.class)
    void accessFollowsTheTypeThroughEveryPort(ReservationType type) {
        a.reserveOut(REGISTER, 0, 0, 0xa).good();
        b.reserveOut(REGISTER, 0, 0, 0xb).good();
        a.reserveOut(RESERVE, type.code(), 0xa, 0).good();
        assertThat(heldType(b)).isEqualTo(type.code());
        access(a, true, true);
        access(b, type.registrantsAllowed() || type.readsAllowed(), type.registrantsAllowed());
        access(c, type.readsAllowed(), false);
        c.send("12 00 00 0060 00").good();
        c.ready().good();
        c.send("25 00 00000000 0000 00 00").good();
        b.reserveOut(RESERVE, type.code(), 0xb, 0).status();
        if (!type.allRegistrants()) {
            b.reserveOut(RESERVE, type.code(), 0xb, 0).conflict();
            b.reserveOut(RELEASE, type.code(), 0xb, 0).good();
            assertThat(heldType(a)).isEqualTo(type.code());
        }
        int other = type == ReservationType.WRITE_EXCLUSIVE ? 3 : 1;
        a.reserveOut(RELEASE, other, 0xa, 0).fails(Condition.INVALID_RELEASE);
        a.reserveOut(RELEASE, type.code(), 0xa, 0).good();
        if (type.registrantsAllowed()) {
            assertThat(b.attention()).contains(0x2a04);
        }
        access(c, true, true);
        assertThat(b.attention()).isEmpty();
    }

    private static void access(Initiator initiator, boolean reads, boolean writes) {
        int read = reads ? ScsiResult.GOOD : ScsiResult.RESERVATION_CONFLICT;
        int write = writes ? ScsiResult.GOOD : ScsiResult.RESERVATION_CONFLICT;
        assertThat(initiator.read(0, 1).status()).as("READ").isEqualTo(read);
        assertThat(initiator.send("2f 00 00000000 00 0001 00").status()).isEqualTo(read);
        assertThat(initiator.send("1a 00 3f 00 ff 00").status()).isEqualTo(read);
        assertThat(initiator.write(0, BLOCK).status()).as("WRITE").isEqualTo(write);
        assertThat(initiator.send("35 00 00000000 00 0000 00").status()).isEqualTo(write);
        assertThat(initiator.compareAndWrite(0, BLOCK, BLOCK).status()).isEqualTo(write);
        assertThat(initiator.send("41 08 00000000 00 0001 00", BLOCK).status()).isEqualTo(write);
    }

    @Test
    void aReservationEndsWithItsHolderAndAnAllRegistrantsOneWithTheLast() {
        a.reserveOut(REGISTER, 0, 0, 0xa).good();
        b.reserveOut(REGISTER, 0, 0, 0xb).good();
        a.reserveOut(RESERVE, 5, 0xa, 0).good();
        a.reserveOut(REGISTER, 0, 0xa, 0).good();
        assertThat(b.attention()).contains(0x2a04);
        assertThat(heldType(b)).isZero();
        b.reserveOut(RESERVE, 8, 0xb, 0).good();
        a.reserveOut(REGISTER, 0, 0, 0xa).good();
        b.reserveOut(REGISTER, 0, 0xb, 0).good();
        assertThat(heldType(a)).isEqualTo(8);
        a.reserveOut(REGISTER, 0, 0xa, 0).good();
        assertThat(heldType(a)).isZero();
    }

    @Test
    void clearRemovesEverythingAndTellsTheRegistered() {
        a.reserveOut(REGISTER, 0, 0, 0xa).good();
        b.reserveOut(REGISTER, 0, 0, 0xb).good();
        a.reserveOut(RESERVE, 1, 0xa, 0).good();
        b.reserveOut(CLEAR, 0, 0xb, 0).good();
        assertThat(a.attention()).contains(0x2a03);
        assertThat(keys(b)).isEmpty();
        assertThat(heldType(b)).isZero();
        assertThat(c.attention()).isEmpty();
    }

    @Test
    void preemptTakesOverFromTheHolder() {
        a.reserveOut(REGISTER, 0, 0, 0xa).good();
        b.reserveOut(REGISTER, 0, 0, 0xb).good();
        c.reserveOut(REGISTER, 0, 0, 0xc).good();
        a.reserveOut(RESERVE, 5, 0xa, 0).good();
        b.reserveOut(PREEMPT, 1, 0xb, 0xdead).conflict();
        b.reserveOut(PREEMPT, 1, 0xb, 0xa).good();
        assertThat(keys(b)).containsExactly(0xbL, 0xcL);
        assertThat(heldType(b)).isEqualTo(1);
        assertThat(a.attention()).contains(0x2a05);
        assertThat(c.attention()).as("the type changed").contains(0x2a04);
        a.write(0, BLOCK).conflict();
        b.write(0, BLOCK).good();
        b.reserveOut(PREEMPT, 1, 0xb, 0).fails(Condition.INVALID_FIELD_IN_PARAMETER_LIST);
        b.reserveOut(PREEMPT, 1, 0xb, 0xc).good();
        assertThat(heldType(b)).isEqualTo(1);
        assertThat(keys(b)).containsExactly(0xbL);
    }

    @Test
    void preemptOfAllRegistrantsWithKeyZeroLeavesOne() {
        a.reserveOut(REGISTER, 0, 0, 0xa).good();
        b.reserveOut(REGISTER, 0, 0, 0xb).good();
        c.reserveOut(REGISTER, 0, 0, 0xc).good();
        a.reserveOut(RESERVE, 7, 0xa, 0).good();
        b.reserveOut(PREEMPT, 8, 0xb, 0xc).good();
        assertThat(heldType(b)).isEqualTo(7);
        b.reserveOut(PREEMPT, 3, 0xb, 0).good();
        assertThat(keys(b)).containsExactly(0xbL);
        assertThat(heldType(b)).isEqualTo(3);
        a.read(0, 1).fails(Condition.REGISTRATIONS_PREEMPTED);
        a.read(0, 1).conflict();
    }

    @Test
    void registerAndMoveHandsTheReservationOver() {
        byte[] transport = TransportId.encode(b.id);
        moved(a, 0xa, 0xbb, 2, 0, transport).conflict();
        a.reserveOut(REGISTER, 0, 0, 0xa).good();
        moved(a, 0xa, 0xbb, 2, 0, transport).fails(Condition.INVALID_FIELD_IN_CDB);
        a.reserveOut(RESERVE, 3, 0xa, 0).good();
        moved(a, 0xa, 0xbb, 9, 0, transport).fails(Condition.INVALID_FIELD_IN_PARAMETER_LIST);
        moved(a, 0xa, 0xbb, 1, 0, TransportId.encode(a.id))
                .fails(Condition.INVALID_FIELD_IN_PARAMETER_LIST);
        moved(a, 0xa, 0xbb, 2, 2, transport).good();
        assertThat(keys(a)).containsExactly(0xbbL);
        b.write(0, BLOCK).good();
        a.write(0, BLOCK).conflict();
        assertThat(b.reserveIn(1).getLong(8)).isEqualTo(0xbb);
    }

    private static Initiator.Answer moved(
            Initiator from, long key, long actionKey, int port, int flags, byte[] transport) {
        ByteBuffer list = ByteBuffer.allocate(24 + transport.length);
        list.putLong(key).putLong(actionKey).put((byte) 0).put((byte) flags);
        list.putShort((short) port).putInt(transport.length).put(transport);
        byte[] cdb = Initiator.reserveOutCdb(MOVE, 0, list.capacity());
        return from.send(cdb, list.array());
    }

    @Test
    void registerNamesOtherInitiatorsAndAllPorts() {
        byte[] transport = TransportId.encode(b.id);
        ByteBuffer additional = ByteBuffer.allocate(4 + transport.length);
        additional.putInt(transport.length).put(transport);
        a.reserveOut(REGISTER, 0, 0, 0xa, 0x0c, additional.array()).good();
        ByteBuffer full = c.reserveIn(3);
        assertThat(keys(c)).containsExactly(0xaL, 0xaL, 0xaL, 0xaL);
        List<String> ports = new ArrayList<>();
        full.position(8);
        while (full.hasRemaining()) {
            int at = full.position();
            int port = full.getShort(at + 18);
            int length = full.getInt(at + 20);
            NexusId nexus = TransportId.decode(full, at + 24, port);
            ports.add(nexus.initiatorName() + " " + port);
            full.position(at + 24 + length);
        }
        assertThat(ports)
                .containsExactlyInAnyOrder(
                        a.id.initiatorName() + " 1",
                        a.id.initiatorName() + " 2",
                        b.id.initiatorName() + " 1",
                        b.id.initiatorName() + " 2");
        a.reserveOut(REGISTER, 0, 0xa, 0xa, 0x08, additional.array())
                .fails(Condition.INVALID_FIELD_IN_PARAMETER_LIST);
    }

    @Test
    void parameterListsHaveTheirLength() {
        a.send(Initiator.reserveOutCdb(REGISTER, 0, 23), new byte[23])
                .fails(Condition.PARAMETER_LIST_LENGTH_ERROR);
        a.send(Initiator.reserveOutCdb(REGISTER, 0, 28), new byte[28])
                .fails(Condition.PARAMETER_LIST_LENGTH_ERROR);
        a.reserveOut(REGISTER, 0, 0, 0xa).good();
        a.reserveOut(RESERVE, 2, 0xa, 0).fails(Condition.INVALID_FIELD_IN_CDB);
        a.reserveOut(RESERVE, 0x11, 0xa, 0).fails(Condition.INVALID_FIELD_IN_CDB);
        assertThat(a.send("5e 02 0000000000 ffff 00").data())
                .containsExactly(0, 8, 0x1d, 0x90, 0xea, 1, 0, 0);
    }

    @Test
    void registrationsAreLimited() {
        for (int i = 0; i < ScsiState.MAX_REGISTRATIONS; i++) {
            Initiator each = new Initiator(nodes.first, "n" + i, i, 1);
            each.drain();
            each.reserveOut(IGNORE, 0, 0, 1 + i).good();
            each.nexus.close();
        }
        a.reserveOut(REGISTER, 0, 0, 0xa).fails(Condition.INSUFFICIENT_REGISTRATION_RESOURCES);
        assertThat(keys(b)).hasSize(ScsiState.MAX_REGISTRATIONS);
    }

    @Test
    void reservationsOutliveEveryNode() {
        a.reserveOut(REGISTER, 0, 0, 0xa).good();
        a.reserveOut(RESERVE, 1, 0xa, 0).good();
        nodes.close();
        try (Nodes again = new Nodes(nodes.firstDevice, 512)) {
            Initiator stranger = again.login("c", 2);
            stranger.write(0, BLOCK).conflict();
            again.login("a", 1).write(0, BLOCK).good();
        }
    }

    @Test
    void anSpc2ReservationKeepsOthersOutUntilItsNexusIsGone() {
        a.send("16 00 0000 00 00").good();
        a.send("16 00 0000 00 00").good();
        b.send("16 00 0000 00 00").conflict();
        b.read(0, 1).conflict();
        b.ready().conflict();
        b.send("12 00 00 0060 00").good();
        b.send("17 00 0000 00 00").good();
        b.reserveOut(REGISTER, 0, 0, 0xb).conflict();
        a.read(0, 1).good();
        a.nexus.close();
        b.send("16 00 0000 00 00").good();
        b.send("57 00 00000000000000 00").good();
        c.read(0, 1).good();
    }

    /// Its process ends with all others and is back before anybody has missed it.
    @Test
    void anSpc2ReservationEndsWithTheProcessOfItsPort() {
        a.send("16 00 0000 00 00").good();
        LogicalUnit again = nodes.unit(nodes.firstDevice.portal(), 512, 1);
        Initiator back = new Initiator(again, "c", 1, 1);
        back.drain();
        back.read(0, 1).good();
        b.read(0, 1).good();
        again.close();
    }

    @Test
    void anSpc2ReservationOfALostPortIsReleased() {
        a.send("16 00 0000 00 00").good();
        nodes.ports.set(
                new PortStates.Port(1, PortStates.AccessState.UNAVAILABLE),
                new PortStates.Port(2, PortStates.AccessState.OPTIMIZED));
        b.read(0, 1).good();
    }

    @Test
    void spc2AndPersistentReservationsLiveTogetherAsCrhSays() {
        a.reserveOut(REGISTER, 0, 0, 0xa).good();
        b.send("16 00 0000 00 00").conflict();
        a.reserveOut(RESERVE, 1, 0xa, 0).good();
        a.send("16 00 0000 00 00").good();
        a.send("17 00 0000 00 00").good();
        assertThat(heldType(a)).isEqualTo(1);
        b.send("17 00 0000 00 00").conflict();
    }
}
