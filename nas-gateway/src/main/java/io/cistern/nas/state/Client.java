package io.cistern.nas.state;

import io.cistern.block.fs.ByteString;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// A client id's record (RFC 8881 section 2.4). Guarded by [NfsState], but for what is final.
public final class Client {
    private final long id;
    private final ByteString owner;
    final long verifier;
    final Principal principal;
    final String address;

    boolean confirmed;
    boolean removed;
    boolean reclaimComplete;
    int createSequence;
    @Nullable CreatedSession lastCreated;
    volatile long seenNanos;
    int nextSession = 1;
    int lockedRanges;
    private final Usage usage = new Usage();
    final Map<SessionId, Session> sessions = new LinkedHashMap<>();
    final Set<OpenState> opens = new HashSet<>();
    final Set<Delegation> delegations = new HashSet<>();
    final Set<Delegation> revoked = new HashSet<>();

    /// Whether it has made a session at this server, and when it last did.
    boolean madeSession;

    long madeSessionNanos;

    /// It came with a share from the share's owner before: it has to reclaim what it had there.
    boolean restored;

    /// Changes whenever what is recorded of the client does.
    int version = 1;

    /// Shares in whose state area this client is known, so that it may reclaim there, and as what.
    final Map<Long, Recorded> recordedIn = new HashMap<>();

    /// @param version of the client
    /// @param kinds [Kinds] of state that it may have there; NONE where it only made changes
    /// @param usedNanos when all of these kinds were in use
    record Recorded(int version, int kinds, long usedNanos) {}

    Client(long id, ByteString owner, long verifier, Principal principal, String address) {
        this.id = id;
        this.owner = owner;
        this.verifier = verifier;
        this.principal = principal;
        this.address = address;
    }

    /// Whether it has sessions or state.
    boolean inUse() {
        return !sessions.isEmpty() || !opens.isEmpty() || !delegations.isEmpty();
    }

    public long id() {
        return id;
    }

    public ByteString owner() {
        return owner;
    }

    public Usage usage() {
        return usage;
    }

    public String address() {
        return address;
    }

    /// What CREATE_SESSION answered.
    public record CreatedSession(
            SessionId id,
            int sequence,
            int flags,
            ChannelAttributes fore,
            ChannelAttributes back) {}
}
