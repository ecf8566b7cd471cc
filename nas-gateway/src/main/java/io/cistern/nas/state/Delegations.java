package io.cistern.nas.state;

import io.cistern.block.fs.ByteString;
import io.cistern.nas.share.NfsException;
import io.cistern.nas.share.NfsStatus;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/// Who has delegations of what, and changes that are in their way. Any thread; nothing blocks.
///
/// A file that somebody has open for writing, or denies to be read, is not delegated, nor one that
/// is being changed, nor one that was contended for not long ago.
public final class Delegations {
    /// A delegation that was recalled is not given out again for that long.
    private static final long QUIET_NANOS = 20_000_000_000L;

    private static final int MAX_QUIET = 10_000;

    /// A recall does not overtake the reply that gave the delegation, which goes its own way (RFC
    /// 8881 section 2.10.6.3): so long after it the client knows what is recalled.
    private static final long SETTLE_NANOS = 100_000_000L;

    private final Object mutex;
    private final StateTable states;
    private final StateLimits limits;
    private final LongSupplier nanoTime;
    private final Set<Delegation> recalled = new HashSet<>();
    private final Map<FileKey, Long> quiet = new LinkedHashMap<>();
    private int count;
    private long granted;
    private long revoked;

    /// @param mutex that of the [NfsState] it belongs to
    Delegations(Object mutex, StateTable states, StateLimits limits, LongSupplier nanoTime) {
        this.mutex = mutex;
        this.states = states;
        this.limits = limits;
        this.nanoTime = nanoTime;
    }

    /// Gives a client a delegation of a file that it has just opened.
    ///
    /// @param handle the file's, as it was given to the client
    /// @return null where it may not have one
    public @Nullable StateId grant(Client client, FileKey key, ByteString handle) {
        synchronized (mutex) {
            FileState file = states.file(key);
            if (file == null
                    || client.removed
                    || key.snapshot() != 0
                    || count >= limits.maxDelegations()
                    || client.delegations.size() + client.revoked.size()
                            >= limits.maxClientDelegations()
                    || file.changing > 0
                    || contended(key)) {
                return null;
            }
            for (OpenState open : file.opens) {
                if ((open.access & StateTable.WRITE) != 0 || (open.deny & StateTable.READ) != 0) {
                    return null;
                }
            }
            for (Delegation d : file.delegations) {
                if (d.client == client || d.phase != Delegation.Phase.HELD) {
                    return null;
                }
            }
            Delegation d =
                    new Delegation(states.nextSerial(), client, key, handle, nanoTime.getAsLong());
            states.enter(d);
            file.delegations.add(d);
            client.delegations.add(d);
            count++;
            granted++;
            return states.idOf(d);
        }
    }

    private boolean contended(FileKey key) {
        Long until = quiet.get(key);
        return until != null && nanoTime.getAsLong() - until < 0;
    }

    /// From now on nobody is given a delegation of the file, until [#endChange].
    public void beginChange(FileKey key) {
        synchronized (mutex) {
            states.fileOrNew(key).changing++;
        }
    }

    public void endChange(FileKey key) {
        synchronized (mutex) {
            FileState file = states.file(key);
            if (file != null) {
                file.changing--;
                states.forgetIfUnused(file);
            }
        }
    }

    /// What is in the way of a change of a file.
    ///
    /// @param delegation whose end is to be awaited
    /// @param first whether it has to be recalled: nobody has done so yet
    /// @param settleNanos how long its client has yet to be given time to learn of it
    public record Conflict(Delegation delegation, StateId id, boolean first, long settleNanos) {}

