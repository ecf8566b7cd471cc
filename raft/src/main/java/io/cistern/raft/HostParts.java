package io.cistern.raft;

import java.util.concurrent.ExecutorService;
import java.util.concurrent.ScheduledExecutorService;

/// What a [RaftHost] lends to one of its groups.
///
/// @param store the replica's directory
/// @param timer short tasks at a later time
/// @param control blocking calls that are rare
/// @param onClose tells the host that the group is closed
record HostParts(
        RaftHostConfig config,
        ReplicaStore store,
        ScheduledExecutorService timer,
        ExecutorService control,
        Runnable onClose) {}
