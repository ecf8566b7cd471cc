package io.cistern.raft;

import java.net.InetSocketAddress;

/// A member of a group.
///
/// @param id the identity of one replica's log: node name plus a generation (`n1.3`), never reused
///   after its log was lost or quarantined
/// @param node the node's name
/// @param address where its Raft port listens
/// @param priority preference in elections, higher first; 0 is normal
public record Peer(String id, String node, InetSocketAddress address, int priority) {}
