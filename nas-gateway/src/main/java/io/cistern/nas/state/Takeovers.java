package io.cistern.nas.state;

import io.cistern.block.fs.ByteString;
import io.cistern.nas.share.NfsException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/// What is recorded of clients in the shares, for the servers after this one, and what clients may
/// reclaim here that were recorded by servers before. Any thread; nothing blocks.
public final class Takeovers {
    /// A client is recorded as one that has state of a kind for that long after its last.
    private static final long UNUSED_NANOS = 5_000_000_000L;

    private final Object mutex;
    private final int boot;
    private final StateLimits limits;
    private final LongSupplier nanoTime;
    private final ClientTable clients;
    private final NfsState.Listener listener;
    private final Map<Long, Grace> graces = new HashMap<>();

    /// @param mutex that of the [NfsState] it belongs to
    Takeovers(
            Object mutex,
            int boot,
            StateLimits limits,
            LongSupplier nanoTime,
            ClientTable clients,
            NfsState.Listener listener) {
        this.mutex = mutex;
        this.boot = boot;
        this.limits = limits;
        this.nanoTime = nanoTime;
        this.clients = clients;
        this.listener = listener;
    }

    /// A client has said that it is done.
    void reclaimed(Client client) {
        graces.forEach((share, grace) -> {
            int kinds = grace.kindsOf(client.owner());
            if (kinds != Kinds.NONE) {
                client.recordedIn.putIfAbsent(share, recorded(0, kinds));
            }
            grace.done(client.owner());
        });
        endGraces();
    }

    /// Ends what time has ended, or the last client that was awaited.
    void endGraces() {
        Map<Long, Grace> over = new HashMap<>();
        graces.forEach((share, grace) -> {
            if (!grace.active(nanoTime.getAsLong())) {
                over.put(share, grace);
            }
        });
        graces.keySet().removeAll(over.keySet());
        over.forEach((share, grace) -> listener.graceOver(share, absent(share, grace)));
    }

    /// Owners that reclaimed nothing in the share and did not say that they are done. A client that
    /// has opens keeps its record: it is only late.
    private Set<ByteString> absent(long share, Grace grace) {
        Set<ByteString> absent = new HashSet<>();
        for (ByteString owner : grace.waiting()) {
            Client client = clients.confirmedOf(owner);
            if (client == null || client.opens.isEmpty()) {
                absent.add(owner);
                if (client != null) {
                    client.recordedIn.remove(share);
                }
            }
        }
        return absent;
    }

    /// This server became a share's owner, perhaps again. Clients come back to life with their
    /// sessions; those that had opens elsewhere may reclaim them. Of clients whose state in this
    /// share is here there is nothing to reclaim.
    ///
    /// @param known clients that had state before, or made changes
    public void shareOpened(long share, List<KnownClient> known) {
        synchronized (mutex) {
            Map<ByteString, Integer> owners = new HashMap<>();
            for (KnownClient k : known) {
                if (restore(share, k)) {
                    owners.put(k.owner(), k.kinds());
                }
            }
            if (owners.isEmpty()) {
                graces.remove(share);
            } else {
                long end = nanoTime.getAsLong() + limits.graceSeconds() * 1_000_000_000L;
                graces.put(share, new Grace(owners, end));
            }
        }
    }

    /// @return whether others have to wait until it has reclaimed
    private boolean restore(long share, KnownClient known) {
        Client client = clients.confirmedOf(known.owner());
        if (client != null
                && known.id() != 0
                && client.id() != known.id()
                && known.boot() != boot
                && clients.expired(client)) {
            clients.remove(client); // it has begun anew at the server that had the share since
            client = null;
        }
        if (client != null && client.id() != known.id()) {
            // It has begun anew; if it is through with reclaiming it cannot want anything back.
            boolean waits = !client.reclaimComplete && known.kinds() != Kinds.NONE;
            if (!waits) {
                client.recordedIn.put(share, recorded(0, known.kinds()));
            }
            return waits;
        }
        if (known.id() == 0) {
            return known.kinds() != Kinds.NONE;
        }
        if (client == null || known.boot() != boot) {
            client = clients.restore(known);
        }
        client.recordedIn.put(share, recorded(client.version, known.kinds()));
        return known.kinds() != Kinds.NONE && !client.reclaimComplete;
    }

    private Client.Recorded recorded(int version, int kinds) {
        return new Client.Recorded(version, kinds, nanoTime.getAsLong());
    }

    /// Another server became the owner: what clients hold there is no longer ours to keep.
    void shareLost(long share) {
        graces.remove(share);
        clients.clients().forEach(client -> client.recordedIn.remove(share));
    }

