package io.cistern.storage.group;

import io.cistern.block.CisternException;
import io.cistern.raft.GroupId;
import io.cistern.raft.Peer;
import io.cistern.storage.StoreCut;
import io.cistern.storage.group.Comparison.Item;
import io.cistern.storage.group.Comparison.Stretch;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.function.BiConsumer;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Compares the replicas of a group ([Comparison]), says where they differ, and has one that
/// differs from a majority copied anew.
///
/// What differs must do so two times running, as of two entries. A replica is copied anew only
/// where more than half of all members agree about everything it has in another way; where there is
/// no such majority, or no member that always belongs to it, nothing is changed. After each repair
/// all is compared again.
public final class ReplicaCheck {
    private static final Logger log = LoggerFactory.getLogger(ReplicaCheck.class);

    private static final int MAX_REPORTED = 100;
    private static final long POLL_NANOS = TimeUnit.MILLISECONDS.toNanos(200);

    /// So long a replica that is copied may be out of sight.
    private static final long SILENT_NANOS = TimeUnit.MINUTES.toNanos(5);

    private final ReplicaParts parts;
    private final Cuts own;
    private final LongSupplier userRequests;
    private final BiConsumer<Long, Long> progress;
    private final Recopy recopy;

    private final List<Difference> differences = new ArrayList<>();
    private final List<String> repairs = new ArrayList<>();

    /// @param volume 0: of none in particular
    /// @param text what differs where, for people
    public record Difference(long volume, String text) {}

    /// @param index the entry behind which everything was compared last
    /// @param bytes of rows compared, of one replica
    /// @param differences at most 100
    /// @param missing members that could not be asked, and why
    /// @param repairs what was done, and what could not be done; one sentence each
    public record Report(
            long index,
            long bytes,
            List<Difference> differences,
            Map<String, String> missing,
            List<String> repairs) {}

    /// Has a replica copied anew.
    interface Recopy {
        /// Returns when it has begun.
        ///
        /// @param sources names of the nodes to copy from, and no other; the first one if it can be
        void begin(Peer replica, List<String> sources, String reason);

        /// @return null where the node does not list it, or does not answer
        @Nullable ReplicaStatus status(Peer replica);
    }

    /// @param progress see [Comparison]
    ReplicaCheck(
            ReplicaParts parts,
            Cuts own,
            LongSupplier userRequests,
            BiConsumer<Long, Long> progress,
            Recopy recopy) {
        this.parts = parts;
        this.own = own;
        this.userRequests = userRequests;
        this.progress = progress;
        this.recopy = recopy;
    }

    /// Blocks.
    ///
    /// @param repair false: only to report
    /// @throws CisternException NOT_LEADER, UNAVAILABLE
    Report run(boolean repair) {
        long bytes = 0;
        int members = parts.raft().dataMembers().size();
        for (int round = 0; ; round++) {
            List<Stretch> first;
            Set<Peer> sound;
            try (Comparison comparison = comparison()) {
                comparison.begin();
                first = comparison.all();
                sound = comparison.sound();
                bytes += comparison.comparedBytes();
                if (first.isEmpty()) {
                    return report(comparison, bytes);
                }
            }
            try (Comparison comparison = comparison()) {
                comparison.begin();
                List<Stretch> confirmed = comparison.again(first);
                if (differences.isEmpty()) {
                    describe(comparison, confirmed);
                }
                Verdict verdict =
                        decide(
                                confirmed,
                                sound,
                                Math.max(members, parts.raft().dataMembers().size()),
                                parts.raft().self());
                if (!repair || round >= members || !begun(comparison, verdict)) {
                    return report(comparison, bytes);
                }
            }
        }
    }

    private Comparison comparison() {
        return new Comparison(parts, own, userRequests, progress);
    }

    private Report report(Comparison comparison, long bytes) {
        return new Report(
                comparison.index(),
                bytes,
                List.copyOf(differences),
                new LinkedHashMap<>(comparison.missing()),
                List.copyOf(repairs));
    }

    // ---- words

    private void describe(Comparison comparison, List<Stretch> stretches) {
        for (Stretch stretch : stretches) {
            for (Item item : comparison.items(stretch, MAX_REPORTED)) {
                if (differences.size() >= MAX_REPORTED) {
                    return;
                }
                StoreCut.Subject subject = comparison.subject(item.key());
                String where =
                        subject.snapshot().isEmpty()
                                ? ""
                                : " of snapshot '" + subject.snapshot() + "'";
                Difference found =
                        new Difference(
                                subject.volume(),
                                subject.what()
                                        + where
                                        + " "
                                        + who(item, stretch.digests().keySet()));
                log.error("group {}: volume {}: {}", group(), found.volume(), found.text());
                differences.add(found);
            }
        }
        if (!stretches.isEmpty() && differences.isEmpty()) {
            differences.add(new Difference(0, "the replicas differ"));
        }
    }

