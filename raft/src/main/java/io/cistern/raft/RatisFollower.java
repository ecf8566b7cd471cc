package io.cistern.raft;

import java.time.Duration;
import java.util.function.Supplier;
import org.apache.ratis.protocol.RaftPeerId;
import org.apache.ratis.server.RaftServer;
import org.apache.ratis.server.impl.Candidacy;
import org.jspecify.annotations.Nullable;

/// A replica on Ratis in the eyes of its [ElectionTimer].
///
/// @param division null until the replica has started
record RatisFollower(String self, Supplier<RaftServer.@Nullable Division> division)
        implements ElectionTimer.Follower {
    @Override
    public long silentMillis() {
        RaftServer.Division mine = division.get();
        return mine == null ? -1 : Candidacy.silentMillis(mine);
    }

    @Override
    public ElectionTimer.@Nullable Rank rank() {
        RaftServer.Division mine = division.get();
        if (mine == null) {
            return null;
        }
        RaftPeerId leader = mine.getInfo().getLeaderId();
        return ElectionTimer.Rank.of(
                self,
                leader == null ? null : leader.toString(),
                mine.getRaftConf().getCurrentPeers().stream()
                        .map(peer ->
                                new ElectionTimer.Voter(
                                        peer.getId().toString(), peer.getPriority()))
                        .toList());
    }

    @Override
    public void stand(Duration silence) {
        RaftServer.Division mine = division.get();
        if (mine != null) {
            Candidacy.stand(mine, silence);
        }
    }
}