    /// Other clients' delegations of a file, from now on being recalled.
    ///
    /// @param by id of the client that changes it; 0: not a client of NFSv4
    public List<Conflict> conflicts(FileKey key, long by) {
        synchronized (mutex) {
            FileState file = states.file(key);
            if (file == null || file.delegations.isEmpty()) {
                return List.of();
            }
            List<Conflict> found = new ArrayList<>();
            for (Delegation d : List.copyOf(file.delegations)) {
                if (d.client.id() == by
                        || d.phase == Delegation.Phase.REVOKED
                        || states.gone(d.client)) {
                    continue;
                }
                boolean first = d.phase == Delegation.Phase.HELD;
                if (first) {
                    recall(d);
                }
                long settle = d.grantedNanos + SETTLE_NANOS - nanoTime.getAsLong();
                found.add(new Conflict(d, states.idOf(d), first, Math.max(0, settle)));
            }
            return found;
        }
    }

    private void recall(Delegation d) {
        d.phase = Delegation.Phase.RECALLED;
        d.recalledNanos = nanoTime.getAsLong();
        recalled.add(d);
        if (quiet.size() >= MAX_QUIET) {
            quiet.remove(quiet.keySet().iterator().next());
        }
        quiet.put(d.file, d.recalledNanos + QUIET_NANOS);
    }

    /// A back channel that may reach the holder of a delegation; null where there is none now.
    public @Nullable Session route(Delegation d) {
        synchronized (mutex) {
            return route(d.client);
        }
    }

    private static @Nullable Session route(Client client) {
        Session untried = null;
        for (Session session : client.sessions.values()) {
            BackChannel back = session.back();
            if (back != null && back.usable()) {
                untried = session; // the newest
            }
        }
        return untried;
    }

    /// DELEGRETURN.
    ///
    /// @throws NfsException BAD_STATEID, OLD_STATEID, STALE_STATEID, DELEG_REVOKED
    public void giveBack(StateId id, Client client, FileKey file) {
        synchronized (mutex) {
            if (!(states.resolve(id, client, file) instanceof Delegation d)) {
                throw StateTable.bad("not a delegation");
            }
            end(d);
        }
    }

    /// Checks that a client has a delegation.
    public void check(StateId id, Client client, FileKey file) {
        synchronized (mutex) {
            if (!(states.resolve(id, client, file) instanceof Delegation)) {
                throw StateTable.bad("not a delegation");
            }
        }
    }

    /// Takes it away without a trace.
    void end(Delegation d) {
        takeAway(d);
        d.client.revoked.remove(d);
        states.leave(d);
    }

    /// Nothing is in others' way any more.
    private void takeAway(Delegation d) {
        if (d.client.delegations.remove(d)) {
            count--;
        }
        recalled.remove(d);
        FileState file = states.file(d.file);
        if (file != null && file.delegations.remove(d)) {
            states.forgetIfUnused(file);
        }
        d.over.complete(null);
    }

    private void revoke(Delegation d) {
        d.phase = Delegation.Phase.REVOKED;
        revoked++;
        d.client.revoked.add(d);
        takeAway(d);
    }

    /// Revokes what was recalled and has not come back within a lease.
    void sweep() {
        long now = nanoTime.getAsLong();
        for (Delegation d : List.copyOf(recalled)) {
            if (now - d.recalledNanos > limits.leaseSeconds() * 1_000_000_000L) {
                revoke(d);
            }
        }
    }

    /// Refuses an open that somebody else's delegation is in the way of.
    ///
    /// @throws NfsException DELAY
    void refuseConflict(FileState file, Client client, int access, int deny) {
        if ((access & StateTable.WRITE) == 0 && (deny & StateTable.READ) == 0) {
            return;
        }
        for (Delegation d : List.copyOf(file.delegations)) {
            if (d.client != client && !states.gone(d.client)) {
                throw new NfsException(NfsStatus.DELAY, "a delegation is being recalled");
            }
        }
    }

    /// Whether the client has been told of all delegations that were revoked.
    static boolean anyRevoked(Client client) {
        return !client.revoked.isEmpty();
    }

    /// Whether a client has delegations and cannot be called back.
    static boolean unreachable(Client client) {
        return !client.delegations.isEmpty() && route(client) == null;
    }

    /// @param held now
    /// @param granted since the start; `revoked` likewise
    public record Counts(int held, long granted, long revoked) {}

    Counts counts() {
        return new Counts(count, granted, revoked);
    }
}
