package io.cistern.iscsi.scsi;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class OpcodesTest {
    private final Nodes nodes = new Nodes();
    private final Initiator initiator = nodes.login("a", 1);

    @Test
    void everyCommandIsReportedAsItIsRun() {
        ByteBuffer all = initiator.send("a3 0c 80 00 0000 0000ffff 00 00").good().buffer();
        assertThat(all.getInt()).isEqualTo(20 * Opcodes.ALL.size());
        List<String> reported = new ArrayList<>();
        while (all.hasRemaining()) {
            int code = all.get() & 0xff;
            all.get();
            int action = all.getShort();
            all.get();
            int flags = all.get();
            int length = all.getShort();
            assertThat(all.getShort()).as("timeouts").isEqualTo((short) 10);
            all.position(all.position() + 10);
            reported.add(code + "/" + action);
            ByteBuffer one = oneCommand(code, action);
            assertThat(one.get(1) & 7).as("support of %02x", code).isEqualTo(3);
            assertThat(one.getShort(2)).isEqualTo((short) length);
            assertThat(one.get(4) & 0xff).isEqualTo(code);
            assertThat((flags & 1) != 0)
                    .isEqualTo((Opcodes.of(code).getFirst().hasServiceAction()));
        }
        assertThat(reported).doesNotHaveDuplicates().hasSize(Opcodes.ALL.size());
    }

    @Test
    void whatIsNotSupportedIsReportedAsSuch() {
        for (int code : new int[] {0x04, 0x1e, 0xa4, 0xff}) {
            ByteBuffer one = oneCommand(code, 0);
            assertThat(one.get(1) & 7).as("support of %02x", code).isEqualTo(1);
            byte[] cdb = new byte[16];
            cdb[0] = (byte) code;
            initiator.send(cdb, new byte[0]).fails(Condition.INVALID_OPERATION_CODE);
        }
        assertThat(oneCommand(0x9e, 0x11).get(1) & 7).isEqualTo(1);
    }

    @Test
    void aCodeWithServiceActionsIsAskedForByAction() {
        initiator.send("a3 0c 01 5e 0000 0000ffff 00 00").fails(Condition.INVALID_FIELD_IN_CDB);
        initiator.send("a3 0c 02 28 0000 0000ffff 00 00").fails(Condition.INVALID_FIELD_IN_CDB);
        initiator.send("a3 0c 01 28 0000 0000ffff 00 00").good();
    }

    @Test
    void everyBitThatIsNotEvaluatedIsRefusedByName() {
        for (Opcode opcode : Opcodes.ALL) {
            for (int at = 1; at < opcode.cdbBytes(); at++) {
                int first = at == 1 && opcode.hasServiceAction() ? 5 : 0;
                for (int bit = first; bit < 8; bit++) {
                    if ((opcode.usage()[at] >> bit & 1) == 0) {
                        refused(opcode, at, bit);
                    }
                }
            }
        }
    }

    private void refused(Opcode opcode, int at, int bit) {
        byte[] cdb = new byte[opcode.cdbBytes()];
        cdb[0] = (byte) opcode.code();
        if (opcode.hasServiceAction()) {
            cdb[1] = (byte) opcode.serviceAction();
        }
        cdb[at] |= (byte) (1 << bit);
        byte[] sense =
                initiator.send(cdb, new byte[0]).fails(Condition.INVALID_FIELD_IN_CDB).sense();
        assertThat(sense[15] & 0xff).as("%s byte %d bit %d", opcode, at, bit).isEqualTo(0xc8 | bit);
        assertThat(ByteBuffer.wrap(sense).getShort(16)).isEqualTo((short) at);
    }

    private ByteBuffer oneCommand(int code, int action) {
        ByteBuffer cdb = ByteBuffer.allocate(12);
        cdb.put((byte) 0xa3).put((byte) 0x0c).put((byte) 3).put((byte) code);
        cdb.putShort((short) action).putInt(1024);
        return initiator.send(cdb.array(), new byte[0]).good().buffer();
    }
}
