package io.cistern.iscsi.scsi;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// What whole hosts do, command after command: a failover cluster that validates a disk, and a
/// hypervisor that looks for what it may offload and then does.
class HostSequencesTest {
    private static final int REGISTER = 0;
    private static final int RESERVE = 1;
    private static final int RELEASE = 2;
    private static final int CLEAR = 3;
    private static final int PREEMPT = 4;
    private static final int PREEMPT_AND_ABORT = 5;
    private static final int REGISTER_AND_IGNORE = 6;
    private static final int APTPL = 0x01;
    private static final byte[] BLOCK = new byte[512];

    private final Nodes nodes = new Nodes();

    @AfterEach
    void close() {
        nodes.close();
    }

    /// A host with a path through each node, with one key on both.
    private final class Host {
        final long key;
        final List<Initiator> paths;

        Host(String name, long key) {
            this.key = key;
            this.paths = List.of(nodes.login(name, 1), nodes.login(name, 2));
        }

        Initiator path(int which) {
            return paths.get(which);
        }

        void register() {
            for (Initiator path : paths) {
                path.reserveOut(REGISTER_AND_IGNORE, 0, 0, key, APTPL, new byte[0]).good();
            }
        }

        /// Every path is told once that it was preempted, and is out.
        void expectPreempted() {
            for (Initiator path : paths) {
                path.write(0, BLOCK).fails(Condition.REGISTRATIONS_PREEMPTED);
                path.write(0, BLOCK).conflict();
                path.reserveOut(RELEASE, 5, key, 0).conflict();
                path.reserveOut(RESERVE, 5, key, 0).conflict();
            }
        }
    }

    private static List<Long> keys(Initiator initiator) {
        ByteBuffer answer = initiator.reserveIn(0);
        List<Long> keys = new ArrayList<>();
        answer.position(8);
        while (answer.hasRemaining()) {
            keys.add(answer.getLong());
        }
        return keys;
    }

    /// Arbitration as the validation of a failover cluster does it, with each of the types that
    /// registrants share.
    @ParameterizedTest
    @ValueSource(ints = {5, 6, 7, 8})
    void aFailoverClusterValidatesTheDisk(int type) {
        boolean exclusive = type == 6 || type == 8;
        boolean allHold = type >= 7;
        Host a = new Host("a", 0xaaaa);
        Host b = new Host("b", 0xbbbb);
        Host stranger = new Host("c", 0xcccc);
        a.register();
        a.path(0).reserveOut(RESERVE, type, a.key, 0).good();
        assertThat(a.path(1).reserveIn(2).get(3) & 1).as("PTPL_A").isEqualTo(1);
        a.path(1).write(0, BLOCK).good();
        b.path(0).write(0, BLOCK).conflict();
        b.path(1).reserveOut(RESERVE, type, b.key, 0).conflict();
        b.register();
        assertThat(keys(b.path(1))).containsExactlyInAnyOrder(a.key, a.key, b.key, b.key);
        b.path(1).write(0, BLOCK).good();
        stranger.path(0).write(0, BLOCK).conflict();
        assertThat(stranger.path(1).read(0, 1).status())
                .isEqualTo(exclusive ? ScsiResult.RESERVATION_CONFLICT : ScsiResult.GOOD);
        if (!allHold) {
            b.path(0).reserveOut(RESERVE, type, b.key, 0).conflict();
        }

        // The defender is gone: the challenger takes the disk and puts its paths out.
        b.path(0).reserveOut(PREEMPT, type, b.key, a.key).good();
        a.expectPreempted();
        assertThat(keys(b.path(1))).containsExactly(b.key, b.key);
        assertThat(b.path(1).reserveIn(1).get(21)).isEqualTo((byte) type);
        assertThat(b.path(1).reserveIn(1).getLong(8)).isEqualTo(allHold ? 0 : b.key);
        b.path(1).write(0, BLOCK).good();

        // It comes back and takes it again, with what was under way.
        a.register();
        a.path(1).reserveOut(PREEMPT_AND_ABORT, type, a.key, b.key).good();
        b.expectPreempted();
        b.register();
        a.path(1).reserveOut(RELEASE, type, a.key, 0).good();
        assertThat(b.path(0).attention()).contains(0x2a04);
        assertThat(b.path(1).attention()).contains(0x2a04);
        stranger.path(0).write(0, BLOCK).good();
        b.path(0).reserveOut(CLEAR, 0, b.key, 0).good();
        assertThat(a.path(0).attention()).contains(0x2a04);
        assertThat(a.path(0).attention()).contains(0x2a03);
        assertThat(a.path(1).attention()).contains(0x2a03);
        assertThat(keys(a.path(0))).isEmpty();
        a.path(1).reserveOut(REGISTER, 0, a.key, 0).conflict();
        a.path(1).reserveOut(REGISTER_AND_IGNORE, 0, a.key, 0).good();
    }

    private static byte[] page(Initiator initiator, int code) {
        return initiator.send("12 01 %02x 0800 00".formatted(code)).good().data();
    }