    /// As `is one thing on n0.1 and n1.1, another on n2.1`.
    private static String who(Item item, Set<Peer> compared) {
        Map<Long, List<Peer>> same = new TreeMap<>();
        List<Peer> without = new ArrayList<>();
        for (Peer member : compared) {
            Long digest = item.digests().get(member);
            if (digest == null) {
                without.add(member);
            } else {
                same.computeIfAbsent(digest, d -> new ArrayList<>()).add(member);
            }
        }
        List<List<Peer>> sides = new ArrayList<>(same.values());
        sides.sort((a, b) -> Integer.compare(b.size(), a.size()));
        StringBuilder text = new StringBuilder();
        for (List<Peer> side : sides) {
            text.append(text.isEmpty() ? "is one thing on " : ", another on ");
            text.append(String.join(" and ", Comparison.names(side)));
        }
        if (!without.isEmpty()) {
            text.append(text.isEmpty() ? "is missing on " : ", missing on ");
            text.append(String.join(" and ", Comparison.names(without)));
        }
        return text.toString();
    }

    // ---- repair

    /// @param odd the replica to be copied anew; null where none may be
    /// @param sources whom it may be copied from, the best first
    /// @param why none may be
    record Verdict(@Nullable Peer odd, List<Peer> sources, String why) {
        static Verdict none(String why) {
            return new Verdict(null, List.of(), why);
        }
    }

    /// @param sound those that were with the most wherever anything differed: `stretches` may be
    ///   only the first of it
    /// @param members of the group, asked or not
    static Verdict decide(List<Stretch> stretches, Set<Peer> sound, int members, Peer self) {
        if (stretches.isEmpty()) {
            return Verdict.none("what differed was equal when it was compared again");
        }
        Agreement agreement = new Agreement();
        Set<Peer> asked = new LinkedHashSet<>();
        for (Stretch stretch : stretches) {
            if (2 * Agreement.most(stretch).size() <= members) {
                return Verdict.none(
                        "no majority of the "
                                + members
                                + " replicas agrees: nothing was changed; see"
                                + " docs/howto/disaster.md");
            }
            agreement.add(stretch);
            asked.addAll(stretch.digests().keySet());
        }
        Set<Peer> good = new LinkedHashSet<>(agreement.of(asked));
        good.retainAll(sound);
        if (good.isEmpty()) {
            return Verdict.none(
                    "no replica agrees with the majority everywhere: nothing was changed");
        }
        Peer chosen =
                agreement.odd().stream().filter(m -> !m.equals(self)).findFirst().orElse(self);
        List<Peer> sources = new ArrayList<>(good);
        if (sources.remove(self)) {
            sources.addFirst(self);
        }
        return new Verdict(chosen, sources, "");
    }

    /// True where the replica is as the others again, as far as one can see without comparing.
    private boolean begun(Comparison comparison, Verdict verdict) {
        Peer odd = verdict.odd;
        if (odd == null) {
            log.error("group {}: {}", group(), verdict.why);
            repairs.add(verdict.why);
            return false;
        }
        Peer source = verdict.sources.getFirst();
        comparison.close();
        boolean leads = odd.equals(parts.raft().self());
        String what = odd.id() + " differs from the majority";
        log.error("group {}: {}: copying it anew from {}", group(), what, source.id());
        try {
            if (leads) {
                parts.node()
                        .threads()
                        .await(
                                parts.raft()
                                        .transferLeadership(source.id(), Duration.ofSeconds(10)));
            }
            recopy.begin(odd, verdict.sources.stream().map(Peer::node).toList(), what);
        } catch (CisternException e) {
            repairs.add(what + " and could not be copied anew: " + e.getMessage());
            return false;
        }
        if (leads) {
            repairs.add(
                    what
                            + ": it has handed over the lead and is being copied anew from "
                            + source.id()
                            + "; verify again when that is done");
            return false;
        }
        boolean back = awaitBack(odd);
        repairs.add(
                what
                        + (back ? ": it was copied anew from " : ": it is being copied anew from ")
                        + source.id()
                        + (back ? "" : "; verify again when that is done"));
        return back;
    }

    private boolean awaitBack(Peer replica) {
        long seen = parts.node().threads().nanoTime();
        while (parts.raft().leadership().ready()) {
            ReplicaStatus status = recopy.status(replica);
            if (status != null) {
                seen = parts.node().threads().nanoTime();
                if (status.role() == ReplicaStatus.Role.QUARANTINED) {
                    return false;
                }
                if (status.role() != ReplicaStatus.Role.CATCHING_UP) {
                    return true;
                }
            }
            if (parts.node().threads().nanoTime() - seen > SILENT_NANOS
                    || !parts.node().threads().sleep(POLL_NANOS)) {
                return false;
            }
        }
        return false;
    }

    private GroupId group() {
        return parts.raft().id();
    }
}
