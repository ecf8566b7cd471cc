package io.cistern.nas.state;

import io.cistern.block.fs.ByteString;
import io.cistern.nas.share.NfsException;
import io.cistern.nas.state.Client.CreatedSession;
import io.cistern.nas.state.RangeLocks.Range;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/// All that NFSv4 clients hold at this server. Any thread; nothing blocks.
///
/// ```
/// client  = (client id) --> sessions --> slots with their last replies
///                      \--> opens (owner, file, access, deny) --> locks (lock-owner, ranges)
/// share   --> grace: owners that had state under the owner before, until they have reclaimed it
/// ```
///
/// A share that comes from another owner brings its clients with their sessions, but not what they
/// had open: they reclaim that (ADR 47).
///
/// Invariants: an open belongs to a confirmed client; a lock state belongs to an open; ranges of
/// different lock-owners on one file are compatible; opens of one file do not deny each other's
/// access. Everything in here lives as long as the server; what must outlive it, who may reclaim,
/// is kept in the share by the [Listener].
public final class NfsState {
    /// A client is recorded as one that has state of a kind for that long after its last.
    private static final long UNUSED_NANOS = 5_000_000_000L;

    private final Object mutex = new Object();
    private final int boot;
    private final StateLimits limits;
    private final LongSupplier nanoTime;
    private final ClientTable clients;
    private final StateTable states;
    private final Delegations delegations;
    private final Listener listener;
    private final Map<Long, Grace> graces = new HashMap<>();

    /// What outlives the server. Called while the state is locked: may not block.
    public interface Listener {
        /// Nobody has a file open any more that the file system held for that.
        void released(FileKey file);

        /// A client is gone with all it had.
        ///
        /// @param shares in which it was recorded
        void forgotten(ByteString owner, Set<Long> shares);

        /// A session has ended: what its requests came to need not be remembered any more.
        ///
        /// @param shares in which its client was recorded
        void ended(Session session, Set<Long> shares);

        /// A share's grace is over.
        ///
        /// @param absent owners that were known and did not come back
        void graceOver(long share, Set<ByteString> absent);
    }

    /// @param boot differs between servers and their lives; neither 0 nor -1
    /// @param maxMessageBytes longest request and reply
    public NfsState(
            int boot,
            StateLimits limits,
            int maxMessageBytes,
            LongSupplier nanoTime,
            Listener listener) {
        this.boot = boot;
        this.limits = limits;
        this.nanoTime = nanoTime;
        this.listener = listener;
        this.states = new StateTable(boot, limits, listener::released);
        this.clients =
                new ClientTable(
                        boot,
                        limits,
                        maxMessageBytes,
                        nanoTime,
                        s -> listener.ended(s, Set.copyOf(s.client().recordedIn.keySet())),
                        this::removed);
        this.delegations = new Delegations(mutex, states, limits, nanoTime);
        this.states.clients(clients, delegations);
    }

    public Delegations delegations() {
        return delegations;
    }

    private void removed(Client client) {
        states.release(client);
        listener.forgotten(client.owner(), Set.copyOf(client.recordedIn.keySet()));
        client.recordedIn.clear();
    }

    public StateLimits limits() {
        return limits;
    }

    public int boot() {
        return boot;
    }

    // ---- clients and sessions

    /// @param sequence of the next CREATE_SESSION
    public record Exchanged(long client, int sequence, boolean confirmed) {}

    /// EXCHANGE_ID.
    public Exchanged exchange(
            ByteString owner, long verifier, Principal principal, boolean update, String address) {
        synchronized (mutex) {
            ClientTable.Exchanged e =
                    clients.exchange(
                            new ClientTable.Exchange(owner, verifier, principal, update, address));
            return new Exchanged(e.client(), e.sequence(), e.confirmed());
        }
    }

    /// CREATE_SESSION.
    public CreatedSession createSession(SessionRequest request) {
        synchronized (mutex) {
            return clients.create(request);
        }
    }

    /// The session, its client's lease renewed, the connection bound to it; null where there is
    /// none.
    public @Nullable Session findSession(SessionId id, long connection) {
        Session session;
        synchronized (mutex) {
            session = clients.findSession(id);
        }
        if (session != null) {
            long now = nanoTime.getAsLong();
            session.usedNanos = now;
            session.client().seenNanos = now;
            session.bind(connection);
        }
        return session;
    }

