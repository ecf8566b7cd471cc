package io.cistern.nas.recovery;

import io.cistern.nas.rpc.RpcCall;
import io.cistern.nas.share.NfsException;
import io.cistern.nas.share.NfsStatus;
import io.cistern.nas.share.Shares;
import io.cistern.nas.state.NfsState;
import io.cistern.nas.state.Session;
import io.cistern.nas.state.SessionId;
import io.cistern.nas.state.Status4;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Finds the sessions of servers that are no more: a client that comes with one has the shares
/// opened here that it may use and nobody else serves, and with a share come its clients' sessions.
/// Any thread; blocks.
public final class Adoption {
    /// As long as a share is not to be had, a client is told to wait for it, but not for ever: its
    /// session may be in none.
    private static final long PATIENCE_NANOS = 20_000_000_000L;

    private static final int MAX_WAITING = 10_000;

    private final Shares shares;
    private final NfsState state;
    private final Map<SessionId, Long> waiting = new LinkedHashMap<>();

    public Adoption(Shares shares, NfsState state) {
        this.shares = shares;
        this.state = state;
    }

    /// The session, its client's lease renewed, the call's connection bound to it.
    ///
    /// @throws NfsException BADSESSION; DELAY where it may turn up
    public Session use(SessionId id, RpcCall call) {
        Session known = find(id, call);
        if (known != null) {
            return known;
        }
        if (id.boot() == state.boot()) {
            throw new NfsException(Status4.BADSESSION, "no such session");
        }
        call.mayWait();
        boolean pending =
                shares.adoptFor(
                        call,
                        () -> find(id, call) != null,
                        share -> state.hasOpens(share.entry().id()));
        Session adopted = find(id, call);
        if (adopted != null) {
            return adopted;
        }
        if (pending && mayWait(id)) {
            throw new NfsException(NfsStatus.DELAY, "a share is not to be had yet");
        }
        throw new NfsException(Status4.BADSESSION, "no such session");
    }

    private @Nullable Session find(SessionId id, RpcCall call) {
        return state.findSession(id, call.peer().id());
    }

    private boolean mayWait(SessionId id) {
        synchronized (waiting) {
            long now = System.nanoTime();
            Long since = waiting.get(id);
            if (since != null) {
                return now - since < PATIENCE_NANOS;
            }
            Iterator<SessionId> eldest = waiting.keySet().iterator();
            if (waiting.size() >= MAX_WAITING && eldest.hasNext()) {
                eldest.next();
                eldest.remove();
            }
            waiting.put(id, now);
            return true;
        }
    }
}
