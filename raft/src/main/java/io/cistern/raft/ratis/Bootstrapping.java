package io.cistern.raft.ratis;

import org.apache.ratis.proto.RaftProtos.AppendEntriesRequestProto;
import org.apache.ratis.proto.RaftProtos.RaftPeerRole;
import org.apache.ratis.protocol.RaftPeerId;
import org.apache.ratis.server.RaftConfiguration;
import org.apache.ratis.server.leader.FollowerInfo;

/// Corrects what an append tells its receiver about being a full member.
///
/// A replica that joins stays in its starting state, without a vote and without elections, until an
/// append says that it is no longer "initializing". Ratis gets this wrong for listeners:
/// - Its leader never counts a listener as caught up. One that is promoted stays in the starting
///   state: it counts for majorities but answers no vote and can never lead.
/// - The next leader takes a listener for a follower. It then calls for an election when that
///   leader goes silent, finds that it is not among the voters, and shuts itself down.
///
/// So: never initializing once the receiver has the membership in which it is a voter, and always
/// as long as it is a listener.
final class Bootstrapping {
    private Bootstrapping() {}

    static AppendEntriesRequestProto correct(
            RaftConfiguration members, FollowerInfo follower, AppendEntriesRequestProto request) {
        boolean initializing = initializing(members, follower, request.getInitializing());
        return initializing == request.getInitializing()
                ? request
                : request.toBuilder().setInitializing(initializing).build();
    }

    private static boolean initializing(
            RaftConfiguration members, FollowerInfo follower, boolean asRatisSays) {
        RaftPeerId id = follower.getId();
        if (members.getPeer(id, RaftPeerRole.LISTENER) != null) {
            return true;
        }
        boolean knowsItIsVoter =
                members.getPeer(id, RaftPeerRole.FOLLOWER) != null
                        && follower.getMatchIndex() >= members.getLogEntryIndex();
        return asRatisSays && !knowsItIsVoter;
    }
}
