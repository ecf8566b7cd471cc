package io.cistern.volume;

/// How the cluster mends itself and spreads what it holds.
///
/// @param rebuildAfterSeconds how long a node may be silent before its replicas are built anew on
///   other nodes, 5 s to 30 days; 600
/// @param balance replicas and leaders are spread over the nodes by space and load; true
/// @param copyBytesPerSecond most that one copy of a replica may send, 0 for no bound; copies yield
///   to users all the same
public record ClusterPolicy(int rebuildAfterSeconds, boolean balance, long copyBytesPerSecond) {}
