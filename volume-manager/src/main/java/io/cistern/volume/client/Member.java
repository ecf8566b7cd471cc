package io.cistern.volume.client;

import io.cistern.storage.group.VolumeGroup;

/// A replica of a group as this client reaches it.
public interface Member {
    /// The replica's peer id.
    String peer();

    String node();

    /// True where the replica is in this process.
    boolean local();

    VolumeGroup group();

    /// Index applied by a local replica, -1 for one elsewhere.
    long appliedIndex();

    /// Index of the newest entry any of whose effects a read of a local replica may have shown.
    default long visibleIndex() {
        return appliedIndex();
    }

    /// Ends every call in flight to this member at once, so that none of them touches its buffers
    /// any more. No effect on a local one.
    void reset();
}
