package io.cistern.storage.group;

import io.cistern.raft.Peer;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Keeps a leader's [SpaceGuard] supplied with the reports of the members.
final class SpaceMonitor {
    private static final Logger log = LoggerFactory.getLogger(SpaceMonitor.class);

    private final ReplicaParts parts;
    private final SpaceGuard guard;

    SpaceMonitor(ReplicaParts parts, SpaceGuard guard) {
        this.parts = parts;
        this.guard = guard;
    }

    /// See [SpaceGuard#behind].
    Map<String, Long> behind() {
        return guard.behind(parts.machine().appliedIndex());
    }

    /// Asks every other member; does not wait. Called regularly while this replica leads, and at
    /// once when it is elected.
    void poll() {
        guard.update(parts.store().usage());
        Set<String> ids = new HashSet<>();
        WirePeer.SpaceRequest request =
                new WirePeer.SpaceRequest(parts.raft().id(), parts.machine().appliedIndex());
        for (Peer member : parts.raft().dataMembers()) {
            if (member.id().equals(parts.raft().self().id())) {
                continue;
            }
            ids.add(member.id());
            parts.node()
                    .peers()
                    .call(member.node(), Wire.SPACE, request::encode, WireAnswer::usage)
                    .whenComplete((usage, failed) -> {
                        if (failed == null) {
                            guard.report(member.id(), usage);
                            guard.update(parts.store().usage());
                        } else {
                            log.debug("no space report of {}: {}", member.id(), failed);
                        }
                    });
        }
        guard.members(ids);
    }
}
