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
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Supplier;
import java.util.function.ToLongFunction;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The sending side of copies of this replica.
///
/// A copy is a session: a [StoreExport] held open between requests. While a session is open the log
/// is kept from the export's position on, since the receiver replays it from there. What ends that:
///
/// - the receiver gave the copy up, or begins a newer one;
/// - it has the whole copy, and the log up to where this replica stood when the copy was complete,
///   which the leader knows;
/// - nothing was heard of the copy for [#IDLE], where none of the above is known.
///
/// Methods block on the disk; any thread but an event loop may call them.
final class CopySource {
    private static final Logger log = LoggerFactory.getLogger(CopySource.class);

    /// Most copies at a time.
    static final int MAX_SESSIONS = 4;

    static final Duration IDLE = Duration.ofSeconds(60);

    /// How often a page is read again after damage in it was mended.
    private static final int MAX_MENDS = 16;

    private final Store store;
    private final Supplier<BlockRepair> repair;
    private final NodeParts node;
    private final ConcurrentHashMap<Long, Session> sessions = new ConcurrentHashMap<>();
    private final ToLongFunction<String> matched;
    private final CopyPaces paces;

    /// Of all pages of all copies.
    private final LongAdder restedNanos = new LongAdder();

    private static final class Session {
        final long restedBefore;
        final String receiver;
        final StoreExport export;
        final ByteBuffer table;
        volatile long usedNanos;
        volatile boolean closed;

        /// The table, which comes last, was handed out up to its end.
        volatile boolean handedOut;

        /// What the receiver is to have of the log before it is free; only once [#closed].
        volatile long wholeAt = Long.MAX_VALUE;

        Session(String receiver, StoreExport export, long nowNanos, long restedNanos) {
            this.restedBefore = restedNanos;
            this.receiver = receiver;
            this.export = export;
            this.table = export.table();
            this.usedNanos = nowNanos;
        }
    }

    /// @param matched up to where the replica on a node has the log, -1 where that is not known
    /// @param io times what users ask of this replica
    CopySource(
            Store store,
            Supplier<BlockRepair> repair,
            ToLongFunction<String> matched,
            IoMeter io,
            NodeParts node) {
        this.matched = matched;
        this.paces = new CopyPaces(io);
        this.store = store;
        this.repair = repair;
        this.node = node;
    }

    /// How long to wait before the next page is read, see [CopyPace].
    long restNanos() {
        long rest = observe();
        restedNanos.add(rest);
        return rest;
    }

    /// Takes a look at users' latencies; called with every page, and regularly while there is none.
    ///
    /// @return the rest before the next page
    long observe() {
        return paces.observe(
                node.threads().nanoTime(), sessions.values().stream().anyMatch(s -> !s.closed));
    }

    /// @param receiver node whose replica copies; it has no other copy of this group under way
    WireCopy.Opened open(String receiver) {
        sessions.forEach((id, session) -> {
            if (session.receiver.equals(receiver)) {
                drop(id, session);
            }
        });
        expire();
        if (sessions.values().stream().filter(s -> !s.closed).count() >= MAX_SESSIONS) {
            throw new CisternException(
                    ErrorCode.UNAVAILABLE,
                    MAX_SESSIONS + " copies of group " + store.group() + " run already; wait");
        }
        Session session =
                new Session(receiver, store.export(), node.threads().nanoTime(), restedNanos.sum());
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
        if (offset + part == length) {
            session.handedOut = true;
        }
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

    /// The receiver has the whole copy, or gives it up.
    void close(long id) {
        Session session = sessions.get(id);
        if (session == null || session.closed) {
            return;
        }
        log.info(
                "the copy of group {} to {} has ended; it made way to users for {} ms",
                store.group(),
                session.receiver,
                TimeUnit.NANOSECONDS.toMillis(restedNanos.sum() - session.restedBefore));
        if (session.handedOut) {
            session.wholeAt = store.applied().index();
            end(session);
        } else {
            drop(id, session);
        }
    }

    /// Closes what nobody uses and forgets what nobody replays from; called regularly.
    void expire() {
        long now = node.threads().nanoTime();
        sessions.forEach((id, session) -> {
            boolean replayed =
                    session.closed && matched.applyAsLong(session.receiver) >= session.wholeAt;
            if (replayed || now - session.usedNanos > IDLE.toNanos()) {
                drop(id, session);
            }
        });
    }

    private void drop(long id, Session session) {
        sessions.remove(id);
        end(session);
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
        session.usedNanos = node.threads().nanoTime();
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
