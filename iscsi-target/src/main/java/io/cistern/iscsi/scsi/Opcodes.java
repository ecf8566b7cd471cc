package io.cistern.iscsi.scsi;

import io.cistern.iscsi.scsi.Opcode.Access;
import io.cistern.iscsi.scsi.Opcode.Trait;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The table of commands: the one place that says what is supported, for running commands and for
/// REPORT SUPPORTED OPERATION CODES alike. A command is one row.
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
        primary(rows);
        reservations(rows);
        transfers(rows);
        otherBlockCommands(rows);
        copies(rows);
        rows.sort(
                java.util.Comparator.comparingInt(Opcode::code)
                        .thenComparingInt(Opcode::serviceAction));
        return List.copyOf(rows);
    }

    private static void primary(List<Opcode> rows) {
        Operation modeSelect = new ModeSelect();
        Operation modeSense = new ModeSense();
        rows.add(
                Opcode.of(
                        "TEST UNIT READY",
                        "00 00000000 00",
                        Access.ANY_PERSISTENT,
                        new TestUnitReady(),
                        Trait.FRESH));
        rows.add(
                Opcode.of(
                        "REQUEST SENSE",
                        "03 01 0000 ff 00",
                        Access.ANY,
                        new RequestSense(),
                        Trait.ATTENTION_EXEMPT));
        rows.add(
                Opcode.of(
                        "INQUIRY",
                        "12 01 ff ffff 00",
                        Access.ANY,
                        new Inquiry(),
                        Trait.ATTENTION_EXEMPT));
        rows.add(
                Opcode.of(
                        "REPORT LUNS",
                        "a0 00 ff 000000 ffffffff 00 00",
                        Access.ANY,
                        new ReportLuns(),
                        Trait.ATTENTION_EXEMPT));
        rows.add(
                Opcode.of(
                        "MODE SELECT (6)",
                        "15 11 0000 ff 00",
                        Access.WRITE,
                        modeSelect,
                        Trait.FRESH,
                        Trait.PARAMETERS));
        rows.add(
                Opcode.of(
                        "MODE SELECT (10)",
                        "55 11 0000000000 ffff 00",
                        Access.WRITE,
                        modeSelect,
                        Trait.FRESH,
                        Trait.PARAMETERS));
        rows.add(
                Opcode.of(
                        "MODE SENSE (6)",
                        "1a 08 ff ff ff 00",
                        Access.READ,
                        modeSense,
                        Trait.FRESH));
        rows.add(
                Opcode.of(
                        "MODE SENSE (10)",
                        "5a 18 ff ff 000000 ffff 00",
                        Access.READ,
                        modeSense,
                        Trait.FRESH));
        rows.add(
                Opcode.of(
                        "START STOP UNIT",
                        "1b 01 0000 05 00",
                        Access.WRITE,
                        new StartStopUnit(),
                        Trait.FRESH));
        rows.add(
                Opcode.of(
                        "SEND DIAGNOSTIC",
                        "1d 14 00 0000 00",
                        Access.WRITE,
                        new SendDiagnostic(),
                        Trait.FRESH));
        rows.add(Opcode.of("LOG SENSE", "4d 00 ff ff 00 ffff ffff 00", Access.ANY, new LogSense()));
        rows.add(
                Opcode.action(
                        "REPORT TARGET PORT GROUPS",
                        "a3 2a 00000000 ffffffff 00 00",
                        Access.ANY,
                        new ReportTargetPorts()));
        rows.add(
                Opcode.action(
                        "REPORT SUPPORTED OPERATION CODES",
                        "a3 0c 87 ff ffff ffffffff 00 00",
                        Access.READ,
                        new ReportOpcodes(),
                        Trait.FRESH));
        rows.add(
                Opcode.action(
                        "REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS",
                        "a3 0d 80 000000 ffffffff 00 00",
                        Access.READ,
                        new ReportTaskManagement(),
                        Trait.FRESH));
    }

    private static void reservations(List<Opcode> rows) {
        Operation reserve = Reserve.reserve();
        Operation release = Reserve.release();
        rows.add(Opcode.of("RESERVE (6)", "16 00 0000 00 00", Access.OWN, reserve, Trait.FRESH));
        rows.add(Opcode.of("RELEASE (6)", "17 00 0000 00 00", Access.OWN, release, Trait.FRESH));
        rows.add(
                Opcode.of(
                        "RESERVE (10)",
                        "56 00 00000000000000 00",
                        Access.OWN,
                        reserve,
                        Trait.FRESH));
        rows.add(
                Opcode.of(
                        "RELEASE (10)",
                        "57 00 00000000000000 00",
                        Access.OWN,
                        release,
                        Trait.FRESH));
        Operation in = new PersistentReserveIn();
        String[] inNames = {"READ KEYS", "READ RESERVATION", "REPORT CAPABILITIES", "FULL STATUS"};
        for (int action = 0; action < inNames.length; action++) {
            rows.add(
                    Opcode.action(
                            "PERSISTENT RESERVE IN " + inNames[action],
                            "5e 0" + action + " 0000000000 ffff 00",
                            Access.ANY_PERSISTENT,
                            in,
                            Trait.FRESH));
        }
        Operation out = new PersistentReserveOut();
        String[] outNames = {
            "REGISTER",
            "RESERVE",
            "RELEASE",
            "CLEAR",
            "PREEMPT",
            "PREEMPT AND ABORT",
            "REGISTER AND IGNORE EXISTING KEY",
            "REGISTER AND MOVE"
        };
        for (int action = 0; action < outNames.length; action++) {
            rows.add(
                    Opcode.action(
                            "PERSISTENT RESERVE OUT " + outNames[action],
                            "5f 0" + action + " ff 0000 ffffffff 00",
                            Access.OWN,
                            out,
                            Trait.FRESH,
                            Trait.PARAMETERS));
        }
    }

    private static void transfers(List<Opcode> rows) {
        Operation read = new ReadBlocks();
        Operation write = new WriteBlocks();
        Operation writeVerify = new WriteAndVerify();
        Operation verify = new Verify();
        rows.add(Opcode.of("READ (6)", "08 1f ffff ff 00", Access.READ, read));
        rows.add(Opcode.of("READ (10)", "28 18 ffffffff 1f ffff 00", Access.READ, read));
        rows.add(Opcode.of("READ (12)", "a8 18 ffffffff ffffffff 1f 00", Access.READ, read));
        rows.add(
                Opcode.of("READ (16)", "88 18 ffffffffffffffff ffffffff 1f 00", Access.READ, read));
        rows.add(writing("WRITE (6)", "0a 1f ffff ff 00", write, Trait.SHORT_DATA));
        rows.add(writing("WRITE (10)", "2a 18 ffffffff 1f ffff 00", write, Trait.SHORT_DATA));
        rows.add(writing("WRITE (12)", "aa 18 ffffffff ffffffff 1f 00", write, Trait.SHORT_DATA));
        rows.add(
                writing(
                        "WRITE (16)",
                        "8a 18 ffffffffffffffff ffffffff 1f 00",
                        write,
                        Trait.SHORT_DATA));
        rows.add(
                writing(
                        "WRITE AND VERIFY (10)",
                        "2e 16 ffffffff 1f ffff 00",
                        writeVerify,
                        Trait.SHORT_DATA));
        rows.add(
                writing(
                        "WRITE AND VERIFY (12)",
                        "ae 16 ffffffff ffffffff 1f 00",
                        writeVerify,
                        Trait.SHORT_DATA));
        rows.add(
                writing(
                        "WRITE AND VERIFY (16)",
                        "8e 16 ffffffffffffffff ffffffff 1f 00",
                        writeVerify,
                        Trait.SHORT_DATA));
        rows.add(Opcode.of("VERIFY (10)", "2f 16 ffffffff 1f ffff 00", Access.READ, verify));
        rows.add(Opcode.of("VERIFY (12)", "af 16 ffffffff ffffffff 1f 00", Access.READ, verify));
        rows.add(
                Opcode.of(
                        "VERIFY (16)",
                        "8f 16 ffffffffffffffff ffffffff 1f 00",
                        Access.READ,
                        verify));
        rows.add(writing("ORWRITE (16)", "8b 18 ffffffffffffffff ffffffff 1f 00", new OrWrite()));
        rows.add(
                writing(
                        "WRITE ATOMIC (16)",
                        "9c 18 ffffffffffffffff 0000 ffff 1f 00",
                        new WriteAtomic()));
        rows.add(
                writing(
                        "COMPARE AND WRITE",
                        "89 18 ffffffffffffffff 000000 ff 1f 00",
                        new CompareAndWrite(),
                        Trait.EXACT_LENGTH));
    }

    private static void otherBlockCommands(List<Opcode> rows) {
        Operation writeSame = new WriteSame();
        Operation synchronize = new SynchronizeCache();
        Operation prefetch = new Prefetch();
        Operation capacity = new ReadCapacity();
        Operation defects = new ReadDefectData();
        rows.add(
                Opcode.action(
                        "SANITIZE BLOCK ERASE",
                        "48 a2 0000000000 0000 00",
                        Access.WRITE,
                        new Sanitize(),
                        Trait.CHANGES_MEDIUM));
        rows.add(
                writing(
                        "WRITE SAME (10)",
                        "41 08 ffffffff 1f ffff 00",
                        writeSame,
                        Trait.EXACT_LENGTH));
        rows.add(
                writing(
                        "WRITE SAME (16)",
                        "93 09 ffffffffffffffff ffffffff 1f 00",
                        writeSame,
                        Trait.EXACT_LENGTH));
        rows.add(writing("UNMAP", "42 00 00000000 1f ffff 00", new Unmap(), Trait.PARAMETERS));
        rows.add(
                Opcode.of(
                        "SYNCHRONIZE CACHE (10)",
                        "35 02 ffffffff 1f ffff 00",
                        Access.WRITE,
                        synchronize));
        rows.add(
                Opcode.of(
                        "SYNCHRONIZE CACHE (16)",
                        "91 02 ffffffffffffffff ffffffff 1f 00",
                        Access.WRITE,
                        synchronize));
        rows.add(Opcode.of("PRE-FETCH (10)", "34 02 ffffffff 1f ffff 00", Access.READ, prefetch));
        rows.add(
                Opcode.of(
                        "PRE-FETCH (16)",
                        "90 02 ffffffffffffffff ffffffff 1f 00",
                        Access.READ,
                        prefetch));
        rows.add(
                Opcode.of("READ CAPACITY (10)", "25 00 00000000 0000 00 00", Access.ANY, capacity));
        rows.add(
                Opcode.action(
                        "READ CAPACITY (16)",
                        "9e 10 0000000000000000 ffffffff 00 00",
                        Access.ANY,
                        capacity));
        rows.add(
                Opcode.action(
                        "GET LBA STATUS",
                        "9e 12 ffffffffffffffff ffffffff 00 00",
                        Access.READ,
                        new GetLbaStatus(),
                        Trait.FRESH));
        rows.add(
                Opcode.of(
                        "READ DEFECT DATA (10)",
                        "37 00 1f 00000000 ffff 00",
                        Access.READ,
                        defects));
        rows.add(
                Opcode.of(
                        "READ DEFECT DATA (12)",
                        "b7 1f ffffffff ffffffff 00 00",
                        Access.READ,
                        defects));
    }

    private static void copies(List<Opcode> rows) {
        Operation results = new ReceiveCopyResults();
        rows.add(
                Opcode.action(
                        "EXTENDED COPY (LID1)",
                        "83 00 0000000000000000 ffffffff 00 00",
                        Access.WRITE,
                        new ExtendedCopy(),
                        Trait.CHANGES_MEDIUM,
                        Trait.PARAMETERS));
        String[] names = {
            "RECEIVE COPY STATUS (LID1)",
            "RECEIVE COPY OPERATING PARAMETERS",
            "RECEIVE COPY FAILURE DETAILS (LID1)"
        };
        int[] actions = {
            ReceiveCopyResults.STATUS,
            ReceiveCopyResults.PARAMETERS,
            ReceiveCopyResults.FAILED_SEGMENT
        };
        for (int i = 0; i < actions.length; i++) {
            rows.add(
                    Opcode.action(
                            names[i],
                            "84 0" + actions[i] + " ff 00000000000000 ffffffff 00 00",
                            Access.READ,
                            results,
                            Trait.FRESH));
        }
    }

    private static Opcode writing(String name, String usage, Operation operation, Trait... more) {
        Trait[] traits = java.util.Arrays.copyOf(more, more.length + 1);
        traits[more.length] = Trait.CHANGES_MEDIUM;
        return Opcode.of(name, usage, Access.WRITE, operation, traits);
    }
}
