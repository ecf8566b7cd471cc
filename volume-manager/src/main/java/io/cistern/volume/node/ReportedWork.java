package io.cistern.volume.node;

import io.cistern.block.CisternException;
import io.cistern.volume.ClusterStatus.WorkInfo;
import io.cistern.volume.Progress;
import io.cistern.volume.image.ImageService;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Function;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Has the cluster's status list work that this process does, as long as it runs. Where no node
/// hears of it, the work goes on all the same.
final class ReportedWork implements ImageService.Runner {
    private static final Logger log = LoggerFactory.getLogger(ReportedWork.class);
    private static final long PERIOD_MILLIS = 1_000;
    private static final Duration TELL = Duration.ofSeconds(1);

    private final String program;
    private final Cluster cluster;

    /// @param program that does the work, as people know it
    ReportedWork(String program, Cluster cluster) {
        this.program = program;
        this.cluster = cluster;
    }

    @Override
    public <T> T run(String kind, String what, Progress heard, Function<Progress, T> body) {
        String id = UUID.randomUUID().toString();
        long started = System.currentTimeMillis();
        AtomicReference<WorkInfo> now =
                new AtomicReference<>(
                        new WorkInfo(id, kind, what, program, 0, 0, "bytes", started, -1));
        Thread teller = Thread.ofVirtual().name("tell-" + kind).start(() -> tellRegularly(now));
        try {
            return body.apply((done, total, eta) -> {
                now.set(new WorkInfo(id, kind, what, program, done, total, "bytes", started, eta));
                heard.report(done, total, eta);
            });
        } finally {
            teller.interrupt();
            tell(Objects.requireNonNull(now.get()), true);
        }
    }

    private void tellRegularly(AtomicReference<WorkInfo> now) {
        try {
            while (true) {
                tell(Objects.requireNonNull(now.get()), false);
                Thread.sleep(PERIOD_MILLIS);
            }
        } catch (InterruptedException done) {
            log.debug("no more to tell");
        }
    }

    /// Tells the first node that listens, and tells the end to all: another may have listened
    /// before.
    private void tell(WorkInfo work, boolean ended) {
        for (String node : List.copyOf(cluster.catalog().state().nodes().keySet())) {
            try {
                cluster.order(node, new NodeOrder.Working(work, ended), TELL);
                if (!ended) {
                    return;
                }
            } catch (CisternException e) {
                log.debug("{} does not list work: {}", node, e.getMessage());
            }
        }
    }
}
