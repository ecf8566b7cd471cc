package io.cistern.volume.node;

import io.cistern.volume.system.SystemState;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;

/// How long nodes have not answered, as the system leader sees it. Begins anew with each leader, so
/// that a replica is never given up early.
final class Silence {
    private final LongSupplier nanos;
    private final Map<String, Long> since = new HashMap<>();

    /// @param nanos a clock that only goes forward
    Silence(LongSupplier nanos) {
        this.nanos = nanos;
    }

    void reset() {
        since.clear();
    }

    void heard(SystemState state, Map<String, NodeReport> reports) {
        since.keySet()
                .removeIf(node -> reports.containsKey(node) || !state.nodes().containsKey(node));
        for (String node : state.nodes().keySet()) {
            if (!reports.containsKey(node)) {
                since.putIfAbsent(node, nanos.getAsLong());
            }
        }
    }

    /// True where the node has been silent for as long as the policy waits.
    boolean dead(SystemState state, String node) {
        Long began = since.get(node);
        return began != null
                && nanos.getAsLong() - began
                        >= TimeUnit.SECONDS.toNanos(state.policy().rebuildAfterSeconds());
    }
}
