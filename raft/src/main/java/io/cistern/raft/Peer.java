package io.cistern.raft;

import java.net.InetSocketAddress;
import java.util.regex.Pattern;

/// A member of a group.
///
/// @param id the identity of one replica's log: node name plus a generation (`n1.3`; that of a
///   witness `n1.w3`), never reused after its log was lost or quarantined
/// @param node the node's name
/// @param address where its Raft port listens
/// @param priority preference in elections, higher first; 0 is normal
public record Peer(String id, String node, InetSocketAddress address, int priority) {
    private static final Pattern WITNESS = Pattern.compile(".*\\.w\\d+");

    /// The identity of a witness, as `n2.w5`. Being one is part of the identity, so that no replica
    /// can ever be taken for the other kind.
    public static String witnessId(String node, long generation) {
        return node + ".w" + generation;
    }

    public static boolean isWitness(String peerId) {
        return WITNESS.matcher(peerId).matches();
    }

    /// Whether it votes and keeps no data: of each entry its log has term, index and a few bytes.
    /// It never leads.
    public boolean witness() {
        return isWitness(id);
    }
}
