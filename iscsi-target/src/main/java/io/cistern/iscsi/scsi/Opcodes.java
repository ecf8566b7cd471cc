package io.cistern.iscsi.scsi;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The table of commands: the one place that says what is supported, for running commands and for
/// REPORT SUPPORTED OPERATION CODES alike. A command is one row, of [PrimaryCommands] or
/// [BlockCommands].
///
/// In the usage data RDPROTECT, WRPROTECT and VRPROTECT, ANCHOR, NACA and everything reserved are
/// zero, so that they are refused. GROUP NUMBER is accepted and means nothing.
final class Opcodes {
    static final int TEST_UNIT_READY = 0x00;
    static final int REQUEST_SENSE = 0x03;
    static final int INQUIRY = 0x12;
    static final int MODE_SELECT_6 = 0x15;
    static final int MODE_SENSE_6 = 0x1a;
    static final int READ_CAPACITY_10 = 0x25;
    static final int READ_DEFECT_DATA_10 = 0x37;
    static final int PERSISTENT_RESERVE_OUT = 0x5f;
    static final int WRITE_SAME_16 = 0x93;
    static final int REPORT_LUNS = 0xa0;

    static final List<Opcode> ALL = table();

    private static final List<List<Opcode>> BY_CODE = byCode();

    private Opcodes() {}

    /// The row for a CDB, null where the command or its service action is not supported.
    static @Nullable Opcode find(ByteBuffer cdb) {
        List<Opcode> rows = BY_CODE.get(cdb.get(0) & 0xff);
        if (rows.isEmpty()) {
            return null;
        }
        Opcode first = rows.getFirst();
        if (!first.hasServiceAction()) {
            return first;
        }
        int action = cdb.get(1) & 0x1f;
        for (Opcode row : rows) {
            if (row.serviceAction() == action) {
                return row;
            }
        }
        return null;
    }

    /// The rows with an operation code.
    static List<Opcode> of(int code) {
        return BY_CODE.get(code);
    }

    /// Why [#find] found nothing: INVALID COMMAND OPERATION CODE, or INVALID FIELD IN CDB for a
    /// service action.
    static Refusal refusal(Cdb cdb) {
        return of(cdb.operationCode()).isEmpty()
                ? Refusal.of(Condition.INVALID_OPERATION_CODE)
                : Refusal.cdb(1, 4);
    }

    private static List<List<Opcode>> byCode() {
        List<List<Opcode>> rows = new ArrayList<>();
        for (int code = 0; code < 256; code++) {
            int wanted = code;
            rows.add(ALL.stream().filter(row -> row.code() == wanted).toList());
        }
        return List.copyOf(rows);
    }

    private static List<Opcode> table() {
        List<Opcode> rows = new ArrayList<>();
        PrimaryCommands.add(rows);
        BlockCommands.add(rows);
        rows.sort(
                java.util.Comparator.comparingInt(Opcode::code)
                        .thenComparingInt(Opcode::serviceAction));
        return List.copyOf(rows);
    }
}
