package org.apache.ratis.server.impl;

import java.time.Duration;
import org.apache.ratis.server.RaftServer;

/// The two things that Ratis does not say or do outside its package: how long a follower has heard
/// nothing from its leader, and to stand for election because of that. Ratis' own follower does the
/// same, but looks only once per time-out, so that it may notice as late as after two.
public final class Candidacy {
    private Candidacy() {}

    /// How long this replica has heard nothing, in milliseconds; negative where it does not follow,
    /// or is at work on what it has heard.
    ///
    /// Never blocks.
    public static long silentMillis(RaftServer.Division division) {
        FollowerState follower = follower(division);
        return follower == null || follower.getOutstandingOp() > 0
                ? -1
                : follower.getLastRpcTime().elapsedTimeMs();
    }

    /// Asks for a vote, a pre-vote first, unless something was heard meanwhile. May wait while the
    /// replica stores what it has received.
    ///
    /// @return true if this replica now stands for election
    public static boolean stand(RaftServer.Division division, Duration silence) {
        RaftServerImpl server = (RaftServerImpl) division;
        synchronized (server) {
            FollowerState follower = follower(division);
            if (follower == null
                    || silentMillis(division) < silence.toMillis()
                    || follower.lostMajorityHeartbeatsRecently()) {
                return false;
            }
            server.changeToCandidate(false);
            return true;
        }
    }

    private static FollowerState follower(RaftServer.Division division) {
        RaftServerImpl server = (RaftServerImpl) division;
        return server.getInfo().isFollower()
                ? server.getRole().getFollowerState().orElse(null)
                : null;
    }
}
