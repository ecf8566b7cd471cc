package io.cistern.raft;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import java.util.concurrent.CompletionException;
import org.apache.ratis.protocol.exceptions.LeaderNotReadyException;
import org.apache.ratis.protocol.exceptions.NotLeaderException;
import org.apache.ratis.protocol.exceptions.ReconfigurationInProgressException;
import org.apache.ratis.protocol.exceptions.SetConfigurationException;
import org.jspecify.annotations.Nullable;

/// Ratis' failures of membership changes and leadership transfers, in this project's codes.
final class ControlFailures {
    private ControlFailures() {}

    static CisternException of(String what, @Nullable Throwable failure) {
        Throwable cause = failure;
        while (cause instanceof CompletionException && cause.getCause() != null) {
            cause = cause.getCause();
        }
        if (cause instanceof CisternException known) {
            return known;
        }
        ErrorCode code =
                switch (cause) {
                    case NotLeaderException e -> ErrorCode.NOT_LEADER;
                    case LeaderNotReadyException e -> ErrorCode.NOT_LEADER;
                    case ReconfigurationInProgressException e -> ErrorCode.BUSY;
                    case SetConfigurationException e -> ErrorCode.INVALID;
                    case null, default -> ErrorCode.UNAVAILABLE;
                };
        String why = cause == null ? "no reason given" : String.valueOf(cause.getMessage());
        return new CisternException(
                code,
                what + " failed: " + why,
                cause == null ? new IllegalStateException(why) : cause);
    }
}