    /// Nobody has anything open in a share that is given up.
    ///
    /// @return owners that are recorded there, who need not be any more
    public Set<ByteString> shareReleased(long share) {
        synchronized (mutex) {
            Set<ByteString> owners = new HashSet<>();
            for (Client client : clients.clients()) {
                if (client.recordedIn.remove(share) != null) {
                    owners.add(client.owner());
                    client.sessions.values().forEach(s -> listener.ended(s, Set.of(share)));
                }
            }
            return owners;
        }
    }

    int inGrace() {
        return graces.size();
    }

    public boolean inGrace(long share) {
        synchronized (mutex) {
            Grace grace = graces.get(share);
            return grace != null && grace.active(nanoTime.getAsLong());
        }
    }

    /// Whether a client that has not said that it is done may have had state of one of the kinds.
    public boolean unreclaimed(long share, int kinds) {
        synchronized (mutex) {
            Grace grace = graces.get(share);
            return grace != null
                    && grace.active(nanoTime.getAsLong())
                    && (grace.unreclaimed() & kinds) != 0;
        }
    }

    /// Refuses an open that may be in the way of what others have to reclaim, and every one before
    /// this client has said that it has nothing (more) to reclaim.
    ///
    /// @throws NfsException GRACE
    public void checkMayOpen(Client client, long share, int access, int deny) {
        checkMayTake(client, share, Kinds.inTheWayOfOpen(access, deny));
    }

    /// Likewise of a lock.
    ///
    /// @throws NfsException GRACE
    public void checkMayLock(Client client, long share) {
        checkMayTake(client, share, Kinds.IN_THE_WAY_OF_LOCKS);
    }

    private void checkMayTake(Client client, long share, int kinds) {
        synchronized (mutex) {
            if (!client.reclaimComplete || unreclaimed(share, kinds)) {
                throw new NfsException(Status4.GRACE, "reclaiming is not over");
            }
        }
    }

    /// @param kinds of state of which it had one, if it had what it wants to reclaim
    /// @throws NfsException NO_GRACE, RECLAIM_BAD
    public void checkMayReclaim(Client client, long share, int kinds) {
        synchronized (mutex) {
            Grace grace = graces.get(share);
            if (client.reclaimComplete || grace == null || !inGrace(share)) {
                throw new NfsException(Status4.NO_GRACE, "not the time to reclaim");
            }
            if ((grace.kindsOf(client.owner()) & kinds) == 0) {
                throw new NfsException(Status4.RECLAIM_BAD, "it had nothing");
            }
        }
    }

    /// What has to be recorded of a client in a share before it is given more there.
    ///
    /// @param kinds [Kinds] of state that it is to have; NONE where it only makes changes
    /// @return null: nothing new
    public @Nullable KnownClient toRecord(Client client, long share, int kinds) {
        synchronized (mutex) {
            Client.Recorded known = client.recordedIn.get(share);
            int had = known == null ? Kinds.NONE : known.kinds();
            client.recordedIn.put(share, recorded(client.version, had | kinds));
            return known != null && known.version() == client.version && (had | kinds) == had
                    ? null
                    : known(client, had | kinds);
        }
    }

    /// What is to be recorded of a client that has had no state of some kind for a while, so that
    /// the share's next owner does not wait for it.
    ///
    /// @return null: nothing to be changed
    public @Nullable KnownClient toForget(Client client, long share) {
        synchronized (mutex) {
            Client.Recorded known = client.recordedIn.get(share);
            if (known == null || client.removed || !client.reclaimComplete) {
                return null;
            }
            int used = Kinds.of(client, known.kinds());
            if (used == known.kinds()) {
                client.recordedIn.put(share, recorded(known.version(), used));
                return null;
            }
            if (nanoTime.getAsLong() - known.usedNanos() < UNUSED_NANOS) {
                return null;
            }
            client.recordedIn.put(share, recorded(client.version, used));
            return known(client, used);
        }
    }

    /// Clients that are recorded in a share.
    public List<Client> recordedIn(long share) {
        synchronized (mutex) {
            return clients.clients().stream().filter(c -> c.recordedIn.containsKey(share)).toList();
        }
    }

    private KnownClient known(Client client, int kinds) {
        List<KnownClient.KnownSession> sessions = new ArrayList<>();
        client.sessions
                .values()
                .forEach(s -> sessions.add(new KnownClient.KnownSession(s.id(), s.fore())));
        return new KnownClient(
                client.owner(),
                client.id(),
                boot,
                client.verifier,
                client.principal,
                client.address,
                client.createSequence,
                client.nextSession,
                kinds,
                sessions);
    }

    /// What [#toRecord] or [#toForget] gave last could not be written, or nobody knows: it is
    /// recorded anew before anything else is given.
    public void recordFailed(Client client, long share) {
        synchronized (mutex) {
            client.recordedIn.computeIfPresent(share, (id, r) -> recorded(0, r.kinds()));
        }
    }
}
