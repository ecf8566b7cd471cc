package io.cistern.server.api;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.server.api.Requests.Failure;
import io.cistern.server.api.Requests.Verification;
import io.cistern.volume.ClusterAdmin;
import io.cistern.volume.ClusterAdmin.VerifyReport;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ExecutorService;
import org.jspecify.annotations.Nullable;

/// Verifications that were started through this node's API: at most [#MAX_RUNNING] at a time; the
/// last [#MAX_KEPT] finished ones are remembered. Any thread.
final class Verifications {
    static final int MAX_RUNNING = 4;
    static final int MAX_KEPT = 32;

    private final ClusterAdmin admin;
    private final ExecutorService threads;
    private final Map<String, Verification> known = new LinkedHashMap<>();

    Verifications(ClusterAdmin admin, ExecutorService threads) {
        this.admin = admin;
        this.threads = threads;
    }

    synchronized Verification start(@Nullable String volume) {
        if (known.values().stream().filter(Verification::running).count() >= MAX_RUNNING) {
            throw new CisternException(
                    ErrorCode.LIMIT,
                    MAX_RUNNING + " verifications run already; wait for one of them");
        }
        known.entrySet().stream()
                .filter(e -> !e.getValue().running() && known.size() >= MAX_KEPT)
                .findFirst()
                .ifPresent(e -> known.remove(e.getKey()));
        String id = UUID.randomUUID().toString();
        Verification started = new Verification(id, true, 0, 0, -1, null, null);
        known.put(id, started);
        threads.execute(() -> run(id, volume));
        return started;
    }

    synchronized Verification get(String id) {
        Verification v = known.get(id);
        if (v == null) {
            throw new CisternException(
                    ErrorCode.NOT_FOUND, "this node knows no verification " + id);
        }
        return v;
    }

    private void run(String id, @Nullable String volume) {
        VerifyReport report = null;
        Failure failure = null;
        try {
            report = admin.verify(volume, (done, total, eta) -> progress(id, done, total, eta));
        } catch (RuntimeException e) {
            CisternException known = CisternException.of(e);
            failure = new Failure(known.code().name(), String.valueOf(known.getMessage()));
        }
        finish(id, report, failure);
    }

    private synchronized void progress(String id, long done, long total, long etaMillis) {
        known.put(id, new Verification(id, true, done, total, etaMillis, null, null));
    }

    private synchronized void finish(
            String id, @Nullable VerifyReport report, @Nullable Failure failure) {
        Verification v = get(id);
        known.put(
                id, new Verification(id, false, v.doneBytes(), v.totalBytes(), 0, report, failure));
    }
}
