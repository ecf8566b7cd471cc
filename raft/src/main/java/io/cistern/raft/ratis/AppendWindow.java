package io.cistern.raft.ratis;

import org.apache.ratis.server.raftlog.RaftLog;
import org.apache.ratis.util.Timestamp;

/// What a [PipelinedLogAppender] has under way to its follower, era by era. Confined to the
/// appender's event loop, but for [#inFlight()].
final class AppendWindow {
    /// Most appends under way. Enough to keep a follower's fsync busy.
    static final int MAX_IN_FLIGHT = 32;

    /// Most bytes of appends under way, plus one message. Below the 64 MiB of a follower's log
    /// queue.
    static final long MAX_IN_FLIGHT_BYTES = 16L << 20;

    private volatile int inFlight;
    private long bytes;
    private long era;
    private boolean answered;
    private boolean probing;

    /// @param first index of the first entry, or INVALID_LOG_INDEX in a heartbeat
    /// @param next where to go on if it fails
    /// @param match what the follower had acknowledged then
    record Sent(long era, long first, long next, long match, int bytes, Timestamp at) {
        boolean isHeartbeat() {
            return first == RaftLog.INVALID_LOG_INDEX;
        }
    }

    /// Appends of this era that carry entries and are not answered. Any thread.
    int inFlight() {
        return inFlight;
    }

    long era() {
        return era;
    }

    boolean isCurrent(long other) {
        return era == other;
    }

    /// Whether another append may be sent: the follower's end is known, and there is room.
    boolean isOpen() {
        return answered && inFlight < MAX_IN_FLIGHT && bytes < MAX_IN_FLIGHT_BYTES;
    }

    /// Whether a heartbeat has yet to find out where the follower is.
    boolean wantsProbe() {
        return !answered && !probing;
    }

    /// Begins a new era: nothing counts as under way, and the follower's end is not known.
    void begin() {
        era++;
        inFlight = 0;
        bytes = 0;
        answered = false;
        probing = false;
    }

    Sent send(long first, long next, long match, int size) {
        Sent sent = new Sent(era, first, next, match, size, Timestamp.currentTime());
        if (sent.isHeartbeat()) {
            probing = true;
        } else {
            inFlight++;
            bytes += size;
        }
        return sent;
    }

    /// It was answered, or has failed.
    void returned(Sent sent) {
        if (sent.era() != era) {
            return;
        }
        if (sent.isHeartbeat()) {
            probing = false;
        } else {
            inFlight--;
            bytes -= sent.bytes();
        }
    }

    /// The follower has taken it.
    void succeeded(Sent sent) {
        answered |= sent.era() == era;
    }
}
