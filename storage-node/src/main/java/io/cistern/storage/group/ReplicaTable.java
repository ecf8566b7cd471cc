package io.cistern.storage.group;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.raft.GroupId;
import io.cistern.storage.Disk;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.BiConsumer;
import org.jspecify.annotations.Nullable;

/// Which replicas a node has. Opening, closing, deleting and copying anew take time, and come from
/// several threads: who means to do one of them takes its [Turn] first, and until it has ended
/// nobody else may. A turn is closed on every way out of what it is for, so that a group whose
/// change has failed, however, can be changed again.
///
/// ```
/// nothing, OPEN or QUARANTINED --begin--> CHANGING --end--> nothing, OPEN or QUARANTINED
///                                             '----close--> nothing
/// ```
final class ReplicaTable {
    private final ConcurrentHashMap<GroupId, Entry> entries = new ConcurrentHashMap<>();

    /// What there is of a group.
    sealed interface Entry {}

    record Open(Replica replica) implements Entry {}

    /// A replica out of use, and the disk it is on.
    record Quarantined(String peer, Disk disk, String reason) implements Entry {}

    /// Somebody is changing what there is. For one thread at a time.
    final class Turn implements Entry, AutoCloseable {
        private final GroupId id;
        private final @Nullable Entry before;
        private final String what;
        private boolean ended;

        private Turn(GroupId id, @Nullable Entry before, String what) {
            this.id = id;
            this.before = before;
            this.what = what;
        }

        GroupId id() {
            return id;
        }

        /// The replica that was open when the turn began.
        @Nullable Replica replica() {
            return before instanceof Open open ? open.replica : null;
        }

        /// @param now what there is from now on
        void end(Entry now) {
            over(entries.replace(id, this, now));
        }

        /// Where it has not ended there is nothing from now on.
        @Override
        public void close() {
            if (!ended) {
                over(entries.remove(id, this));
            }
        }

        private void over(boolean changed) {
            ended = true;
            if (!changed) {
                throw new IllegalStateException(
                        "the change of group " + id + " (" + what + ") has ended before");
            }
        }
    }

    /// The replica, if it is open.
    @Nullable Replica get(GroupId id) {
        return entries.get(id) instanceof Open open ? open.replica : null;
    }

    List<Replica> open() {
        List<Replica> open = new ArrayList<>();
        entries.forEach((id, entry) -> {
            if (entry instanceof Open o) {
                open.add(o.replica);
            }
        });
        return open;
    }

    List<GroupId> groups() {
        return List.copyOf(entries.keySet());
    }

    void forEach(BiConsumer<GroupId, Entry> action) {
        entries.forEach(action);
    }

    /// Begins to change whatever there is.
    ///
    /// @param what is happening, as `deleted`
    /// @throws CisternException BUSY: somebody else is at it
    Turn begin(GroupId id, String what) {
        while (true) {
            Entry before = entries.get(id);
            if (before instanceof Turn turn) {
                throw new CisternException(
                        ErrorCode.BUSY,
                        "the replica of group " + id + " is being " + turn.what + ": try again");
            }
            Turn turn = new Turn(id, before, what);
            if (before == null
                    ? entries.putIfAbsent(id, turn) == null
                    : entries.replace(id, before, turn)) {
                return turn;
            }
        }
    }

    /// As the other one, where just this replica is open; else null.
    @Nullable Turn begin(Replica replica, String what) {
        Open open = new Open(replica);
        Turn turn = new Turn(replica.id(), open, what);
        return entries.replace(replica.id(), open, turn) ? turn : null;
    }
}
