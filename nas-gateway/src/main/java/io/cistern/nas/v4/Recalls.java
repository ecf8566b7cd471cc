package io.cistern.nas.v4;

import io.cistern.nas.recovery.Removals;
import io.cistern.nas.share.NfsException;
import io.cistern.nas.share.NfsStatus;
import io.cistern.nas.state.Delegation;
import io.cistern.nas.state.Delegations.Conflict;
import io.cistern.nas.state.FileKey;
import io.cistern.nas.state.NfsState;
import io.cistern.nas.state.Session;
import io.cistern.nas.state.StateId;
import java.io.IOException;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Has delegations given back that are in the way of others (RFC 8881 section 10.4.5). A client
/// that cannot be reached is tried again until its delegation is revoked. Any thread; blocks.
final class Recalls implements Removals.Recaller {
    private static final Logger LOG = LoggerFactory.getLogger(Recalls.class);

    /// How long a request waits for a delegation before its client is told to come back later.
    private static final int WAIT_MS = 1_000;

    private static final int RETRY_MS = 200;

    private final NfsState state;
    private final Callbacks callbacks;

    Recalls(NfsState state, Callbacks callbacks) {
        this.state = state;
        this.callbacks = callbacks;
    }

    @Override
    public void clear(FileKey file, long client) {
        List<Conflict> conflicts = state.delegations().conflicts(file, client);
        if (conflicts.isEmpty()) {
            return;
        }
        for (Conflict c : conflicts) {
            if (c.first()) {
                Thread.ofVirtual().name("nfs-recall").start(() -> recall(c));
            }
        }
        CompletableFuture<?>[] ends =
                conflicts.stream()
                        .map(c -> c.delegation().over())
                        .toArray(CompletableFuture[]::new);
        try {
            CompletableFuture.allOf(ends).get(WAIT_MS, TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
            throw new NfsException(NfsStatus.DELAY, "a delegation is being recalled");
        } catch (ExecutionException e) {
            throw new IllegalStateException("delegations do not end by failing", e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new NfsException(NfsStatus.DELAY, "the server is stopping");
        }
    }

    private void recall(Conflict conflict) {
        Delegation delegation = conflict.delegation();
        try {
            TimeUnit.NANOSECONDS.sleep(conflict.settleNanos());
            while (!delegation.over().isDone()) {
                Session session = state.delegations().route(delegation);
                if (session != null && asked(session, delegation, conflict.id())) {
                    return;
                }
                TimeUnit.MILLISECONDS.sleep(RETRY_MS);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private boolean asked(Session session, Delegation delegation, StateId id)
            throws InterruptedException {
        try {
            int status = callbacks.recall(session, id, delegation.handle());
            if (status != NfsStatus.OK) {
                LOG.debug("CB_RECALL answered with {}", status);
            }
            return status == NfsStatus.OK;
        } catch (IOException e) {
            LOG.debug("CB_RECALL: {}", e.getMessage());
            return false;
        }
    }
}