    private static final int CB_PATH_DOWN = 0x1;
    private static final int RECALLABLE_STATE_REVOKED = 0x40;
    private static final int RESTART_RECLAIM_NEEDED = 0x100;
    private static final int BACKCHANNEL_FAULT = 0x400;

    /// What SEQUENCE tells a client about itself: SEQ4_STATUS_* (RFC 8881 section 18.46.3).
    public int statusFlags(Session session) {
        Client client = session.client();
        BackChannel back = session.back();
        synchronized (mutex) {
            return (back != null && back.faulty() ? BACKCHANNEL_FAULT : 0)
                    | (Delegations.unreachable(client) ? CB_PATH_DOWN : 0)
                    | (Delegations.anyRevoked(client) ? RECALLABLE_STATE_REVOKED : 0)
                    | (client.restored && !client.reclaimComplete ? RESTART_RECLAIM_NEEDED : 0);
        }
    }

    /// DESTROY_SESSION.
    ///
    /// @param ownSlot slot of the session's that the request itself uses; -1: none
    public void destroySession(SessionId id, long connection, int ownSlot) {
        synchronized (mutex) {
            clients.destroySession(id, connection, ownSlot);
        }
    }

    /// DESTROY_CLIENTID.
    public void destroyClient(long id) {
        synchronized (mutex) {
            clients.destroyClient(id);
        }
    }

    /// RECLAIM_COMPLETE for all file systems.
    public void reclaimComplete(Client client) {
        synchronized (mutex) {
            if (client.reclaimComplete) {
                throw new NfsException(Status4.COMPLETE_ALREADY, "said before");
            }
            client.reclaimComplete = true;
            graces.forEach((share, grace) -> {
                int kinds = grace.kindsOf(client.owner());
                if (kinds != Kinds.NONE) {
                    client.recordedIn.putIfAbsent(share, recorded(0, kinds));
                }
                grace.done(client.owner());
            });
            endGraces();
        }
    }

