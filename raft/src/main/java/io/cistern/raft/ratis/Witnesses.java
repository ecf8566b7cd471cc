package io.cistern.raft.ratis;

import org.apache.ratis.server.RaftServer;
import org.apache.ratis.thirdparty.com.google.protobuf.ByteString;

/// Which replicas are witnesses, and what they are given of an entry.
///
/// A witness votes and keeps the log's terms, indexes and memberships, but nothing of what the
/// entries hold. So it may never lead, and it must not count for an entry that a replica with data
/// would soon have acknowledged, see [WitnessGate].
public interface Witnesses {
    /// No replica is.
    Witnesses NONE =
            new Witnesses() {
                @Override
                public boolean isWitness(String peerId) {
                    return false;
                }

                @Override
                public ByteString header(ByteString content) {
                    return content;
                }
            };

    /// Whether `server` leads a group with a witness that stands in, see [WitnessGate].
    static boolean standsIn(RaftServer server) {
        return ((RatisRpc) server.getServerRpc())
                .appenders().stream().anyMatch(PipelinedLogAppender::standsIn);
    }

    boolean isWitness(String peerId);

    /// What a witness keeps of an entry's content; that of a header is itself.
    ByteString header(ByteString content);
}
