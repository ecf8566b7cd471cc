package io.cistern.raft.net;

import java.nio.charset.StandardCharsets;
import java.util.UUID;

/// Who one end of a connection says it is, in the handshake.
///
/// @param service what the port is for, 0..255 ([#SERVICE_RAFT], [#SERVICE_NODE]); both ends must
///   say the same, so that a mistyped port is an error and not a puzzle
/// @param clusterId the cluster; a peer of another one is refused
/// @param node the sender's node name, 1 to 255 bytes of UTF-8; informative, not proof
/// @param versions of the protocol that it speaks
public record RpcIdentity(int service, UUID clusterId, String node, Versions versions) {
    /// Raft traffic between members of groups.
    public static final int SERVICE_RAFT = 1;

    /// The node wire: volume clients and nodes.
    public static final int SERVICE_NODE = 2;

    /// Longest node name, in bytes of UTF-8.
    public static final int MAX_NODE_BYTES = 255;

    /// Speaks what this release does.
    public RpcIdentity(int service, UUID clusterId, String node) {
        this(service, clusterId, node, Versions.CURRENT);
    }

    public RpcIdentity {
        if (service < 0 || service > 255) {
            throw new IllegalArgumentException("service " + service + " is not in 0..255");
        }
        int length = node.getBytes(StandardCharsets.UTF_8).length;
        if (length == 0 || length > MAX_NODE_BYTES) {
            throw new IllegalArgumentException("node name of " + length + " bytes");
        }
    }
}
