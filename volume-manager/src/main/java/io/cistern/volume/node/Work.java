package io.cistern.volume.node;

import io.cistern.volume.ClusterStatus.WorkInfo;
import io.cistern.volume.Progress;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;

/// Long work that runs on this node.
final class Work {
    static final long HEARD_NANOS = TimeUnit.SECONDS.toNanos(5);
    private static final int MAX_HEARD = 100;

    private final String node;
    private final ConcurrentHashMap<String, WorkInfo> running = new ConcurrentHashMap<>();
    private final LinkedHashMap<String, Heard> heard = new LinkedHashMap<>();

    private record Heard(WorkInfo work, long nanos) {}

    Work(String node) {
        this.node = node;
    }

    List<WorkInfo> running() {
        List<WorkInfo> all = new ArrayList<>(running.values());
        synchronized (heard) {
            long now = System.nanoTime();
            heard.values().removeIf(h -> now - h.nanos >= HEARD_NANOS);
            heard.values().forEach(h -> all.add(h.work));
        }
        return all;
    }

    String node() {
        return node;
    }

    /// Lists work until it is shown anew or hidden.
    void show(WorkInfo work) {
        running.put(work.id(), work);
    }

    void hide(String id) {
        running.remove(id);
    }

    /// Lists what a program elsewhere does, until it says nothing for [#HEARD_NANOS].
    void heard(WorkInfo work, boolean ended) {
        synchronized (heard) {
            heard.remove(work.id());
            if (ended) {
                return;
            }
            if (heard.size() >= MAX_HEARD) {
                heard.pollFirstEntry();
            }
            heard.put(work.id(), new Heard(work, System.nanoTime()));
        }
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
