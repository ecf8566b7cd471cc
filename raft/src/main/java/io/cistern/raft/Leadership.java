package io.cistern.raft;

import org.jspecify.annotations.Nullable;

/// A replica's view of who leads.
///
/// @param term the current term
/// @param leader the leader if known
/// @param ready true only on the leader itself, once the first entry of its own term is applied:
///   from then on its state holds everything ever acknowledged, and it may evaluate and propose
public record Leadership(long term, @Nullable Peer leader, boolean ready) {}
