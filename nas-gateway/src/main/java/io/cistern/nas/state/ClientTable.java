package io.cistern.nas.state;

import io.cistern.block.fs.ByteString;
import io.cistern.nas.share.NfsException;
import io.cistern.nas.share.NfsStatus;
import io.cistern.nas.state.Client.CreatedSession;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/// Client ids and sessions: EXCHANGE_ID, CREATE_SESSION and what ends them (RFC 8881 sections 18.35
/// to 18.37 and 18.50). Guarded by the mutex that it was given.
final class ClientTable {
    /// Below this a channel cannot carry a SEQUENCE and one operation.
    private static final int MIN_CHANNEL_BYTES = 256;

    private static final int MIN_OPERATIONS = 2;
    private static final int MAX_OPERATIONS = 128;

    /// Of CREATE_SESSION: the connection is the back channel's too.
    private static final int CONN_BACK_CHAN = 2;

    private final int boot;
    private final StateLimits limits;
    private final int maxMessageBytes;
    private final LongSupplier nanoTime;
    private final Consumer<Session> onEnd;
    private final Consumer<Client> onRemove;

    private final Map<Long, Client> byId = new LinkedHashMap<>();
    private final Map<ByteString, Client> confirmed = new HashMap<>();
    private final Map<ByteString, Client> unconfirmed = new HashMap<>();
    private final Map<SessionId, Session> sessions = new HashMap<>();
    private int nextClient = 1;

    /// @param maxMessageBytes longest request and reply
    /// @param onEnd told of sessions that ended
    /// @param onRemove takes a removed client's opens and locks away
    ClientTable(
            int boot,
            StateLimits limits,
            int maxMessageBytes,
            LongSupplier nanoTime,
            Consumer<Session> onEnd,
            Consumer<Client> onRemove) {
        this.onEnd = onEnd;
        this.boot = boot;
        this.limits = limits;
        this.maxMessageBytes = maxMessageBytes;
        this.nanoTime = nanoTime;
        this.onRemove = onRemove;
    }

    /// @param address for people
    record Exchange(
            ByteString owner, long verifier, Principal principal, boolean update, String address) {}

    /// @param sequence of the next CREATE_SESSION
    record Exchanged(long client, int sequence, boolean confirmed) {}

    /// The nine cases of RFC 8881 section 18.35.4.
    Exchanged exchange(Exchange rq) {
        Client known = confirmed.get(rq.owner);
        if (rq.update) {
            return update(known, rq);
        }
        if (known != null) {
            boolean samePrincipal = known.principal.equals(rq.principal);
            if (samePrincipal && known.verifier == rq.verifier) {
                known.seenNanos = nanoTime.getAsLong();
                return exchanged(known); // case 2
            }
            if (!samePrincipal) {
                if (!expired(known) && known.inUse()) {
                    throw new NfsException(Status4.CLID_INUSE, "the client id is another's");
                }
                remove(known); // case 3
            }
            // case 5: the old record stays until the new one is confirmed
        }
        Client replaced = unconfirmed.get(rq.owner);
        if (replaced != null) {
            remove(replaced); // case 4
        }
        return exchanged(add(rq)); // case 1
    }

    private Exchanged update(@Nullable Client known, Exchange rq) {
        if (known == null) {
            throw new NfsException(NfsStatus.NOENT, "no confirmed record to update"); // case 7
        }
        if (known.verifier != rq.verifier) {
            throw new NfsException(Status4.NOT_SAME, "another verifier"); // case 8
        }
        if (!known.principal.equals(rq.principal)) {
            throw new NfsException(NfsStatus.PERM, "another principal"); // case 9
        }
        known.seenNanos = nanoTime.getAsLong();
        return exchanged(known); // case 6
    }

    private static Exchanged exchanged(Client client) {
        return new Exchanged(client.id(), client.createSequence + 1, client.confirmed);
    }

