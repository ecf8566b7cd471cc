package io.cistern.raft;

import java.time.Duration;

/// The clocks of a replication group. The same values belong on every member.
///
/// @param electionMin a follower that has heard nothing for a time drawn between `electionMin` and
///   `electionMax` asks for an election; heartbeats go out every half `electionMin`
/// @param electionMax see `electionMin`
/// @param lease how long an entry of the leader, counted from before it was proposed, keeps every
///   other replica from acknowledging anything: a new leader waits this long after its election
///   before it is ready. The leader itself trusts its lease for nine tenths of it, so clocks may
///   differ in speed by a tenth
/// @param request how long one message between members may take before it counts as lost
public record RaftTimings(
        Duration electionMin, Duration electionMax, Duration lease, Duration request) {
    public static final RaftTimings DEFAULT =
            new RaftTimings(
                    Duration.ofMillis(500),
                    Duration.ofMillis(800),
                    Duration.ofMillis(200),
                    Duration.ofSeconds(3));

    public RaftTimings {
        if (electionMin.toMillis() < 20 || electionMin.compareTo(electionMax) >= 0) {
            throw new IllegalArgumentException(
                    "election time-outs " + electionMin + " to " + electionMax);
        }
        if (lease.isNegative() || lease.isZero() || lease.compareTo(electionMin) >= 0) {
            throw new IllegalArgumentException(
                    "lease "
                            + lease
                            + " must be shorter than the election time-out "
                            + electionMin);
        }
        if (request.compareTo(electionMin) < 0) {
            throw new IllegalArgumentException("request time-out " + request);
        }
    }

    /// How long the leader itself trusts its lease, in nanoseconds.
    long trustedLeaseNanos() {
        return lease.toNanos() / 10 * 9;
    }
}
