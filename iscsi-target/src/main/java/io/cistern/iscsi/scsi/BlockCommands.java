package io.cistern.iscsi.scsi;

import io.cistern.iscsi.scsi.Opcode.Access;
import io.cistern.iscsi.scsi.Opcode.Trait;
import java.util.List;

/// The rows of [Opcodes] that SBC-3 and SBC-4 define.
final class BlockCommands {
    private BlockCommands() {}

    static void add(List<Opcode> rows) {
        transfers(rows);
        otherBlockCommands(rows);
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

    private static Opcode writing(String name, String usage, Operation operation, Trait... more) {
        Trait[] traits = java.util.Arrays.copyOf(more, more.length + 1);
        traits[more.length] = Trait.CHANGES_MEDIUM;
        return Opcode.of(name, usage, Access.WRITE, operation, traits);
    }
}
