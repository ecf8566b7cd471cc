package io.cistern.raft;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.jspecify.annotations.Nullable;

/// What a simulated replica's log and vote are on disk. Outlives the process; a crash takes back
/// what was not synced.
public final class SimJournal {
    /// @param members of a change of membership, else null; then `data` is a [RaftEntry], or empty
    ///   for a new leader's first entry
    record Entry(
            long term,
            byte[] data,
            @Nullable Members members,
            @Nullable Object proposer,
            long call) {
        boolean first() {
            return members == null && data.length == 0;
        }
    }

    record Members(List<Peer> voters, List<Peer> listeners) {
        List<Peer> all() {
            List<Peer> all = new ArrayList<>(voters);
            all.addAll(listeners);
            return List.copyOf(all);
        }
    }

    final String peer;
    long term;
    @Nullable String votedFor;

    /// Index of the first entry held.
    long base;

    /// Term of the entry before it.
    long baseTerm;

    /// Members in force at `base - 1`.
    Members baseMembers;

    final List<Entry> entries = new ArrayList<>();

    /// Entries up to here survive a crash.
    long synced = -1;

    boolean damaged;
    boolean opened;

    SimJournal(String peer, Members first) {
        this.peer = peer;
        this.baseMembers = first;
    }

    long last() {
        return base + entries.size() - 1;
    }

    long lastTerm() {
        return entries.isEmpty() ? baseTerm : entries.getLast().term;
    }

    boolean holds(long index) {
        return index >= base && index <= last();
    }

    Entry get(long index) {
        return entries.get((int) (index - base));
    }

    /// The term at `index`, -1 where it is not known.
    long termAt(long index) {
        if (index == base - 1) {
            return baseTerm;
        }
        return holds(index) ? get(index).term : -1;
    }

    Members members() {
        for (int i = entries.size() - 1; i >= 0; i--) {
            Members members = entries.get(i).members;
            if (members != null) {
                return members;
            }
        }
        return baseMembers;
    }

    void truncate(long from) {
        while (last() >= from) {
            entries.removeLast();
        }
        synced = Math.min(synced, from - 1);
    }

    /// Drops everything up to `position`.
    void purge(LogPosition position) {
        while (!entries.isEmpty() && base <= position.index()) {
            Members members = entries.getFirst().members;
            if (members != null) {
                baseMembers = members;
            }
            entries.removeFirst();
            base++;
        }
        base = Math.max(base, position.index() + 1);
        baseTerm = position.term();
        synced = Math.max(synced, base - 1);
    }

    /// The state was replaced by one that stands at `position`.
    void reset(LogPosition position, Members members) {
        boolean follows = termAt(position.index()) == position.term();
        if (follows) {
            purge(position);
        } else {
            entries.clear();
            base = position.index() + 1;
            baseTerm = position.term();
            baseMembers = members;
            synced = base - 1;
        }
    }

    /// Power is lost: of what was not synced some prefix is there. The entry after it may be torn,
    /// and is cut off when the log is opened.
    ///
    /// @return entries lost
    public int crash(Random random) {
        long unsynced = last() - synced;
        if (unsynced <= 0) {
            return 0;
        }
        int lost = random.nextInt((int) unsynced + 1);
        for (int i = 0; i < lost; i++) {
            entries.removeLast();
        }
        synced = last();
        return lost;
    }

    /// Flips a bit somewhere in the middle: the log cannot be opened any more.
    public void damage() {
        damaged = true;
    }
}
