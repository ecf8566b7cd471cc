package io.cistern.iscsi.session;

import io.cistern.iscsi.login.Parameters;
import java.time.Instant;

/// One session as operators see it.
///
/// @param isid 48 bits
/// @param tsih the target's number for the session
/// @param remote address and port of the initiator
/// @param local address and port that it reached
/// @param targetName empty for discovery
/// @param since when it logged in
public record SessionInfo(
        String initiatorName,
        String initiatorAlias,
        long isid,
        int tsih,
        String remote,
        String local,
        String targetName,
        Parameters parameters,
        Instant since,
        Traffic traffic) {
    /// Sums since login.
    ///
    /// @param reads completed commands that read
    /// @param writes completed commands that wrote
    /// @param others completed commands without data
    /// @param inFlight commands under way
    public record Traffic(
            long reads,
            long writes,
            long others,
            long bytesRead,
            long bytesWritten,
            int inFlight) {}
}
