package io.cistern.iscsi.scsi;

import java.nio.ByteBuffer;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// REPORT SUPPORTED OPERATION CODES (SPC-4 6.35), read off the table that commands are run by.
final class ReportOpcodes implements Operation.Immediate {
    private static final int TIMEOUTS_BYTES = 12;

    @Override
    public ScsiResult answer(Request request) {
        Cdb cdb = request.cdb();
        boolean timeouts = cdb.bit(2, 7);
        int code = cdb.u8(3);
        int action = cdb.u16(4);
        List<Opcode> rows = Opcodes.of(code);
        boolean actions = !rows.isEmpty() && rows.getFirst().hasServiceAction();
        ByteBuffer out =
                switch (cdb.u8(2) & 7) {
                    case 0 -> all(timeouts);
                    case 1 -> {
                        if (actions) {
                            throw Refusal.cdb(2, 2);
                        }
                        yield one(rows.isEmpty() ? null : rows.getFirst(), timeouts);
                    }
                    case 2 -> {
                        if (!rows.isEmpty() && !actions) {
                            throw Refusal.cdb(2, 2);
                        }
                        yield one(withAction(rows, action), timeouts);
                    }
                    case 3 -> {
                        if (rows.isEmpty() || actions) {
                            yield one(withAction(rows, action), timeouts);
                        }
                        yield one(action == 0 ? rows.getFirst() : null, timeouts);
                    }
                    default -> throw Refusal.cdb(2, 2);
                };
        return Request.reply(out, cdb.u32(6));
    }

    private static @Nullable Opcode withAction(List<Opcode> rows, int action) {
        return rows.stream().filter(row -> row.serviceAction() == action).findFirst().orElse(null);
    }

    private static ByteBuffer all(boolean timeouts) {
        int each = 8 + (timeouts ? TIMEOUTS_BYTES : 0);
        ByteBuffer out = ByteBuffer.allocate(4 + each * Opcodes.ALL.size());
        out.putInt(each * Opcodes.ALL.size());
        for (Opcode row : Opcodes.ALL) {
            out.put((byte) row.code()).put((byte) 0);
            out.putShort((short) Math.max(0, row.serviceAction())).put((byte) 0);
            out.put((byte) ((timeouts ? 2 : 0) | (row.hasServiceAction() ? 1 : 0)));
            out.putShort((short) row.cdbBytes());
            if (timeouts) {
                timeouts(out);
            }
        }
        return out;
    }

    private static ByteBuffer one(@Nullable Opcode row, boolean timeouts) {
        int usage = row == null ? 0 : row.cdbBytes();
        boolean timed = timeouts && row != null;
        ByteBuffer out = ByteBuffer.allocate(4 + usage + (timed ? TIMEOUTS_BYTES : 0));
        out.put((byte) 0).put((byte) ((timed ? 0x80 : 0) | (row == null ? 1 : 3)));
        out.putShort((short) usage);
        if (row != null) {
            out.put(row.usage());
        }
        if (timed) {
            timeouts(out);
        }
        return out;
    }

    private static void timeouts(ByteBuffer out) {
        out.putShort((short) (TIMEOUTS_BYTES - 2)).put((byte) 0).put((byte) 0);
        out.putInt(0).putInt(Opcode.TIMEOUT_SECONDS);
    }
}
