package io.cistern.iscsi.session;

import java.util.concurrent.atomic.LongAdder;

/// Sums over all connections of a portal. Any thread.
public final class PortalMetrics {
    final LongAdder accepted = new LongAdder();
    final LongAdder refused = new LongAdder();
    final LongAdder logins = new LongAdder();
    final LongAdder failedLogins = new LongAdder();
    final LongAdder failedAuthentications = new LongAdder();
    final LongAdder commands = new LongAdder();
    final LongAdder bytesRead = new LongAdder();
    final LongAdder bytesWritten = new LongAdder();
    final LongAdder rejects = new LongAdder();
    final LongAdder digestErrors = new LongAdder();
    final LongAdder timeouts = new LongAdder();

    /// @param accepted connections
    /// @param refused connections over a limit
    /// @param logins that reached the full feature phase
    /// @param failedLogins all others that were answered, the next ones included
    /// @param failedAuthentications wrong or missing CHAP
    /// @param commands completed SCSI commands
    /// @param rejects Reject PDUs sent
    /// @param digestErrors header and data digests that did not match
    /// @param timeouts connections dropped because the initiator was silent
    /// @param writeBytesHeld of writes under way, now
    /// @param readBytesHeld of reads under way or not taken by their initiator, now
    public record Snapshot(
            long accepted,
            long refused,
            long logins,
            long failedLogins,
            long failedAuthentications,
            long commands,
            long bytesRead,
            long bytesWritten,
            long rejects,
            long digestErrors,
            long timeouts,
            long writeBytesHeld,
            long readBytesHeld) {}

    Snapshot snapshot(long writeBytesHeld, long readBytesHeld) {
        return new Snapshot(
                accepted.sum(),
                refused.sum(),
                logins.sum(),
                failedLogins.sum(),
                failedAuthentications.sum(),
                commands.sum(),
                bytesRead.sum(),
                bytesWritten.sum(),
                rejects.sum(),
                digestErrors.sum(),
                timeouts.sum(),
                writeBytesHeld,
                readBytesHeld);
    }
}
