package io.cistern.iscsi.scsi;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.util.Arrays;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

class ModePagesTest {
    private final Nodes nodes = new Nodes();
    private final Initiator a = nodes.login("a", 1);
    private final Initiator b = nodes.login("b", 2);

    @Property
    void everyPageYieldsTheSettingsItWasMadeOf(
            @ForAll boolean sense,
            @ForAll boolean tas,
            @ForAll boolean protect,
            @ForAll boolean events,
            @ForAll int available,
            @ForAll int used) {
        ModeSettings settings =
                new ModeSettings(
                        sense, tas, protect, events, available & 0xffffffffL, used & 0xffffffffL);
        ModeSettings read = ModeSettings.DEFAULT;
        for (ModePage page : ModePage.ALL) {
            byte[] bytes = page.encode(settings);
            assertThat(page.changeable()).hasSameSizeAs(bytes);
            read = page.apply(bytes, read);
        }
        assertThat(read).isEqualTo(settings);
    }

    @Test
    void pagesAreSensedInBothSizes() {
        ByteBuffer six = a.send("1a 00 3f 00 ff 00").good().buffer();
        assertThat(six.get(0) & 0xff).isEqualTo(six.limit() - 1);
        assertThat(six.get(2) & 0xff).as("DPOFUA").isEqualTo(0x10);
        assertThat(six.get(3)).isEqualTo((byte) 8);
        assertThat(six.getInt(8)).isEqualTo(512);
        ByteBuffer ten = a.send("5a 10 3f ff 000000 0400 00").good().buffer();
        assertThat(ten.getShort(0)).isEqualTo((short) (ten.limit() - 2));
        assertThat(ten.getShort(6)).isEqualTo((short) 16);
        assertThat(ten.getLong(8)).isEqualTo(nodes.first.capacityBlocks());
        assertThat(a.send("1a 08 08 00 ff 00").good().data()).hasSize(24);
        assertThat(a.send("1a 08 1c 02 ff 00").good().data()).hasSize(36);
        a.send("1a 08 09 00 ff 00").fails(Condition.INVALID_FIELD_IN_CDB);
        a.send("1a 08 0a 07 ff 00").fails(Condition.INVALID_FIELD_IN_CDB);
    }

    private static byte[] selectable(byte[] sensed) {
        byte[] list = sensed.clone();
        list[0] = 0;
        list[2] = 0;
        list[4] &= 0x7f;
        return list;
    }

    @Test
    void theMediumIsWriteProtectedThroughEveryNode() {
        byte[] control = selectable(a.send("1a 08 0a 00 ff 00").good().data());
        control[8] = 8;
        a.send("15 10 0000 10 00", control).good();
        assertThat(b.attention()).contains(0x2a01);
        assertThat(a.attention()).isEmpty();
        b.write(0, new byte[512]).fails(Condition.SOFTWARE_WRITE_PROTECTED);
        b.compareAndWrite(0, new byte[512], new byte[512])
                .fails(Condition.SOFTWARE_WRITE_PROTECTED);
        b.send("42 00 00000000 00 0000 00").fails(Condition.SOFTWARE_WRITE_PROTECTED);
        b.read(0, 1).good();
        assertThat(b.send("1a 08 0a 00 ff 00").good().data()[2] & 0x80).isEqualTo(0x80);
        control[8] = 0;
        b.send("15 10 0000 10 00", control).good();
        assertThat(a.attention()).contains(0x2a01);
        a.write(0, new byte[512]).good();
    }

    @Test
    void senseDataComesInTheFormatAskedFor() {
        byte[] control = selectable(a.send("1a 08 0a 00 ff 00").good().data());
        control[6] |= 4;
        a.send("15 10 0000 10 00", control).good();
        byte[] sense =
                a.send("28 20 00000000 00 0001 00").fails(Condition.INVALID_FIELD_IN_CDB).sense();
        assertThat(sense).startsWith(0x72, 5, 0x24, 0).hasSize(16);
        assertThat(Arrays.copyOfRange(sense, 8, 16))
                .containsExactly(0x02, 0x06, 0, 0, 0xcd, 0, 1, 0);
    }

    @Test
    void whatCannotBeChangedIsRefusedByName() {
        byte[] caching = selectable(a.send("1a 08 08 00 ff 00").good().data());
        caching[6] |= 4; // WCE
        byte[] sense =
                a.send("15 10 0000 18 00", caching)
                        .fails(Condition.INVALID_FIELD_IN_PARAMETER_LIST)
                        .sense();
        assertThat(sense[15] & 0xff).isEqualTo(0x8a);
        assertThat(sense[17]).isEqualTo((byte) 6);
        a.send("15 10 0000 17 00", caching).fails(Condition.PARAMETER_LIST_LENGTH_ERROR);
        a.send("15 00 0000 18 00", caching).fails(Condition.INVALID_FIELD_IN_CDB);
        a.send("15 10 0000 00 00").good();
        assertThat(b.attention()).isEmpty();
    }

    @Test
    void savedParametersSurviveAReset() {
        byte[] control = selectable(a.send("1a 08 0a 00 ff 00").good().data());
        control[6] |= 4;
        a.send("15 11 0000 10 00", control).good();
        b.manage(TaskManagement.LOGICAL_UNIT_RESET);
        a.drain();
        assertThat(a.send("1a 08 0a 00 ff 00").good().data()[6] & 4).isEqualTo(4);
        assertThat(a.send("1a 08 ca 00 ff 00").good().data()[6] & 4).isEqualTo(4);
        assertThat(a.send("1a 08 8a 00 ff 00").good().data()[6] & 4).isZero();
        assertThat(a.send("1a 08 4a 00 ff 00").good().data()[6]).isEqualTo((byte) 4);
    }

    @Test
    void thresholdsAreToldWhenTheyAreCrossed() {
        byte[] page = selectable(a.send("1a 08 1c 02 ff 00").good().data());
        page[20] = (byte) 0x80;
        page[27] = 100; // 100 sets of 1 MiB left
        a.send("15 10 0000 24 00", page).good();
        b.drain();
        a.write(0, new byte[512]).good();
        assertThat(a.attention()).isEmpty();
        nodes.availableBytes.set(99L << 20);
        nodes.clockSeconds.addAndGet(2);
        a.write(0, new byte[512]).good();
        assertThat(a.attention()).contains(0x3807);
        nodes.clockSeconds.addAndGet(2);
        a.write(0, new byte[512]).good();
        assertThat(a.attention()).as("told once").isEmpty();
        nodes.availableBytes.set(101L << 20);
        nodes.clockSeconds.addAndGet(2);
        a.write(0, new byte[512]).good();
        nodes.availableBytes.set(99L << 20);
        nodes.clockSeconds.addAndGet(2);
        a.compareAndWrite(0, new byte[512], new byte[512]).good();
        assertThat(a.attention()).as("whatever maps").contains(0x3807);
        ByteBuffer log = a.send("4d 00 4c 00 00 0000 00ff 00").good().buffer();
        assertThat(log.getInt(8)).isEqualTo(99);
    }
}