    private Client add(Exchange rq) {
        if (byId.size() >= limits.maxClients()) {
            evictExpired();
        }
        if (byId.size() >= limits.maxClients()) {
            throw new NfsException(NfsStatus.DELAY, "too many clients");
        }
        long id = (long) boot << 32 | nextClient++ & 0xffff_ffffL;
        Client client = new Client(id, rq.owner, rq.verifier, rq.principal, rq.address);
        client.seenNanos = nanoTime.getAsLong();
        byId.put(id, client);
        unconfirmed.put(rq.owner, client);
        return client;
    }

    private void evictExpired() {
        List.copyOf(byId.values()).stream().filter(this::expired).forEach(this::remove);
    }

    /// A session. A request that fails does not take its sequence number.
    CreatedSession create(SessionRequest rq) {
        Client client = byId.get(rq.client());
        if (client == null) {
            throw new NfsException(Status4.STALE_CLIENTID, "no such client id");
        }
        CreatedSession last = client.lastCreated;
        if (last != null && rq.sequence() == client.createSequence) {
            return last;
        }
        if (rq.sequence() != client.createSequence + 1) {
            throw new NfsException(Status4.SEQ_MISORDERED, "sequence number out of order");
        }
        if (!client.confirmed && !client.principal.equals(rq.principal())) {
            throw new NfsException(Status4.CLID_INUSE, "another principal made the client id");
        }
        if (client.sessions.size() >= limits.maxSessions()) {
            throw new NfsException(NfsStatus.NOSPC, "too many sessions of one client");
        }
        ChannelAttributes fore = negotiate(rq.fore(), limits.maxSlots());
        ChannelAttributes back = negotiate(rq.back(), 1);
        confirm(client);
        SessionId id = new SessionId(client.id(), boot, client.nextSession++);
        Session session = new Session(id, client, fore, rq.callbacks(), nanoTime.getAsLong());
        session.bind(rq.connection());
        enter(session);
        client.createSequence = rq.sequence();
        client.seenNanos = nanoTime.getAsLong();
        client.madeSession = true;
        client.madeSessionNanos = client.seenNanos;
        int flags = rq.sameConnection() ? CONN_BACK_CHAN : 0;
        CreatedSession created = new CreatedSession(id, rq.sequence(), flags, fore, back);
        client.lastCreated = created;
        return created;
    }

    private void enter(Session session) {
        Client client = session.client();
        client.sessions.put(session.id(), session);
        sessions.put(session.id(), session);
        client.version++;
    }

    /// A client that another server knew, with its sessions.
    Client restore(KnownClient known) {
        Client client = byId.get(known.id());
        if (client == null) {
            client =
                    new Client(
                            known.id(),
                            known.owner(),
                            known.verifier(),
                            known.principal(),
                            known.address());
            client.confirmed = true;
            client.createSequence = known.createSequence();
            byId.put(known.id(), client);
            confirmed.put(known.owner(), client);
        }
        client.restored = true;
        client.reclaimComplete = false;
        client.nextSession = Math.max(client.nextSession, known.nextSession());
        client.seenNanos = nanoTime.getAsLong();
        for (KnownClient.KnownSession s : known.sessions()) {
            if (!sessions.containsKey(s.id())) {
                enter(Session.restored(s.id(), client, s.fore(), nanoTime.getAsLong()));
            }
        }
        return client;
    }

    @Nullable Client confirmedOf(ByteString owner) {
        return confirmed.get(owner);
    }

    private ChannelAttributes negotiate(ChannelAttributes asked, int maxSlots) {
        if (Integer.compareUnsigned(asked.maxRequestBytes(), MIN_CHANNEL_BYTES) < 0
                || Integer.compareUnsigned(asked.maxResponseBytes(), MIN_CHANNEL_BYTES) < 0
                || Integer.compareUnsigned(asked.maxOperations(), MIN_OPERATIONS) < 0
                || asked.maxRequests() == 0) {
            throw new NfsException(NfsStatus.TOOSMALL, "channel too small for any request");
        }
        return new ChannelAttributes(
                min(asked.maxRequestBytes(), maxMessageBytes),
                min(asked.maxResponseBytes(), maxMessageBytes),
                min(asked.maxCachedBytes(), limits.maxCachedBytes()),
                min(asked.maxOperations(), MAX_OPERATIONS),
                min(asked.maxRequests(), maxSlots));
    }

