package io.cistern.storage.group;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.raft.Leadership;
import io.cistern.raft.Peer;
import io.cistern.raft.RaftGroup;
import io.cistern.storage.Store;
import io.cistern.storage.VolumeState;
import java.util.function.Consumer;

/// What the parts of one replica work on.
///
/// @param damaged to be told when the store's map turns out to be damaged
record ReplicaParts(
        Store store,
        VolumeStateMachine machine,
        RaftGroup raft,
        NodeParts node,
        Consumer<CisternException> damaged) {
    /// The volume's state as applied here.
    ///
    /// @throws CisternException NOT_FOUND; STALE where the replica is being copied
    VolumeState volume(long volume) {
        VolumeState state = store.volume(volume);
        if (state == null) {
            if (store.importing()) {
                // Its volumes are being replaced: that one is missing says nothing.
                throw new CisternException(
                        ErrorCode.STALE,
                        raft.self().id() + " is being copied; ask another replica");
            }
            state = store.volume(volume);
        }
        if (state == null) {
            throw new CisternException(
                    ErrorCode.NOT_FOUND, "group " + raft.id() + " has no volume with id " + volume);
        }
        return state;
    }

    /// The term in which this replica leads and is ready.
    ///
    /// @throws CisternException NOT_LEADER, naming the leader if it is known
    long leadingTerm() {
        Leadership now = raft.leadership();
        if (!now.ready()) {
            throw notLeader(now);
        }
        return now.term();
    }

    CisternException notLeader(Leadership now) {
        Peer leader = now.leader();
        String where =
                leader == null
                        ? "no leader is known yet; ask again"
                        : leader.id().equals(raft.self().id())
                                ? "this replica was elected and is about to be ready; ask again"
                                : "ask " + leader.node();
        return new CisternException(
                ErrorCode.NOT_LEADER,
                raft.self().id() + " does not lead group " + raft.id() + ": " + where);
    }

    static void checkRange(VolumeState state, long offset, long length) {
        if (offset < 0 || length < 0 || length > state.sizeBytes() - offset) {
            throw new CisternException(
                    ErrorCode.OUT_OF_RANGE,
                    length
                            + " bytes at "
                            + offset
                            + " end beyond volume "
                            + state.volume()
                            + " of "
                            + state.sizeBytes()
                            + " bytes");
        }
    }
}
