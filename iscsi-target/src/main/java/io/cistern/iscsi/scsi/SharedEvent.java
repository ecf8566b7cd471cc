package io.cistern.iscsi.scsi;

import org.jspecify.annotations.Nullable;

/// Something that happened to a logical unit through one nexus and that nexuses at every node are
/// to be told of.
///
/// @param actor the nexus whose command it was, null where it was no nexus
record SharedEvent(Kind kind, @Nullable NexusId actor) {
    enum Kind {
        /// LOGICAL UNIT RESET: all tasks end, SPC-2 reservations and unsaved mode parameters go.
        LOGICAL_UNIT_RESET(1),
        TARGET_WARM_RESET(2),
        TARGET_COLD_RESET(3),
        CLEAR_TASK_SET(4),
        /// Registrations vanished by PREEMPT.
        PREEMPTED(5),
        /// The same, and the tasks of their nexuses end.
        PREEMPTED_AND_ABORTED(6),
        /// All registrations vanished by CLEAR.
        CLEARED(7),
        /// A reservation that registrants shared was released, or its type changed.
        RELEASED(8),
        MODE_CHANGED(9);

        private final int wire;

        Kind(int wire) {
            this.wire = wire;
        }

        /// Its number in the record, 1..255.
        int wire() {
            return wire;
        }

        boolean isReset() {
            return this == LOGICAL_UNIT_RESET
                    || this == TARGET_WARM_RESET
                    || this == TARGET_COLD_RESET;
        }

        static @Nullable Kind of(int wire) {
            for (Kind kind : values()) {
                if (kind.wire == wire) {
                    return kind;
                }
            }
            return null;
        }
    }
}