    /// What ESXi looks at before it offloads (VAAI), and that each promise is kept.
    @Test
    void aHypervisorFindsAndUsesWhatItMayOffload() {
        Initiator one = nodes.login("esx1", 1);
        Initiator two = nodes.login("esx2", 2);
        byte[] inquiry = one.send("12 00 00 0060 00").good().data();
        assertThat(inquiry[5] & 0x08).as("3PC").isEqualTo(0x08);
        assertThat(inquiry[5] & 0x30).as("TPGS").isEqualTo(0x10);
        assertThat(inquiry[6] & 0x10).as("MULTIP").isEqualTo(0x10);
        assertThat(page(one, 0))
                .contains((byte) 0x83, (byte) 0x8f, (byte) 0xb0, (byte) 0xb1, (byte) 0xb2);
        ByteBuffer limits = ByteBuffer.wrap(page(one, 0xb0));
        assertThat(limits.get(5) & 0xff).as("COMPARE AND WRITE").isPositive();
        assertThat(limits.getInt(20)).as("UNMAP LBA COUNT").isPositive();
        assertThat(limits.getInt(24)).as("UNMAP DESCRIPTORS").isPositive();
        assertThat(limits.getLong(36)).as("WRITE SAME").isPositive();
        assertThat(page(one, 0xb2)[5] & 0xe4).as("LBPU, LBPWS, LBPWS10, LBPRZ").isEqualTo(0xe4);

        // ATS: a heartbeat of one block; the loser of a race is told, and where it differs.
        byte[] free = new byte[512];
        byte[] mine = new byte[512];
        Arrays.fill(mine, (byte) 1);
        byte[] theirs = new byte[512];
        Arrays.fill(theirs, (byte) 2);
        one.compareAndWrite(0, free, mine).good();
        byte[] sense =
                two.compareAndWrite(0, free, theirs)
                        .fails(Condition.MISCOMPARE_DURING_VERIFY)
                        .sense();
        assertThat(sense[2] & 0x0f).isEqualTo(0x0e);
        assertThat(two.read(0, 1).good().data()).isEqualTo(mine);

        // Block zeroing, cloning, space reclamation.
        byte[] data = new byte[2048 * 512];
        Arrays.fill(data, (byte) 7);
        one.write(2048, data).good();
        one.send("83 00 0000000000000000 0000004c 00 00", copyList(2048, 8192, 2048)).good();
        assertThat(two.read(8192, 2048).good().data()).isEqualTo(data);
        one.send(Initiator.transfer(0x93, 2048, 2048), new byte[512]).good();
        assertThat(two.read(2048, 2048).good().data()).containsOnly(0);
        one.send(
                        "42 00 00000000 00 0018 00",
                        Initiator.hex("0016 0010 00000000 0000000000002000 00000800 00000000"))
                .good();
        ByteBuffer status = two.send("9e 12 0000000000002000 00000018 00 00").good().buffer();
        assertThat(status.get(20)).as("deallocated").isEqualTo((byte) 1);
        assertThat(status.getInt(16)).isGreaterThanOrEqualTo(2048);
    }

    /// EXTENDED COPY of one segment within the unit.
    private byte[] copyList(long from, long to, int blocks) {
        ByteBuffer list = ByteBuffer.allocate(76);
        list.put((byte) 1).put((byte) 0x18).putShort((short) 32).putInt(0).putInt(28).putInt(0);
        list.put(0, (byte) 0); // LIST ID USAGE 11b: no identifier, no result kept
        list.put((byte) 0xe4).put((byte) 0).putShort((short) 0);
        list.put((byte) 1).put((byte) 3).put((byte) 0).put((byte) 8);
        list.put(nodes.first.identity().naa()).putInt(44, 512).position(48);
        list.put((byte) 2).put((byte) 0).putShort((short) 24).putInt(0).putShort((short) 0);
        return list.putShort((short) blocks).putLong(from).putLong(to).array();
    }

    @Test
    void theCopyManagerSaysWhatItCan() {
        Initiator a = nodes.login("a", 1);
        ByteBuffer page = ByteBuffer.wrap(page(a, 0x8f));
        List<Integer> types = new ArrayList<>();
        page.position(4);
        while (page.hasRemaining()) {
            types.add(page.getShort() & 0xffff);
            int length = page.getShort() & 0xffff;
            assertThat(length % 4).isZero();
            byte[] body = new byte[length];
            page.get(body);
            if (types.getLast() == 0x0001) {
                assertThat(body)
                        .startsWith(8, 0x83, 1, 0, 0x84, 3, 0, 3, 4); // as the table of commands
            }
        }
        assertThat(types).containsExactly(0x0001, 0x0004, 0x0008, 0x000c, 0x8001);
    }

    /// A TransportID of a mere name means every port of that name that is known.
    @Test
    void registerNamesAnInitiatorWithAllItsPorts() {
        Initiator a = nodes.login("a", 1);
        Initiator stranger = nodes.login("c", 1);
        Initiator first = new Initiator(nodes.first, "b", 1, 1);
        Initiator second = new Initiator(nodes.first, "b", 2, 1);
        first.drain();
        second.drain();
        a.reserveOut(REGISTER, 0, 0, 0xa, 0x08, named("iqn.2026-11.test:nobody"))
                .fails(Condition.INVALID_FIELD_IN_PARAMETER_LIST);
        assertThat(keys(a)).isEmpty();
        a.reserveOut(REGISTER, 0, 0, 0xa, 0x08, named("iqn.2026-11.Test:B")).good();
        a.reserveOut(RESERVE, 6, 0xa, 0).good();
        first.write(0, BLOCK).good();
        second.write(0, BLOCK).good();
        stranger.write(0, BLOCK).conflict();
    }

    private static byte[] named(String name) {
        int padded = name.length() / 4 * 4 + 4;
        ByteBuffer list = ByteBuffer.allocate(4 + 4 + padded).putInt(4 + padded);
        list.put((byte) 0x05).put((byte) 0).putShort((short) padded);
        return list.put(name.getBytes(java.nio.charset.StandardCharsets.US_ASCII)).array();
    }
}
