package io.cistern.iscsi.scsi;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.block.MemoryGuardedDevice;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class BlockCommandsTest {
    private static final int BLOCK = 512;

    private final Nodes nodes = new Nodes();
    private final Initiator a = nodes.login("a", 1);
    private final Initiator b = nodes.login("b", 2);

    static byte[] filled(int blocks, int value) {
        byte[] data = new byte[blocks * BLOCK];
        Arrays.fill(data, (byte) value);
        return data;
    }

    @Test
    void whatIsWrittenInAnyFormIsReadInAnyFormThroughTheOtherNode() {
        byte[] data = filled(3, 7);
        a.send("0a 000005 03 00", data).good();
        assertThat(b.send("08 000005 03 00").good().data()).isEqualTo(data);
        a.send("2a 08 00000010 00 0003 00", data).good();
        assertThat(b.send("a8 10 00000010 00000003 00 00").good().data()).isEqualTo(data);
        a.send("aa 18 00000020 00000003 00 00", data).good();
        assertThat(b.send("28 00 00000020 00 0003 00").good().data()).isEqualTo(data);
        a.write(48, data).good();
        assertThat(b.read(48, 3).good().data()).isEqualTo(data);
        assertThat(b.send("08 000000 00 00").good().data()).hasSize(256 * BLOCK);
    }

    @Test
    void aRangeEndsWithinTheUnit() {
        long last = nodes.first.capacityBlocks() - 1;
        a.read(last, 1).good();
        a.read(last, 2).fails(Condition.LBA_OUT_OF_RANGE);
        a.read(last + 1, 0).good();
        a.read(last + 2, 0).fails(Condition.LBA_OUT_OF_RANGE);
        a.read(-1, 1).fails(Condition.LBA_OUT_OF_RANGE);
        a.read(Long.MIN_VALUE, 0).fails(Condition.LBA_OUT_OF_RANGE);
        a.write(last, new byte[2 * BLOCK]).fails(Condition.LBA_OUT_OF_RANGE);
    }

    @Test
    void ofDataThatIsCutShortAWriteWritesWhatCameAndOthersNothing() {
        a.write(0, filled(2, 1)).good();
        a.send(Initiator.transfer(0x8b, 0, 2), filled(1, 9))
                .fails(Condition.INVALID_FIELD_IN_COMMAND_IU);
        assertThat(a.read(0, 2).data()).isEqualTo(filled(2, 1));
        a.send(Initiator.transfer(0x8a, 0, 2), filled(1, 9)).good();
        assertThat(a.read(0, 2).data()).startsWith(filled(1, 9)).endsWith(filled(1, 1));
        a.send("8e 02 0000000000000000 00000002 00 00", filled(1, 8)).good();
        assertThat(a.read(0, 2).data()).startsWith(filled(1, 8)).endsWith(filled(1, 1));
    }

    @Test
    void verifyComparesAsByteCheckSays() {
        a.write(8, filled(4, 3)).good();
        a.send("2f 00 00000008 00 0004 00").good();
        a.send("2f 02 00000008 00 0004 00", filled(4, 3)).good();
        byte[] wrong = filled(4, 3);
        wrong[2 * BLOCK + 5] = 4;
        byte[] sense =
                a.send("2f 02 00000008 00 0004 00", wrong)
                        .fails(Condition.MISCOMPARE_DURING_VERIFY)
                        .sense();
        assertThat(ByteBuffer.wrap(sense).getInt(3)).isEqualTo(10);
        a.send("8f 06 0000000000000008 00000004 00 00", filled(1, 3)).good();
        a.send("8f 06 0000000000000008 00000005 00 00", filled(1, 3))
                .fails(Condition.MISCOMPARE_DURING_VERIFY);
        a.send("af 04 00000008 00000004 00 00").fails(Condition.INVALID_FIELD_IN_CDB);
        a.send("2e 02 00000008 00 0002 00", filled(2, 5)).good();
        assertThat(a.read(8, 3).data()).startsWith(filled(2, 5)).endsWith(filled(1, 3));
    }

    @Test
    void compareAndWriteTellsWhereItDiffers() {
        a.write(0, filled(2, 1)).good();
        byte[] expected = filled(2, 1);
        expected[700] = 2;
        byte[] sense =
                a.compareAndWrite(0, expected, filled(2, 9))
                        .fails(Condition.MISCOMPARE_DURING_VERIFY)
                        .sense();
        assertThat(sense[0] & 0x80).isEqualTo(0x80);
        assertThat(ByteBuffer.wrap(sense).getInt(3)).isEqualTo(700);
        assertThat(a.read(0, 2).data()).isEqualTo(filled(2, 1));
        a.compareAndWrite(0, filled(2, 1), filled(2, 9)).good();
        assertThat(b.read(0, 2).data()).isEqualTo(filled(2, 9));
        ScsiCommand announced =
                new ScsiCommand(
                        0,
                        ByteBuffer.wrap(Initiator.hex("89 00 0000000000000000 000000 01 00 00")),
                        ScsiCommand.Attribute.SIMPLE,
                        4 * BLOCK);
        Initiator.await(a.start(announced, filled(4, 9))).fails(Condition.INVALID_FIELD_IN_CDB);
    }

    @Test
    void orWriteAddsBits() {
        a.write(0, filled(300, 0x0f)).good();
        a.send(Initiator.transfer(0x8b, 0, 300), filled(300, 0x30)).good();
        assertThat(a.read(0, 300).data()).isEqualTo(filled(300, 0x3f));
    }

    @Test
    void writeSameRepeatsZeroesAndFrees() {
        a.send("41 00 00000000 00 1001 00", filled(1, 6)).good();
        assertThat(a.read(0, 4097).data()).isEqualTo(filled(4097, 6));
        assertThat(provisioning(0)).isEqualTo(0);
        a.send("93 09 0000000000000008 00000010 00 00").good();
        assertThat(a.read(8, 16).data()).isEqualTo(filled(16, 0));
        assertThat(provisioning(8)).isEqualTo(1);
        a.send("41 08 00000020 00 0008 00", filled(1, 6)).good();
        assertThat(a.read(32, 8).data()).isEqualTo(filled(8, 6));
        a.send("41 00 00000000 00 0000 00", filled(1, 6)).fails(Condition.INVALID_FIELD_IN_CDB);
        a.send("41 10 00000000 00 0001 00", filled(1, 6)).fails(Condition.INVALID_FIELD_IN_CDB);
        a.send(Initiator.transfer(0x93, 0, WriteSame.MAX_BLOCKS), filled(1, 6)).good();
        a.send(Initiator.transfer(0x93, 0, WriteSame.MAX_BLOCKS + 1), filled(1, 6))
                .fails(Condition.INVALID_FIELD_IN_CDB);
    }

    private int provisioning(long lba) {
        ByteBuffer status = a.send("9e 12 %016x 00000018 00 00".formatted(lba)).good().buffer();
        assertThat(status.getLong(8)).isEqualTo(lba);
        return status.get(20);
    }

    @Test
    void unmapChecksItsListBeforeItActs() {
        a.write(0, filled(64, 5)).good();
        a.send("42 00 00000000 00 0028 00", unmapList(0, 8, nodes.first.capacityBlocks(), 1))
                .fails(Condition.LBA_OUT_OF_RANGE);
        assertThat(a.read(0, 64).data()).isEqualTo(filled(64, 5));
        a.send("42 00 00000000 00 0028 00", unmapList(0, 8, 16, 3)).good();
        assertThat(a.read(0, 8).data()).isEqualTo(filled(8, 0));
        assertThat(a.read(16, 4).data()).startsWith(filled(3, 0)).endsWith(filled(1, 5));
        assertThat(provisioning(0)).isEqualTo(1);
        a.send("42 00 00000000 00 0000 00").good();
        a.send("42 00 00000000 00 0007 00", new byte[7])
                .fails(Condition.PARAMETER_LIST_LENGTH_ERROR);
        a.send("42 01 00000000 00 0028 00", unmapList(0, 8, 16, 3))
                .fails(Condition.INVALID_FIELD_IN_CDB);
        // more descriptors than there is list, and one of which a part is there, which counts not
        a.send("42 00 00000000 00 0027 00", unmapList(24, 8, 32, 3))
                .fails(Condition.PARAMETER_LIST_LENGTH_ERROR);
        byte[] partial = unmapList(24, 8, 32, 3);
        partial[3] = 31;
        a.send("42 00 00000000 00 0028 00", partial).good();
        assertThat(a.read(24, 16).data()).startsWith(filled(8, 0)).endsWith(filled(8, 5));
        // more descriptors, or more blocks, than the limits
        byte[] many = new byte[8 + 257 * 16];
        ByteBuffer.wrap(many).putShort((short) (many.length - 2)).putShort((short) (257 * 16));
        a.send("42 00 00000000 00 1018 00", many).fails(Condition.INVALID_FIELD_IN_PARAMETER_LIST);
    }

    private static byte[] unmapList(long lba, int blocks, long lba2, int blocks2) {
        ByteBuffer list = ByteBuffer.allocate(40);
        list.putShort((short) 38).putShort((short) 32).putInt(0);
        list.putLong(lba).putInt(blocks).putInt(0);
        list.putLong(lba2).putInt(blocks2).putInt(0);
        return list.array();
    }

    @Property(tries = 40)
    void aCopyWithinTheUnitMovesTheBytesEvenOntoThemselves(
            @ForAll @IntRange(max = 6000) int from,
            @ForAll @IntRange(max = 6000) int to,
            @ForAll @IntRange(max = 5000) int blocks) {
        byte[] before = new byte[8000 * BLOCK];
        for (int i = 0; i < before.length; i++) {
            before[i] = (byte) (i / BLOCK * 31 + i);
        }
        int n = Math.min(blocks, 8000 - Math.max(from, to));
        try (Nodes fresh = new Nodes(16L << 20, BLOCK)) {
            Initiator i = fresh.login("a", 1);
            i.write(0, before).good();
            i.send("83 00 0000000000000000 %08x 00 00".formatted(76), copyList(fresh, from, to, n))
                    .good();
            byte[] after = before.clone();
            System.arraycopy(before, from * BLOCK, after, to * BLOCK, n * BLOCK);
            assertThat(i.read(0, 8000).good().data()).isEqualTo(after);
            ByteBuffer status = i.send("84 00 05 00000000000000 00000100 00 00").good().buffer();
            assertThat(status.get(4)).isEqualTo((byte) 1);
            assertThat(status.getInt(8)).isEqualTo(n * BLOCK);
        }
    }

    private static byte[] copyList(Nodes nodes, long from, long to, int blocks) {
        ByteBuffer list = ByteBuffer.allocate(76);
        list.put((byte) 5).put((byte) 0).putShort((short) 32).putInt(0).putInt(28).putInt(0);
        list.put((byte) 0xe4).put((byte) 0).putShort((short) 0);
        list.put((byte) 1).put((byte) 3).put((byte) 0).put((byte) 8);
        list.put(nodes.first.identity().naa());
        list.putInt(44, BLOCK).position(48);
        list.put((byte) 2).put((byte) 0).putShort((short) 24).putInt(0).putShort((short) 0);
        list.putShort((short) blocks).putLong(from).putLong(to);
        return list.array();
    }

    @Test
    void aCopyToAnotherUnitIsRefused() {
        byte[] list = copyList(nodes, 0, 10, 5);
        list[30] ^= 1;
        a.send("83 00 0000000000000000 0000004c 00 00", list)
                .fails(Condition.COPY_TARGET_NOT_REACHABLE);
    }

    /// From this unit to another one, of another block size, and back.
    @Test
    void aCopyGoesToOtherUnitsThatTheInitiatorIsLoggedInTo() {
        CopyDomain domain = new CopyDomain();
        nodes.first.join(domain);
        try (Nodes others = new Nodes(new MemoryGuardedDevice(16L << 20), 4096, 8)) {
            others.first.join(domain);
            byte[] list = copyList(nodes.first, others.first, 8, 3, 16);
            String copy = "83 00 0000000000000000 0000006c 00 00";
            a.send(copy, list).fails(Condition.COPY_TARGET_NOT_REACHABLE);

            Initiator there = others.login("a", 1);
            byte[] bytes = new byte[16 * BLOCK];
            new Random(5).nextBytes(bytes);
            a.write(8, bytes).good();
            a.send(copy, list).good();
            assertThat(there.read(3, 2).good().data()).isEqualTo(bytes);

            a.send(copy, copyList(others.first, nodes.first, 3, 100, 2)).good();
            assertThat(a.read(100, 16).good().data()).isEqualTo(bytes);
            a.send(copy, copyList(nodes.first, others.first, 8, 3, 3))
                    .fails(Condition.UNEXPECTED_INEXACT_SEGMENT);
            a.send(copy, copyList(nodes.first, others.first, 8, 4095, 16))
                    .fails(Condition.COPY_ABORTED);
            byte[] reserved = list.clone();
            reserved[1] = 0x08; // LIST ID USAGE
            a.send(copy, reserved).fails(Condition.INVALID_FIELD_IN_PARAMETER_LIST);

            // What keeps the initiator from writing there keeps its copies from it too.
            Initiator holder = others.login("b", 1);
            holder.reserveOut(0, 0, 0, 1).good();
            holder.reserveOut(1, 1, 1, 0).good();
            assertThat(a.send(copy, list).status()).isEqualTo(ScsiResult.RESERVATION_CONFLICT);
            a.send(copy, copyList(others.first, nodes.first, 3, 100, 2)).good();
            others.first.close();
            a.send(copy, list).fails(Condition.COPY_TARGET_NOT_REACHABLE);
        }
    }

    private static byte[] copyList(
            LogicalUnit source, LogicalUnit destination, long from, long to, int blocks) {
        ByteBuffer list = ByteBuffer.allocate(108);
        list.put((byte) 5).put((byte) 0).putShort((short) 64).putInt(0).putInt(28).putInt(0);
        for (LogicalUnit unit : List.of(source, destination)) {
            int at = list.position();
            list.put((byte) 0xe4).put((byte) 0).putShort((short) 0);
            list.put((byte) 1).put((byte) 3).put((byte) 0).put((byte) 8);
            list.put(unit.identity().naa());
            list.putInt(at + 28, unit.blockBytes()).position(at + 32);
        }
        list.put((byte) 2).put((byte) 0).putShort((short) 24);
        list.putShort((short) 0).putShort((short) 1).putShort((short) 0);
        list.putShort((short) blocks).putLong(from).putLong(to);
        return list.array();
    }

    @Test
    void smallAnswersOfOtherCommands() {
        a.send("35 00 00000000 00 0000 00").good();
        a.send("91 02 0000000000000000 00000001 00 00").good();
        a.send("34 00 00000000 03 0001 00").good();
        a.send("1d 04 00 0000 00").good();
        a.send("1d 20 00 0000 00").fails(Condition.INVALID_FIELD_IN_CDB);
        a.send("1b 00 0000 01 00").good();
        a.send("1b 00 0000 00 00").fails(Condition.INVALID_FIELD_IN_CDB);
        assertThat(a.send("37 00 0d 00000000 0020 00").good().data()).hasSize(4);
        assertThat(a.send("25 00 00000000 0000 00 00").good().buffer().getInt())
                .isEqualTo((int) nodes.first.capacityBlocks() - 1);
        assertThat(a.send("4d 00 4c 00 00 0000 00ff 00").good().data()).hasSize(28);
        assertThat(a.send("4d 00 40 ff 00 0000 00ff 00").good().data()).hasSize(10);
        a.send("4d 00 4d 00 00 0000 00ff 00").fails(Condition.INVALID_FIELD_IN_CDB);
    }

    @Test
    void aResizeIsSeenAndTold() {
        nodes.firstDevice.resize(128L << 20);
        assertThat(b.attention()).contains(0x2a09);
        assertThat(b.attention()).isEmpty();
        assertThat(b.read((128L << 20) / BLOCK - 1, 1).good().data()).hasSize(BLOCK);
    }
}