    private static int min(int unsigned, int limit) {
        return Integer.compareUnsigned(unsigned, limit) < 0 ? unsigned : limit;
    }

    private void confirm(Client client) {
        if (client.confirmed) {
            return;
        }
        Client before = confirmed.get(client.owner());
        if (before != null) {
            remove(before);
        }
        client.confirmed = true;
        unconfirmed.remove(client.owner(), client);
        confirmed.put(client.owner(), client);
    }

    @Nullable Session findSession(SessionId id) {
        return sessions.get(id);
    }

    /// @throws NfsException BADSESSION
    Session session(SessionId id) {
        Session session = sessions.get(id);
        if (session == null) {
            throw new NfsException(Status4.BADSESSION, "no such session");
        }
        return session;
    }

    void destroySession(SessionId id, long connection, int ownSlot) {
        Session session = session(id);
        if (!session.bound(connection)) {
            throw new NfsException(
                    Status4.CONN_NOT_BOUND_TO_SESSION, "this connection is not the session's");
        }
        if (session.busyBesides(ownSlot)) {
            throw new NfsException(NfsStatus.DELAY, "requests are under way");
        }
        end(session);
    }

    private void end(Session session) {
        sessions.remove(session.id());
        session.client().sessions.remove(session.id());
        session.client().version++;
        close(session);
        onEnd.accept(session);
    }

    private static void close(Session session) {
        BackChannel back = session.back();
        if (back != null) {
            back.close();
        }
    }

    void destroyClient(long id) {
        Client client = byId.get(id);
        if (client == null) {
            throw new NfsException(Status4.STALE_CLIENTID, "no such client id");
        }
        if (!client.sessions.values().stream().allMatch(Session::abandoned)
                || !client.opens.isEmpty()
                || !client.delegations.isEmpty()) {
            throw new NfsException(Status4.CLIENTID_BUSY, "it has sessions or state");
        }
        remove(client);
    }

    @Nullable Client find(long id) {
        return byId.get(id);
    }

    boolean expired(Client client) {
        return nanoTime.getAsLong() - client.seenNanos > leaseNanos();
    }

    private long leaseNanos() {
        return limits.leaseSeconds() * 1_000_000_000L;
    }

    void remove(Client client) {
        if (client.removed) {
            return;
        }
        client.removed = true;
        byId.remove(client.id());
        confirmed.remove(client.owner(), client);
        unconfirmed.remove(client.owner(), client);
        List<Session> ended = List.copyOf(client.sessions.values());
        client.sessions.keySet().forEach(sessions::remove);
        client.sessions.clear();
        ended.forEach(ClientTable::close);
        ended.forEach(onEnd);
        onRemove.accept(client);
    }

    /// Removes clients that have been silent: without state after the lease, with state after the
    /// courtesy time. Ends sessions that their clients have left behind.
    void sweep() {
        long now = nanoTime.getAsLong();
        for (Session session : List.copyOf(sessions.values())) {
            if (now - session.usedNanos > leaseNanos() && session.abandoned()) {
                end(session);
            }
        }
        for (Client client : List.copyOf(byId.values())) {
            client.usage().measure(now);
            boolean stateless =
                    !client.confirmed || (client.opens.isEmpty() && client.delegations.isEmpty());
            long allowed = stateless ? limits.leaseSeconds() : limits.courtesySeconds();
            if (now - client.seenNanos > allowed * 1_000_000_000L) {
                remove(client);
            }
        }
    }

    void disconnected(long connection) {
        sessions.values().forEach(s -> s.unbind(connection));
    }

    List<Client> clients() {
        return new ArrayList<>(confirmed.values());
    }

    int count() {
        return byId.size();
    }

    int sessionCount() {
        return sessions.size();
    }
}
