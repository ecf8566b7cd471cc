package io.cistern.iscsi.scsi;

import java.util.Arrays;
import java.util.EnumSet;
import java.util.HexFormat;
import java.util.Set;

/// One command that the device server supports: what REPORT SUPPORTED OPERATION CODES says of it,
/// what it is checked for before it runs, and what runs it.
///
/// @param serviceAction -1 for a command without service actions
/// @param usage CDB USAGE DATA (SPC-4 6.35.3): a one for each bit that is evaluated. Any other bit
///   that is set in a CDB is an error. The first byte is the operation code; a service action is
///   spelled out in its field.
/// @param traits what is true of it
record Opcode(
        String name,
        int code,
        int serviceAction,
        byte[] usage,
        Access access,
        Set<Trait> traits,
        Operation operation) {
    /// Recommended command time-out, in seconds.
    static final int TIMEOUT_SECONDS = 60;

    /// Who may use it while another nexus holds a reservation (SPC-4 tables 68 and 69, SBC-3 table
    /// 13).
    enum Access {
        /// Anyone.
        ANY,
        /// Anyone while there is only a persistent reservation; none but the holder of an SPC-2
        /// one.
        ANY_PERSISTENT,
        /// As reads: forbidden by exclusive access.
        READ,
        /// As writes: forbidden by write exclusive too.
        WRITE,
        /// The command decides itself.
        OWN
    }

    enum Trait {
        /// Neither refused for, nor clearing, a unit attention condition (SPC-4 5.6); enters the
        /// task set as if at its head.
        ATTENTION_EXEMPT,
        /// Sees every change of the shared state that completed before it arrived.
        FRESH,
        /// Changes the medium, so is refused while that is write protected.
        CHANGES_MEDIUM,
        /// Its data is a parameter list: one that is cut short is a PARAMETER LIST LENGTH ERROR.
        PARAMETERS,
        /// Refused where the initiator means to send more than the command takes.
        EXACT_LENGTH,
        /// Where the initiator means to send less than the command takes, what it sends is used;
        /// the transport reports the residual.
        SHORT_DATA
    }

    static Opcode of(
            String name, String usage, Access access, Operation operation, Trait... traits) {
        return new Opcode(name, usage, -1, access, operation, traits);
    }

    static Opcode action(
            String name, String usage, Access access, Operation operation, Trait... traits) {
        byte[] bytes = HexFormat.of().parseHex(usage.replace(" ", ""));
        return new Opcode(name, usage, bytes[1] & 0x1f, access, operation, traits);
    }

    private Opcode(
            String name,
            String usage,
            int serviceAction,
            Access access,
            Operation operation,
            Trait... traits) {
        this(
                name,
                HexFormat.fromHexDigits(usage.substring(0, 2)),
                serviceAction,
                HexFormat.of().parseHex(usage.replace(" ", "")),
                access,
                traits.length == 0
                        ? EnumSet.noneOf(Trait.class)
                        : EnumSet.copyOf(Arrays.asList(traits)),
                operation);
    }

    boolean is(Trait trait) {
        return traits.contains(trait);
    }

    boolean hasServiceAction() {
        return serviceAction >= 0;
    }

    int cdbBytes() {
        return usage.length;
    }

    /// @throws Refusal INVALID FIELD IN CDB, pointing at the first bit that must not be set
    void check(Cdb cdb) {
        if (cdb.length() < usage.length) {
            throw Refusal.cdb(cdb.length(), -1);
        }
        for (int i = 1; i < usage.length; i++) {
            int wrong = cdb.u8(i) & ~usage[i];
            if (i == 1 && hasServiceAction()) {
                wrong &= 0xe0;
            }
            if (wrong != 0) {
                throw Refusal.cdb(i, 31 - Integer.numberOfLeadingZeros(wrong));
            }
        }
    }

    @Override
    public String toString() {
        return name;
    }
}