    private void endGraces() {
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

    public void disconnected(long connection) {
        synchronized (mutex) {
            clients.disconnected(connection);
        }
    }

    /// To be called now and then: ends what time ends.
    public void sweep() {
        synchronized (mutex) {
            clients.sweep();
            delegations.sweep();
            endGraces();
        }
    }

    // ---- grace

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
    public void shareLost(long share) {
        synchronized (mutex) {
            graces.remove(share);
            states.drop(share);
            clients.clients().forEach(client -> client.recordedIn.remove(share));
        }
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

    public void recordFailed(Client client, long share) {
        synchronized (mutex) {
            client.recordedIn.remove(share);
        }
    }

    // ---- opens and locks

    /// @param access 1 read, 2 write, 3 both; `deny` likewise, or 0
    public StateId open(Client client, ByteString owner, FileKey file, int access, int deny) {
        synchronized (mutex) {
            checkAlive(client);
            return states.open(new StateTable.OpenRequest(client, owner, file, access, deny));
        }
    }

    private static void checkAlive(Client client) {
        if (client.removed) {
            throw new NfsException(Status4.STALE_CLIENTID, "the client id was ended");
        }
    }

    public StateId downgrade(StateId id, Client client, FileKey file, int access, int deny) {
        synchronized (mutex) {
            return states.downgrade(states.resolveOpen(id, client, file), access, deny);
        }
    }

    public void close(StateId id, Client client, FileKey file) {
        synchronized (mutex) {
            states.close(states.resolveOpen(id, client, file));
        }
    }

    /// See [StateTable#checkIo].
    public boolean checkIo(StateId id, Client client, FileKey file, boolean write) {
        synchronized (mutex) {
            if (id.special() && unreclaimed(file.share(), Kinds.DENIALS)) {
                throw new NfsException(Status4.GRACE, "an open that denies it may be reclaimed");
            }
            return states.checkIo(id, client, file, write);
        }
    }

    /// The status of a stateid, 0 where it is in use.
    public int test(StateId id, Client client) {
        synchronized (mutex) {
            return states.test(id, client);
        }
    }

    public void free(StateId id, Client client) {
        synchronized (mutex) {
            states.free(id, client);
        }
    }

    /// What LOCK came to: one of the two is set.
    public record LockResult(@Nullable StateId granted, @Nullable Range denied) {}

    /// A lock-owner's lock.
    ///
    /// @param state an open's stateid where `newOwner` is set; else the lock-owner's
    /// @param first first byte, unsigned; `last` likewise
    public record LockRequest(
            Client client,
            FileKey file,
            StateId state,
            @Nullable ByteString newOwner,
            long first,
            long last,
            boolean exclusive) {}

    public LockResult lock(LockRequest rq) {
        synchronized (mutex) {
            ByteString newOwner = rq.newOwner;
            LockState state =
                    newOwner == null
                            ? states.resolveLock(rq.state, rq.client, rq.file)
                            : states.lockState(
                                    states.resolveOpen(rq.state, rq.client, rq.file), newOwner);
            Range wanted = new Range(state.lockOwner(), rq.first, rq.last, rq.exclusive);
            Range conflict = states.lock(state, wanted);
            return conflict == null
                    ? new LockResult(states.idOf(state), null)
                    : new LockResult(null, conflict);
        }
    }

    /// LOCKT: what would be in the way of a lock; null if nothing.
    public @Nullable Range testLock(FileKey file, Range wanted) {
        synchronized (mutex) {
            return states.conflict(file, wanted);
        }
    }

    public StateId unlock(StateId id, Client client, FileKey file, long first, long last) {
        synchronized (mutex) {
            return states.unlock(states.resolveLock(id, client, file), first, last);
        }
    }

    /// Whether anybody has a file of the share open, or may still reclaim one.
    public boolean hasOpens(long share) {
        synchronized (mutex) {
            return inGrace(share) || states.hasOpens(share);
        }
    }

    public boolean isOpen(FileKey file) {
        synchronized (mutex) {
            return states.isOpen(file);
        }
    }

    /// The file system holds a file that lost its last name while it was open, or while somebody
    /// may reclaim an open of it. Holds of the latter that nobody needs end with the grace.
    public void held(FileKey file) {
        synchronized (mutex) {
            if (states.isOpen(file) || !inGrace(file.share())) {
                states.held(file);
            }
        }
    }

    /// Whether a file that loses its last name has to be kept.
    public boolean keepsRemoved(FileKey file) {
        synchronized (mutex) {
            return states.isOpen(file) || inGrace(file.share());
        }
    }

    // ---- for people

    /// A client as the command line shows it.
    ///
    /// @param shares opens in each share where it is known
    public record ClientView(
            long id,
            String owner,
            String address,
            long idleMillis,
            boolean expired,
            int sessions,
            int locks,
            int delegations,
            Map<Long, Integer> shares,
            Usage.Rates rates) {}

    /// A locked range as the command line shows it; `last` -1 is the end of the file.
    public record LockView(FileKey file, long client, long first, long last, boolean exclusive) {}

    public List<ClientView> clients() {
        synchronized (mutex) {
            return clients.clients().stream().map(this::view).toList();
        }
    }

    private ClientView view(Client c) {
        Map<Long, Integer> shares = new HashMap<>();
        c.recordedIn.keySet().forEach(share -> shares.put(share, 0));
        c.opens.forEach(open -> shares.merge(open.file.share(), 1, Integer::sum));
        return new ClientView(
                c.id(),
                c.owner().toString(),
                c.address(),
                (nanoTime.getAsLong() - c.seenNanos) / 1_000_000,
                clients.expired(c),
                c.sessions.size(),
                c.lockedRanges,
                c.delegations.size(),
                shares,
                c.usage().rates());
    }

    /// At most `max` locked ranges.
    public List<LockView> locks(int max) {
        synchronized (mutex) {
            List<LockView> views = new ArrayList<>();
            for (FileState file : states.files()) {
                for (Range r : file.locks.ranges()) {
                    if (views.size() == max) {
                        return views;
                    }
                    views.add(
                            new LockView(
                                    file.key,
                                    r.owner().client(),
                                    r.first(),
                                    r.last(),
                                    r.exclusive()));
                }
            }
            return views;
        }
    }

    /// How much there is.
    public record Counts(
            int clients,
            int sessions,
            int opens,
            int locks,
            int inGrace,
            Delegations.Counts delegations) {}

    public Counts counts() {
        synchronized (mutex) {
            return new Counts(
                    clients.count(),
                    clients.sessionCount(),
                    states.openCount(),
                    states.lockCount(),
                    graces.size(),
                    delegations.counts());
        }
    }
}
