package io.cistern.chaos.check;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/// The other checkers: each returns what is wrong, a line each.
public final class Checks {
    private Checks() {}

    /// A counter that was raised by compare and write: every success counts once, whatever was sent
    /// again; what ended in doubt counts once or not at all.
    ///
    /// @param raised values that successful compares found, to be raised by one
    public static List<String> exactlyOnce(List<Long> raised, long unknown, long last) {
        List<String> wrong = new ArrayList<>();
        Map<Long, Integer> times = new HashMap<>();
        raised.forEach(value -> times.merge(value, 1, Integer::sum));
        times.forEach((value, count) -> {
            if (count > 1) {
                wrong.add("the counter was raised from " + value + " " + count + " times");
            }
        });
        if (last < raised.size() || last > raised.size() + unknown) {
            wrong.add(
                    "the counter stands at "
                            + last
                            + " after "
                            + raised.size()
                            + " successes and "
                            + unknown
                            + " unknown outcomes");
        }
        return wrong;
    }

    /// What a snapshot of two places shows. Their one writer writes n to the first, waits for the
    /// answer, and then writes n to the second.
    public record Cut(String snapshot, long first, long second) {}

    /// A write that was sent only after another was answered is never in a snapshot without it.
    public static List<String> cuts(List<Cut> cuts) {
        List<String> wrong = new ArrayList<>();
        for (Cut cut : cuts) {
            if (cut.second > cut.first) {
                wrong.add(
                        "snapshot "
                                + cut.snapshot
                                + " has write "
                                + cut.second
                                + " but only "
                                + cut.first
                                + " of what came before it");
            }
        }
        return wrong;
    }

    /// Bytes of a range after a discard that nothing was written to since.
    public static List<String> zeroes(String where, byte[] bytes) {
        for (int i = 0; i < bytes.length; i++) {
            if (bytes[i] != 0) {
                return List.of(where + " shows " + bytes[i] + " at byte " + i + " after a discard");
            }
        }
        return List.of();
    }

    /// Digests of the same places on each replica, at one index.
    public static List<String> replicasEqual(Map<String, TreeMap<String, Long>> byReplica) {
        List<String> wrong = new ArrayList<>();
        String firstName = null;
        TreeMap<String, Long> first = new TreeMap<>();
        for (Map.Entry<String, TreeMap<String, Long>> e : new TreeMap<>(byReplica).entrySet()) {
            if (firstName == null) {
                firstName = e.getKey();
                first = e.getValue();
                continue;
            }
            TreeMap<String, Long> places = new TreeMap<>(first);
            places.putAll(e.getValue());
            for (String place : places.keySet()) {
                Long here = e.getValue().get(place);
                Long there = first.get(place);
                if (here == null || there == null || !here.equals(there)) {
                    wrong.add(place + " differs between " + firstName + " and " + e.getKey());
                }
            }
        }
        return wrong;
    }

    /// What one replica's books say, with nothing left to collect.
    ///
    /// @param rows bytes of slots that volumes and snapshots account for
    /// @param held bytes of slots the replica says it holds
    /// @param disk bytes of slots its disk has given out
    /// @param reopened the same, counted anew from the map after a restart
    ///
    ///   Between replicas they may differ by some slots: when garbage is collected decides whether
    ///   a zeroed range keeps its slot, and each collects when it likes.
    public record Books(String replica, long rows, long held, long disk, long reopened) {}

    public static List<String> booksEqual(List<Books> all) {
        List<String> wrong = new ArrayList<>();
        for (Books books : all) {
            if (books.rows != books.held
                    || books.held != books.disk
                    || books.disk != books.reopened) {
                wrong.add("the books do not agree: " + books);
            }
        }
        return wrong;
    }

    /// An operation that was open when the faults stopped, or began later.
    public record Stall(String operation, long nanos) {}

    /// Once faults stop, everything goes on within `bound`.
    public static List<String> progress(List<Stall> stalls, long bound) {
        List<String> wrong = new ArrayList<>();
        for (Stall stall : stalls) {
            if (stall.nanos > bound) {
                wrong.add(
                        stall.operation
                                + " took "
                                + stall.nanos / 1_000_000
                                + " ms after the faults had stopped; at most "
                                + bound / 1_000_000
                                + " are allowed");
            }
        }
        return wrong;
    }
}
