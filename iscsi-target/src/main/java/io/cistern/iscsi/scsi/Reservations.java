package io.cistern.iscsi.scsi;

/// Which commands a reservation keeps out (SPC-4 5.13.1, SBC-3 4.17, SPC-2 5.5.1).
final class Reservations {
    private Reservations() {}

    /// @throws Refusal RESERVATION CONFLICT
    static void check(ScsiState state, NexusId nexus, Opcode.Access access) {
        NexusId reservedBy = state.reservedBy();
        boolean conflict =
                switch (access) {
                    case ANY, OWN -> false;
                    case ANY_PERSISTENT -> reservedBy != null && !reservedBy.equals(nexus);
                    case READ -> state.conflicts(nexus, false);
                    case WRITE -> state.conflicts(nexus, true);
                };
        if (conflict) {
            throw Refusal.conflict();
        }
    }
}
