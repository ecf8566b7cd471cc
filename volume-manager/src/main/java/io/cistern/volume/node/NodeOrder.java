package io.cistern.volume.node;

import io.cistern.volume.ClusterStatus.WorkInfo;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// What the system leader, or an administrator's node, asks of another node. Each may be repeated.
sealed interface NodeOrder {
    /// Where a replica is to be reached by Raft.
    ///
    /// @param raft `host:port`
    record Place(String peer, String node, String raft) {}

    /// The group's leader changes its membership.
    record SetMembers(long group, List<Place> voters, List<Place> learners) implements NodeOrder {}

    /// The group's leader hands over, where the other is not behind.
    record Transfer(long group, String peer) implements NodeOrder {}

    /// Starts a scrub of the node's replica of a group; `volume` 0: of everything.
    record Scrub(long group, long volume) implements NodeOrder {}

    /// Compares the head or a snapshot of a volume on all replicas of its group, and answers with
    /// where to go on after some seconds. Nodes of earlier releases know group and volume alone,
    /// and compare all of it at once.
    ///
    /// @param snapshot empty for the head; null from nodes of earlier releases: all of the volume
    /// @param from granule; null likewise
    /// @param apart see [Check]
    record Verify(
            long group,
            long volume,
            @Nullable String snapshot,
            @Nullable Long from,
            @Nullable Boolean apart)
            implements NodeOrder {}

    /// Compares all replicas of a group that the node leads, has one that differs from the majority
    /// copied anew, and answers when done.
    ///
    /// @param apart true where who asks reads [Done#unasked]; nodes of earlier releases do not say,
    ///   and are told of replicas that could not be asked among the findings
    record Check(long group, @Nullable Boolean apart) implements NodeOrder {}

    /// Compares the books of the disks of `node`, which is asked, mends them, and answers when
    /// done.
    record Books(String node) implements NodeOrder {}

    /// Lists work that a program outside of the nodes does, for some seconds or until it has ended.
    record Working(WorkInfo work, boolean ended) implements NodeOrder {}

    /// A replica that could not be asked.
    ///
    /// @param why without a full stop
    record Unasked(String peer, String why) {
        @Override
        public String toString() {
            return peer + " could not be asked: " + why;
        }
    }

    /// @param bytes compared
    /// @param findings one sentence each
    /// @param volumes for each finding the id of the volume it is about, 0 for none; null where
    ///   none is about a volume
    /// @param next granule from which a verification goes on, negative once it is complete; null
    ///   from nodes that compare all of a volume at once
    /// @param unasked replicas that could not be compared; null from nodes of earlier releases,
    ///   which say it among the findings
    record Done(
            long bytes,
            List<String> findings,
            @Nullable List<Long> volumes,
            @Nullable Long next,
            @Nullable List<Unasked> unasked) {
        static final Done NOTHING = new Done(0, List.of());

        Done(long bytes, List<String> findings) {
            this(bytes, findings, null, null, null);
        }

        long volume(int finding) {
            List<Long> known = volumes;
            return known == null || finding >= known.size() ? 0 : known.get(finding);
        }
    }
}
