package io.cistern.storage.group;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.raft.LogPosition;
import io.cistern.storage.CorruptBlocksException;
import io.cistern.storage.ExportPage;
import io.cistern.storage.FilePage;
import io.cistern.storage.RowExport;
import io.cistern.storage.Store;
import io.cistern.storage.StoreExport;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// The sending side of copies of this replica.
///
/// A copy is a session: a [StoreExport] held open between requests. While a session is open, and
/// some time after, the log is kept from the export's position on, since the receiver replays it
/// from there. A session whose receiver does not ask any more is closed after [#IDLE].
///
/// Methods block on the disk; any thread but an event loop may call them.
final class CopySource {
    /// Most copies at a time.
    static final int MAX_SESSIONS = 4;

    static final Duration IDLE = Duration.ofSeconds(60);

    /// How often a page is read again after damage in it was mended.
    private static final int MAX_MENDS = 16;

    private final Store store;
    private final Supplier<BlockRepair> repair;
    private final NodeParts node;
    private final ConcurrentHashMap<Long, Session> sessions = new ConcurrentHashMap<>();
    private final IoMeter io;
    private final CopyPace pace = new CopyPace();

    private static final class Session {
        final StoreExport export;
        final ByteBuffer table;
        volatile long usedMillis;
        volatile boolean closed;

        Session(StoreExport export, long nowMillis) {
            this.export = export;
            this.table = export.table();
            this.usedMillis = nowMillis;
        }
    }

    /// @param io times what users ask of this replica
    CopySource(Store store, Supplier<BlockRepair> repair, IoMeter io, NodeParts node) {
        this.io = io;
        this.store = store;
        this.repair = repair;
        this.node = node;
    }

    /// How long to wait before the next page is read, see [CopyPace]. Called with every page, and
    /// regularly while there is none.
    long restNanos() {
        boolean copying = sessions.values().stream().anyMatch(s -> !s.closed);
        synchronized (pace) {
            pace.observe(io.latencies(), node.threads().nanoTime(), copying);
            return pace.restNanos();
        }
    }

    WireCopy.Opened open() {
        expire();
        if (sessions.values().stream().filter(s -> !s.closed).count() >= MAX_SESSIONS) {
            throw new CisternException(
                    ErrorCode.UNAVAILABLE,
                    MAX_SESSIONS + " copies of group " + store.group() + " run already; wait");
        }
        Session session = new Session(store.export(), node.clock().millis());
        long id = node.threads().freshId();
        sessions.put(id, session);
        return new WireCopy.Opened(
                id,
                session.export.position(),
                session.table.remaining(),
                store.usage().usedBytes());
    }

    /// The next part of the table.
    ByteBuffer table(long id, long offset) {
        Session session = session(id);
        int length = session.table.remaining();
        if (offset < 0 || offset > length) {
            throw Wire.malformed("byte " + offset + " of a table of " + length);
        }
        int part = (int) Math.min(WireCopy.TABLE_BYTES, length - offset);
        return session.table.slice(session.table.position() + (int) offset, part);
    }

    ExportPage page(WireCopy.PageRequest request) {
        Session session = session(request.session());
        synchronized (session) {
            return mending(() ->
                    live(session)
                            .granules(
                                    request.after(), request.changedSince(), WireCopy.PAGE_BYTES));
        }
    }

    FilePage files(WireCopy.FilesRequest request) {
        Session session = session(request.session());
        synchronized (session) {
            return live(session).files(request.after(), WireCopy.PAGE_BYTES, request.contents());
        }
    }

    List<RowExport> rows(WireCopy.RowsRequest request) {
        Session session = session(request.session());
        synchronized (session) {
            return mending(() -> live(session).rows(request.keys()));
        }
    }

    void close(long id) {
        Session session = sessions.get(id);
        if (session != null) {
            end(session);
        }
    }

    /// Closes what nobody uses; called regularly.
    void expire() {
        long now = node.clock().millis();
        for (var entry : List.copyOf(sessions.entrySet())) {
            Session session = entry.getValue();
            if (now - session.usedMillis > IDLE.toMillis()) {
                sessions.remove(entry.getKey());
                end(session);
            }
        }
    }

    void closeAll() {
        for (Session session : new ArrayList<>(sessions.values())) {
            end(session);
        }
        sessions.clear();
    }

    /// The oldest position from which a receiver still replays, or null.
    @Nullable LogPosition oldest() {
        LogPosition oldest = null;
        if (!sessions.isEmpty()) {
            for (Session session : sessions.values()) {
                LogPosition position = session.export.position();
                if (oldest == null || position.index() < oldest.index()) {
                    oldest = position;
                }
            }
        }
        return oldest;
    }

    private Session session(long id) {
        Session session = sessions.get(id);
        if (session == null || session.closed) {
            throw new CisternException(
                    ErrorCode.NOT_FOUND,
                    "the copy of group " + store.group() + " has ended here; begin again");
        }
        session.usedMillis = node.clock().millis();
        return session;
    }

    private StoreExport live(Session session) {
        if (session.closed) {
            throw new CisternException(ErrorCode.NOT_FOUND, "the copy has ended; begin again");
        }
        return session.export;
    }

    private static void end(Session session) {
        synchronized (session) {
            if (!session.closed) {
                session.closed = true;
                session.export.close();
            }
        }
    }

    private <T> T mending(Supplier<T> step) {
        for (int mends = 0; ; mends++) {
            try {
                return step.get();
            } catch (CorruptBlocksException damage) {
                if (mends >= MAX_MENDS) {
                    throw new CisternException(
                            ErrorCode.CORRUPT,
                            "rows to be copied stay damaged: " + damage.getMessage(),
                            damage);
                }
                repair.get().repair(damage);
            }
        }
    }
}
