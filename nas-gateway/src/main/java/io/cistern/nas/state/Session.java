package io.cistern.nas.state;

import io.cistern.nas.share.NfsException;
import io.cistern.nas.share.NfsStatus;
import java.util.HashSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// A session with its fore channel's slot table. Any thread.
public final class Session {
    private static final int MAX_CONNECTIONS = 64;

    /// Replies that are kept although the client did not ask for it: small ones, so that most
    /// repetitions are exact.
    private static final int ALWAYS_KEPT_BYTES = 1_024;

    private final SessionId id;
    private final Client client;
    private final ChannelAttributes fore;
    private final Slot[] slots;
    private final Set<Long> connections = new HashSet<>();
    private final @Nullable BackChannel back;
    private int highest;

    /// Another server made it.
    private boolean restored;

    /// When its client last used it.
    volatile long usedNanos;

    /// @param back null: the client is not called back
    Session(
            SessionId id,
            Client client,
            ChannelAttributes fore,
            @Nullable BackChannel back,
            long nowNanos) {
        this.usedNanos = nowNanos;
        this.back = back;
        this.id = id;
        this.client = client;
        this.fore = fore;
        this.slots = new Slot[fore.maxRequests()];
        for (int i = 0; i < slots.length; i++) {
            slots[i] = new Slot();
        }
    }

    /// A session that another server made. Its slots take any sequence number first.
    static Session restored(SessionId id, Client client, ChannelAttributes fore, long nowNanos) {
        Session session = new Session(id, client, fore, null, nowNanos);
        session.restored = true;
        for (Slot slot : session.slots) {
            slot.unknown = true;
        }
        return session;
    }

    public @Nullable BackChannel back() {
        return back;
    }

    /// What changes of names and attributes that come through this session are remembered under,
    /// see [io.cistern.block.fs.Call.OnceId]. Positive, so that NFSv3's are others.
    public long onceClient() {
        long mixed = id.client() * 0x9E37_79B9_7F4A_7C15L ^ id.number() * 0xBF58_476D_1CE4_E5B9L;
        mixed = (mixed ^ mixed >>> 32) * 0x94D0_49BB_1331_11EBL ^ id.boot();
        return mixed >>> 1;
    }

    /// Whether the request in a slot may have been carried out by a server before.
    public synchronized boolean mayRepeat(int slot) {
        return slots[slot].mayRepeat;
    }

    public SessionId id() {
        return id;
    }

    public Client client() {
        return client;
    }

    public ChannelAttributes fore() {
        return fore;
    }

    public int slotCount() {
        return slots.length;
    }

    /// What a SEQUENCE asks for.
    ///
    /// @param slot unsigned, as are the others
    /// @param checksum of the whole request, to tell a repetition from another request
    public record Ask(int sequence, int slot, int highestSlot, int checksum) {
        /// What a share knows the request by in its slot, see [io.cistern.block.fs.Call.OnceId]:
        /// the sequence number's lower half, so that requests that follow each other always differ,
        /// and half a checksum, by which another request under the same number differs from the
        /// first (all but one in 65,536): a server that does not know the slot's last one cannot
        /// refuse it.
        public int onceNumber() {
            return sequence << 16 | (checksum >>> 16 ^ checksum) & 0xffff;
        }
    }

    /// Claims a slot for a request.
    ///
    /// @return null: it is new, and [#finish] must follow; else the first reply, empty where that
    ///   was not kept
    /// @throws NfsException BADSLOT, BAD_HIGH_SLOT, SEQ_MISORDERED, SEQ_FALSE_RETRY; DELAY while
    ///   the first is under way
    public synchronized byte @Nullable [] begin(Ask ask) {
        if (Integer.compareUnsigned(ask.slot, slots.length) >= 0) {
            throw new NfsException(Status4.BADSLOT, "no such slot");
        }
        if (Integer.compareUnsigned(ask.highestSlot, slots.length) >= 0) {
            throw new NfsException(Status4.BAD_HIGH_SLOT, "no such slot");
        }
        Slot slot = slots[ask.slot];
        boolean unknown = slot.unknown && !slot.busy;
        if (!unknown && ask.sequence == slot.sequence && slot.used) {
            return repetition(slot, ask);
        }
        if (!unknown && (ask.sequence != slot.sequence + 1 || slot.busy)) {
            throw new NfsException(Status4.SEQ_MISORDERED, "sequence number out of order");
        }
        slot.sequence = ask.sequence;
        slot.busy = true;
        slot.used = true;
        slot.unknown = false;
        slot.mayRepeat = unknown;
        slot.checksum = ask.checksum;
        slot.reply = null;
        highest = Math.max(highest, ask.slot);
        return null;
    }

    private static byte[] repetition(Slot slot, Ask ask) {
        if (slot.busy) {
            throw new NfsException(NfsStatus.DELAY, "the first one is still under way");
        }
        if (slot.checksum != ask.checksum) {
            throw new NfsException(Status4.SEQ_FALSE_RETRY, "not the request it was before");
        }
        return slot.reply == null ? new byte[0] : slot.reply;
    }

    /// Ends a request.
    ///
    /// @param keep whether the client asked to keep the reply
    public synchronized void finish(int slotNumber, byte[] reply, boolean keep) {
        Slot slot = slots[slotNumber];
        slot.busy = false;
        int limit = Math.min(keep ? fore.maxCachedBytes() : ALWAYS_KEPT_BYTES, reply.length);
        slot.reply = reply.length <= limit ? reply : null;
    }

    /// Whether a reply of that size could be kept in a slot.
    public boolean wouldKeep(int bytes) {
        return bytes <= fore.maxCachedBytes();
    }

    public boolean keepsAnyway(int bytes) {
        return bytes <= ALWAYS_KEPT_BYTES;
    }

    /// Binds a connection; more than a client can need are not remembered.
    public synchronized void bind(long connection) {
        if (connections.size() < MAX_CONNECTIONS) {
            connections.add(connection);
        }
    }

    public synchronized boolean bound(long connection) {
        return connections.contains(connection);
    }

    synchronized void unbind(long connection) {
        connections.remove(connection);
        if (back != null) {
            back.remove(connection);
        }
    }

    public synchronized int connections() {
        return connections.size();
    }

    /// Whether its client has gone over to a session that it made at this server: it came with one
    /// from another server, and has not used it since. Such clients do not destroy it.
    boolean abandoned() {
        if (!restored || busyBesides(-1)) {
            return false;
        }
        return client.madeSession && client.madeSessionNanos - usedNanos > 0;
    }

    /// Whether a request other than in `slot` is under way.
    synchronized boolean busyBesides(int slot) {
        for (int i = 0; i < slots.length; i++) {
            if (i != slot && slots[i].busy) {
                return true;
            }
        }
        return false;
    }
}
