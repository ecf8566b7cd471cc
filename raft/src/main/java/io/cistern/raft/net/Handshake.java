package io.cistern.raft.net;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import org.jspecify.annotations.Nullable;

/// What both ends say and check before the first message.
final class Handshake {
    private Handshake() {}

    static Frame.Hello hello(RpcIdentity self) {
        return new Frame.Hello(
                self.versions().field(), self.service(), 0, self.clusterId(), self.node());
    }

    static Frame.Hello refusal(RpcIdentity self, CisternException reason) {
        return new Frame.Hello(
                self.versions().field(),
                self.service(),
                reason.code().wire(),
                self.clusterId(),
                String.valueOf(reason.getMessage()));
    }

    /// Null if `peer` may talk to `self`, or why not.
    static @Nullable CisternException check(RpcIdentity self, Frame.Hello peer) {
        if (peer.status() != 0) {
            return new CisternException(ErrorCode.fromWire(peer.status()), peer.text());
        }
        if (version(self, peer) == 0) {
            return new CisternException(
                    ErrorCode.INVALID,
                    "node "
                            + self.node()
                            + " speaks "
                            + self.versions()
                            + " of the protocol, node "
                            + peer.text()
                            + " "
                            + (Versions.valid(peer.versions())
                                    ? Versions.of(peer.versions()).toString()
                                    : "none that is known")
                            + "; bring the older one up to a release that lies between them first");
        }
        if (peer.service() != self.service()) {
            return new CisternException(
                    ErrorCode.INVALID,
                    "node "
                            + self.node()
                            + " has service "
                            + self.service()
                            + " on this port, node "
                            + peer.text()
                            + " wants service "
                            + peer.service()
                            + "; check the port");
        }
        if (!peer.clusterId().equals(self.clusterId())) {
            return new CisternException(
                    ErrorCode.UNAUTHORIZED,
                    "node "
                            + self.node()
                            + " belongs to cluster "
                            + self.clusterId()
                            + ", node "
                            + peer.text()
                            + " to cluster "
                            + peer.clusterId()
                            + "; check the address");
        }
        return null;
    }

    /// The version that both go by, 0 where they have none in common.
    static int version(RpcIdentity self, Frame.Hello peer) {
        return Versions.valid(peer.versions())
                ? self.versions().common(Versions.of(peer.versions()))
                : 0;
    }
}
