package io.cistern.volume.node;

import io.cistern.raft.Peer;
import io.cistern.raft.RaftGroup;
import io.cistern.raft.RaftHost;
import io.cistern.volume.client.Waits;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/// Gives up leadership where another replica is there to take it, so that nobody waits for an
/// election when a node stops.
final class Handover {
    private static final Duration PATIENCE = Duration.ofSeconds(2);
    private static final long HEARD_MILLIS = 1000;

    private Handover() {}

    /// Of all groups that this host leads. Blocks for at most [#PATIENCE] each.
    static void all(RaftHost host) {
        List<CompletableFuture<Void>> transfers = new ArrayList<>();
        for (RaftGroup group : host.groups()) {
            if (group.leadership().ready()) {
                group.stats().followerIndexes().entrySet().stream()
                        .filter(f -> !Peer.isWitness(f.getKey()))
                        .filter(f -> f.getValue().lastHeardMillis() < HEARD_MILLIS)
                        .max(Comparator.comparingLong(f -> f.getValue().matchIndex()))
                        .ifPresent(
                                f -> transfers.add(group.transferLeadership(f.getKey(), PATIENCE)));
            }
        }
        transfers.forEach(transfer -> Waits.quietly(transfer, PATIENCE));
    }
}
