package io.cistern.storage;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.raft.LogPosition;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/// Where a store stands in its log, and what it may do there. Changed under [#lock].
final class StoreState {
    final long group;
    final ReentrantLock lock = new ReentrantLock();
    final Condition entryEnded = lock.newCondition();

    /// The last entry that was applied whole.
    volatile LogPosition applied;

    /// The newest entry of which anything was applied.
    volatile long latestIndex;

    /// Nothing is read before this index is applied; -1 mostly.
    volatile long readableFrom;

    /// What is here is no replica's state.
    volatile boolean importing;

    volatile boolean closed;

    /// Copies being taken.
    int exports;

    StoreState(long group, Header header) {
        this.group = group;
        applied = header.position();
        latestIndex = applied.index();
        importing = header.importing();
        readableFrom = header.readableFrom();
    }

    /// @throws CisternException UNAVAILABLE: nothing may be changed any more. Call with the lock
    ///   held
    void checkOpen() {
        if (closed) {
            throw isClosed();
        }
    }

    CisternException isClosed() {
        return new CisternException(
                ErrorCode.UNAVAILABLE, "the replica of group " + group + " has been closed");
    }

    /// True where no entry is half applied.
    boolean betweenEntries() {
        return latestIndex == applied.index();
    }

    boolean catchingUp() {
        return importing || applied.index() < readableFrom;
    }

    /// Whether rows may come to stand under other keys: a copy that is being taken or completed
    /// would miss them.
    boolean rowsMayMove() {
        return exports == 0 && !catchingUp();
    }

    void checkReadable() {
        if (catchingUp()) {
            throw new CisternException(
                    ErrorCode.STALE,
                    "this replica of group "
                            + group
                            + " is catching up: it has applied "
                            + applied.index()
                            + (importing ? " and is being copied" : " of " + readableFrom));
        }
    }

    /// @param table whose next branch the header tells
    Header header(Table table) {
        return new Header(applied, table.nextBranch, importing, readableFrom);
    }
}
