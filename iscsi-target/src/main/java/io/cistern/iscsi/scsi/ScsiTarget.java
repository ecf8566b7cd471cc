package io.cistern.iscsi.scsi;

/// A SCSI target device with one logical unit, LUN 0, and its well-known behaviour for other LUNs.
/// One per exported volume and node. Any thread may call any method; none blocks.
public interface ScsiTarget {
    /// Begins an I_T nexus; a session that has passed login. Another nexus with the same id that is
    /// still open is lost first (session reinstatement).
    ///
    /// @param events told what the device server starts by itself
    Nexus open(NexusId id, NexusEvents events);

    /// Largest length of the data of one command, either way, in bytes.
    int maxTransferBytes();

    interface NexusEvents {
        /// The device server has aborted these tasks, for task management of this or another nexus
        /// or for a reservation command (CLEAR TASK SET, LOGICAL UNIT RESET, PREEMPT AND ABORT).
        /// Their completions will not be called. Tasks that end with TASK ABORTED (TAS = 1) are
        /// completed with that status instead and not named here.
        void aborted(java.util.List<ScsiCommand> commands);

        /// The nexus can no longer be served: the target is gone or its access rules changed. The
        /// session is to be ended.
        void closed(String reason);
    }
}
