package io.cistern.nas.state;

import io.cistern.block.fs.ByteString;
import io.cistern.nas.share.NfsException;
import io.cistern.nas.state.Client.CreatedSession;
import io.cistern.nas.state.RangeLocks.Range;
import java.util.ArrayList;
import java.util.HashMap;
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
    private final Object mutex = new Object();
    private final int boot;
    private final StateLimits limits;
    private final LongSupplier nanoTime;
    private final ClientTable clients;
    private final StateTable states;
    private final Delegations delegations;
    private final Listener listener;
    private final Takeovers takeovers;

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
        this.takeovers = new Takeovers(mutex, boot, limits, nanoTime, clients, listener);
        this.delegations = new Delegations(mutex, states, limits, nanoTime);
        this.states.clients(clients, delegations);
    }

    public Delegations delegations() {
        return delegations;
    }

    public Takeovers takeovers() {
        return takeovers;
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
            takeovers.reclaimed(client);
        }
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
            takeovers.endGraces();
        }
    }

    /// Another server became the owner: what clients hold there is no longer ours to keep.
    public void shareLost(long share) {
        synchronized (mutex) {
            states.drop(share);
            takeovers.shareLost(share);
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
            if (id.special() && takeovers.unreclaimed(file.share(), Kinds.DENIALS)) {
                throw new NfsException(Status4.GRACE, "an open that denies it may be reclaimed");
            }
            return states.checkIo(id, client, file, write);
        }
    }

    /// Refuses an OPEN that cuts a file off which somebody else keeps from being written.
    ///
    /// @throws NfsException SHARE_DENIED
    public void checkMayShorten(Client client, FileKey file) {
        synchronized (mutex) {
            states.checkMayShorten(client, file);
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
            return takeovers.inGrace(share) || states.hasOpens(share);
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
            if (states.isOpen(file) || !takeovers.inGrace(file.share())) {
                states.held(file);
            }
        }
    }

    /// Whether a file that loses its last name has to be kept.
    public boolean keepsRemoved(FileKey file) {
        synchronized (mutex) {
            return states.isOpen(file) || takeovers.inGrace(file.share());
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
                    takeovers.inGrace(),
                    delegations.counts());
        }
    }
}
