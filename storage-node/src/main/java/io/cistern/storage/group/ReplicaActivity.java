package io.cistern.storage.group;

import io.cistern.raft.GroupId;
import io.cistern.storage.StoreActivity;
import io.cistern.storage.VolumeState;
import java.util.List;
import java.util.Map;

/// What a replica on this node does, for metrics.
///
/// @param leads and is ready
/// @param peerBehind on a leader: by peer id, how many entries each had not applied when it was
///   last asked, about a second ago
/// @param volumes as applied here
public record ReplicaActivity(
        GroupId group,
        boolean leads,
        Map<String, Long> peerBehind,
        List<VolumeIo> io,
        StoreActivity store,
        Scrub scrub,
        List<VolumeState> volumes) {

    /// @param passes completed since the replica opened, all data or one volume
    /// @param bytes read and verified since then
    /// @param done of the pass under way; 0 where none is
    /// @param total likewise; 0 where it is not known
    public record Scrub(long passes, long bytes, long done, long total) {}
}
