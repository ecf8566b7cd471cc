package io.cistern.raft.ratis;

import java.util.ArrayDeque;

/// What a follower has taken into its log and not yet applied, though it may. Ratis holds all of it
/// in memory, so a follower that catches up, and takes entries faster than it applies them, must
/// slow its leader down. Safe for any thread.
final class Backlog {
    private record Append(long last, long bytes) {}

    private final ArrayDeque<Append> appends = new ArrayDeque<>();

    /// Entries `first` to `last` have arrived; what was there from `first` on is replaced.
    synchronized void add(long first, long last, long bytes) {
        while (!appends.isEmpty() && appends.getLast().last >= first) {
            appends.removeLast();
        }
        appends.addLast(new Append(last, bytes));
    }

    /// Bytes behind `applied`, up to `committed`: what is not committed waits for the leader, and
    /// must not make it wait.
    synchronized long bytes(long applied, long committed) {
        while (!appends.isEmpty() && appends.getFirst().last <= applied) {
            appends.removeFirst();
        }
        long bytes = 0;
        for (Append append : appends) {
            if (append.last > committed) {
                break;
            }
            bytes += append.bytes;
        }
        return bytes;
    }
}
