package io.cistern.volume.node;

import io.cistern.volume.ClusterStatus.WorkInfo;
import io.cistern.volume.Progress;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;

/// Long work that runs on this node.
final class Work {
    private final String node;
    private final ConcurrentHashMap<String, WorkInfo> running = new ConcurrentHashMap<>();

    Work(String node) {
        this.node = node;
    }

    List<WorkInfo> running() {
        return List.copyOf(running.values());
    }

    /// Runs `body` with a progress that is listed here as well as passed on to `heard`.
    <T> T run(String kind, String what, Progress heard, Function<Progress, T> body) {
        String id = UUID.randomUUID().toString();
        long started = System.currentTimeMillis();
        running.put(id, new WorkInfo(id, kind, what, node, 0, 0, "bytes", started, -1));
        try {
            return body.apply((done, total, eta) -> {
                running.put(
                        id, new WorkInfo(id, kind, what, node, done, total, "bytes", started, eta));
                heard.report(done, total, eta);
            });
        } finally {
            running.remove(id);
        }
    }
}
