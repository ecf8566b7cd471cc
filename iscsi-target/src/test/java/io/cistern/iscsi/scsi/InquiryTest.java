package io.cistern.iscsi.scsi;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class InquiryTest {
    private final Nodes nodes = new Nodes();
    private final Initiator a = nodes.login("a", 1);

    private static byte[] page(Initiator initiator, int code) {
        return initiator.send("12 01 %02x 0800 00".formatted(code)).good().data();
    }

    @Test
    void everyPageThatIsListedIsThereAndStatesItsLength() {
        byte[] list = page(a, 0);
        assertThat(list[3]).isEqualTo((byte) (list.length - 4));
        for (int i = 4; i < list.length; i++) {
            byte[] page = page(a, list[i] & 0xff);
            assertThat(page[1]).isEqualTo(list[i]);
            assertThat(ByteBuffer.wrap(page).getShort(2)).isEqualTo((short) (page.length - 4));
        }
        a.send("12 01 b5 00ff 00").fails(Condition.INVALID_FIELD_IN_CDB);
        a.send("12 00 80 00ff 00").fails(Condition.INVALID_FIELD_IN_CDB);
    }

    @Test
    void theUnitHasTheSameNamesThroughBothPortsAndEachPortItsOwn() {
        List<String> first = designators(page(a, 0x83));
        List<String> second = designators(page(nodes.login("a", 2), 0x83));
        assertThat(first.subList(0, 3)).isEqualTo(second.subList(0, 3));
        assertThat(first.get(0)).startsWith("0103").matches("....3.{15}");
        assertThat(first.get(3)).isEqualTo("519400000001");
        assertThat(second.get(4)).isEqualTo("519500000002");
        assertThat(page(a, 0x80)).isEqualTo(page(nodes.login("b", 2), 0x80));
        String port = new String(page(a, 0x83), StandardCharsets.US_ASCII);
        assertThat(port).contains(Nodes.TARGET + ",t,0x0001").contains("naa.3");
    }

    private static List<String> designators(byte[] page) {
        List<String> found = new ArrayList<>();
        int at = 4;
        while (at < page.length) {
            int length = page[at + 3] & 0xff;
            StringBuilder text = new StringBuilder("%02x%02x".formatted(page[at], page[at + 1]));
            for (int i = at + 4; i < at + 4 + length; i++) {
                text.append("%02x".formatted(page[i]));
            }
            found.add(text.toString());
            at += 4 + length;
        }
        return found;
    }

    @ParameterizedTest
    @ValueSource(ints = {512, 4096})
    void theLimitsPromiseWhatTheCommandsDo(int blockBytes) {
        try (Nodes sized = new Nodes(64L << 20, blockBytes)) {
            Initiator i = sized.login("a", 1);
            ByteBuffer limits = ByteBuffer.wrap(page(i, 0xb0));
            int transfer = limits.getInt(8);
            assertThat(transfer).isEqualTo(LogicalUnit.MAX_TRANSFER_BYTES / blockBytes);
            assertThat(i.read(0, transfer).good().data()).hasSize(LogicalUnit.MAX_TRANSFER_BYTES);
            i.read(0, transfer + 1).fails(Condition.INVALID_FIELD_IN_CDB);
            int compare = limits.get(5) & 0xff;
            byte[] zeroes = new byte[compare * blockBytes];
            i.compareAndWrite(0, zeroes, zeroes).good();
            int atomic = limits.getInt(44);
            byte[] data = new byte[atomic * blockBytes];
            i.send("9c 00 0000000000000000 0000 %04x 00 00".formatted(atomic), data).good();
            i.send("9c 00 0000000000000000 0000 %04x 00 00".formatted(atomic + 1), data)
                    .fails(Condition.INVALID_FIELD_IN_CDB);
            ByteBuffer capacity = i.send("9e 10 0000000000000000 00000020 00 00").good().buffer();
            assertThat(capacity.getLong(0)).isEqualTo((64L << 20) / blockBytes - 1);
            assertThat(capacity.getInt(8)).isEqualTo(blockBytes);
            assertThat(capacity.get(13)).isEqualTo((byte) (blockBytes == 512 ? 3 : 0));
            assertThat(capacity.get(14) & 0xff).isEqualTo(0xc0);
        }
    }

    @Test
    void otherLunsAreAbsentButAnswerWhatTheyMust() {
        long lun = 0x0001_0000_0000_0000L;
        assertThat(other(lun, "12 00 00 0060 00").good().data()[0]).isEqualTo((byte) 0x7f);
        assertThat(other(lun, "a0 00 00 000000 00000010 00 00").good().data()).hasSize(16);
        assertThat(other(lun, "03 00 0000 12 00").good().data()[12]).isEqualTo((byte) 0x25);
        other(lun, "00 00 00 00 00 00").fails(Condition.LUN_NOT_SUPPORTED);
    }

    private Initiator.Answer other(long lun, String cdb) {
        ScsiCommand command =
                new ScsiCommand(
                        lun, ByteBuffer.wrap(Initiator.hex(cdb)), ScsiCommand.Attribute.SIMPLE);
        return Initiator.await(a.start(command, new byte[0]));
    }

    @Test
    void lunsAreReportedForEverySelection() {
        for (int select : new int[] {0x00, 0x02, 0x11}) {
            byte[] luns =
                    a.send("a0 00 %02x 000000 00000100 00 00".formatted(select)).good().data();
            assertThat(luns).containsExactly(0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
        }
        assertThat(a.send("a0 00 01 000000 00000100 00 00").good().data()).hasSize(8);
        a.send("a0 00 05 000000 00000100 00 00").fails(Condition.INVALID_FIELD_IN_CDB);
        a.send("a0 00 00 000000 0000000f 00 00").fails(Condition.INVALID_FIELD_IN_CDB);
    }

    @Test
    void whoNeverAskedForPortStatesIsNotInterruptedByThem() {
        Initiator other = nodes.login("unaware", 1);
        a.send("a3 0a 00000000 00000100 00 00").good();
        nodes.ports.set(
                new PortStates.Port(1, PortStates.AccessState.NON_OPTIMIZED),
                new PortStates.Port(2, PortStates.AccessState.OPTIMIZED));
        other.read(0, 1).good();
        assertThat(a.attention()).contains(0x2a06);
        assertThat(a.attention()).isEmpty();
    }

    @Test
    void portGroupsFollowTheStates() {
        ByteBuffer groups = a.send("a3 0a 00000000 00000100 00 00").good().buffer();
        assertThat(groups.getInt(0)).isEqualTo(24);
        assertThat(groups.get(4) & 0x0f).isEqualTo(0);
        assertThat(groups.get(16) & 0x0f).isEqualTo(1);
        nodes.ports.set(
                new PortStates.Port(1, PortStates.AccessState.NON_OPTIMIZED),
                new PortStates.Port(2, PortStates.AccessState.UNAVAILABLE));
        assertThat(a.attention()).contains(0x2a06);
        ByteBuffer extended = a.send("a3 2a 00000000 00000100 00 00").good().buffer();
        assertThat(extended.getInt(0)).isEqualTo(28);
        assertThat(extended.get(8) & 0x0f).isEqualTo(1);
        assertThat(extended.get(20) & 0x0f).isEqualTo(3);
    }
}
