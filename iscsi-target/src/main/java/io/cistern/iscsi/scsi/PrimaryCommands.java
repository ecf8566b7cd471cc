package io.cistern.iscsi.scsi;

import io.cistern.iscsi.scsi.Opcode.Access;
import io.cistern.iscsi.scsi.Opcode.Trait;
import java.util.List;

/// The rows of [Opcodes] that SPC-4 and SPC-2 define.
final class PrimaryCommands {
    private PrimaryCommands() {}

    static void add(List<Opcode> rows) {
        primary(rows);
        reservations(rows);
        copies(rows);
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
}
