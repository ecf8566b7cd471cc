package io.cistern.iscsi.scsi;

/// Task management functions (SAM-5 clause 7, RFC 7143 11.5.1).
public enum TaskManagement {
    ABORT_TASK,
    ABORT_TASK_SET,
    CLEAR_ACA,
    CLEAR_TASK_SET,
    LOGICAL_UNIT_RESET,
    TARGET_WARM_RESET,
    TARGET_COLD_RESET,
    QUERY_TASK,
    QUERY_TASK_SET,
    I_T_NEXUS_RESET,
    QUERY_ASYNC_EVENT;

    /// Service responses (SAM-5 7.1).
    public enum Response {
        COMPLETE,
        SUCCEEDED,
        REJECTED,
        INCORRECT_LUN,
        /// ABORT TASK or QUERY TASK of a task that does not exist.
        NO_TASK
    }
}
