package io.cistern.iscsi.scsi;

/// The mode parameters that an initiator can change; the same for all nexuses.
///
/// @param descriptorSense D_SENSE of the control mode page
/// @param taskAbortedStatus TAS of the control mode page
/// @param writeProtect SWP of the control mode page
/// @param thresholdEvents LBPERE of the read-write error recovery mode page
/// @param availableThreshold threshold sets left in the pool below which initiators are told; 0:
///   off
/// @param usedThreshold threshold sets mapped above which initiators are told; 0: off
record ModeSettings(
        boolean descriptorSense,
        boolean taskAbortedStatus,
        boolean writeProtect,
        boolean thresholdEvents,
        long availableThreshold,
        long usedThreshold) {
    /// TASK ABORTED rather than silence: an initiator behind another portal retries at once instead
    /// of waiting for its time-out.
    static final ModeSettings DEFAULT = new ModeSettings(false, true, false, true, 0, 0);
}
