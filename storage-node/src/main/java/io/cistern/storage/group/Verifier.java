package io.cistern.storage.group;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.raft.GroupId;
import io.cistern.raft.Peer;
import io.cistern.storage.CorruptBlocksException;
import io.cistern.storage.GranuleData;
import io.cistern.storage.Slots;
import io.cistern.storage.View;
import io.cistern.storage.VolumeState;
import java.time.Duration;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Compares what the replicas of a group hold, granule by granule, as users see it.
///
/// Every block is read and its checksum verified on each replica; what is compared is a digest of
/// which blocks hold data and of their checksums. Writes go on meanwhile and replicas apply them at
/// different times, so a digest that differs proves nothing by itself. A granule is reported where
/// the other replica, having applied all that this one's digest shows, has another digest, and this
/// one's is still the same after it has applied all that the other's shows: then neither lacks
/// anything that the other has. That is asked twice, since contents may change and change back.
public final class Verifier {
    private static final Logger log = LoggerFactory.getLogger(Verifier.class);

    /// Granules in one question: 4 MiB of data to read.
    static final int PAGE = 64;

    /// How long a replica may need to apply what another has, or a granule to rest for a moment.
    private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(30);

    /// So long a member that has not answered is not asked again.
    private static final long SILENT_NANOS = TimeUnit.SECONDS.toNanos(10);

    /// How long a member may be about to be opened, or to be replaced by another.
    private static final long CHANGING_NANOS = TimeUnit.SECONDS.toNanos(10);

    private static final int CONFIRMATIONS = 2;
    private static final int MAX_REPORTED = 100;

    private static final long FNV_START = 0xcbf29ce484222325L;
    private static final long FNV_PRIME = 0x100000001b3L;

    private final ReplicaParts parts;
    private final BlockRepair repair;
    private final ReadPath reads;
    private final ConcurrentHashMap<String, Long> silentSince = new ConcurrentHashMap<>();
    private final ConcurrentHashMap<String, Long> changingSince = new ConcurrentHashMap<>();

    /// Why a member need not be asked.
    private enum Absence {
        SILENT("it does not answer", false),
        NOT_OPEN("its node has not opened it", true),
        DAMAGED("it is damaged; a new one takes its place", true),
        COPIED("it is being copied", false);

        final String reason;

        /// It is soon opened, or replaced.
        final boolean passing;

        Absence(String reason, boolean passing) {
            this.reason = reason;
            this.passing = passing;
        }
    }

    /// @param volume where the difference is
    /// @param snapshot empty for the head
    /// @param offset of the granule in it, in bytes
    /// @param replicas the two that differ
    public record Difference(long volume, String snapshot, long offset, String replicas) {}

    /// @param bytes compared, as users see them
    /// @param differences at most 100
    /// @param missing members that could not be asked, and why
    /// @param next granule to go on from; [#DONE]: all has been compared
    public record Report(
            long bytes, List<Difference> differences, Map<String, String> missing, long next) {
        public static final long DONE = Long.MAX_VALUE;
    }

    Verifier(ReplicaParts parts, BlockRepair repair, ReadPath reads) {
        this.parts = parts;
        this.repair = repair;
        this.reads = reads;
    }

    /// Completes once this replica has applied what `request` wants it to, and can be read.
    CompletableFuture<Void> ready(WirePeer.DigestRequest request) {
        return parts.raft()
                .awaitApplied(request.minIndex(), parts.node().tuning().peerTimeout().dividedBy(2))
                .thenRun(this::checkReadable);
    }

    private void checkReadable() {
        if (!reads.readable()) {
            throw reads.notYet();
        }
    }

    /// This replica's digests of `request`'s granules. Blocks on the disk, and on the network where
    /// something is damaged.
    ///
    /// @throws CisternException STALE while it catches up
    WirePeer.Digests digests(WirePeer.DigestRequest request) {
        checkReadable();
        long[] digests = new long[request.count()];
        for (int i = 0; i < digests.length; i++) {
            digests[i] = digest(granule(request.view(), request.first() + i));
        }
        return new WirePeer.Digests(parts.machine().visibleIndex(), digests);
    }

    private GranuleData granule(View view, long granule) {
        for (int attempt = 0; ; attempt++) {
            try {
                return parts.store().readGranule(view, granule);
            } catch (CorruptBlocksException damage) {
                if (attempt >= 3) {
                    throw new CisternException(
                            ErrorCode.CORRUPT, "granule " + granule + " stays damaged", damage);
                }
                repair.repair(damage);
            }
        }
    }

    private static long digest(GranuleData granule) {
        long digest = FNV_START;
        int next = 0;
        for (int block = 0; block < Slots.BLOCKS; block++) {
            boolean present = (granule.present() >> block & 1) != 0;
            int crc = present ? granule.crcs()[next++] : io.cistern.block.Crc32c.ZERO_BLOCK;
            digest = (digest ^ crc) * FNV_PRIME;
        }
        return digest;
    }

    /// Compares all of a volume, snapshots included, on all members. Blocks.
    ///
    /// @throws CisternException NOT_FOUND
    Report verify(long volume) {
        List<String> snapshots = new ArrayList<>();
        snapshots.add("");
        parts.volume(volume).snapshots().forEach(s -> snapshots.add(s.name()));
        long bytes = 0;
        List<Difference> differences = new ArrayList<>();
        Map<String, String> missing = new LinkedHashMap<>();
        for (String snapshot : snapshots) {
            Report part;
            try {
                part = verify(volume, snapshot, 0, ChronoUnit.FOREVER.getDuration());
            } catch (CisternException e) {
                if (e.code() == ErrorCode.NOT_FOUND && gone(new Place(volume, snapshot, 0, 1))) {
                    continue;
                }
                throw e;
            }
            bytes += part.bytes;
            missing.putAll(part.missing);
            part.differences.stream()
                    .limit(MAX_REPORTED - differences.size())
                    .forEach(differences::add);
        }
        return new Report(bytes, differences, missing, Report.DONE);
    }

    /// Compares a volume's head or one of its snapshots on all members, from a granule on, for as
    /// long as `patience` lasts. Blocks.
    ///
    /// Only where there is data on this replica is it compared: most of a thin volume, and of a
    /// share, is empty. What another replica alone has is found by [ReplicaCheck].
    ///
    /// @param snapshot empty for the head
    /// @throws CisternException NOT_FOUND
    Report verify(long volume, String snapshot, long from, Duration patience) {
        List<Difference> differences = new ArrayList<>();
        Map<String, String> missing = new LinkedHashMap<>();
        Report report = new Report(0, differences, missing, Report.DONE);
        view(volume, snapshot); // it is here, and not only at those who asked
        others().forEach(member -> {
            Absence absence = awaitPresent(member);
            if (absence != null) {
                missing.put(member.id(), absence.reason);
            }
        });
        long begun = parts.node().threads().nanoTime();
        long granules = 0;
        long first = nextGranule(volume, snapshot, from);
        while (first != Report.DONE) {
            Place page = new Place(volume, snapshot, first, PAGE);
            compareAll(report, page);
            granules += stored(page);
            first = nextGranule(volume, snapshot, first + PAGE);
            long spent = parts.node().threads().nanoTime() - begun;
            if (patience.compareTo(Duration.ofNanos(spent)) <= 0) {
                break;
            }
        }
        return new Report(granules * Slots.SLOT_BYTES, differences, missing, first);
    }

    /// Granules of a page with data here.
    private long stored(Place page) {
        long stored = 0;
        long granule = page.first;
        while (granule < page.first + page.count) {
            stored++;
            granule = nextGranule(page.volume, page.snapshot, granule + 1);
        }
        return stored;
    }

    /// As [io.cistern.storage.Store#nextGranule]; none where the snapshot was deleted meanwhile.
    private long nextGranule(long volume, String name, long from) {
        try {
            return parts.store().nextGranule(view(volume, name), from);
        } catch (CisternException e) {
            if (e.code() == ErrorCode.NOT_FOUND && gone(new Place(volume, name, from, 1))) {
                return Long.MAX_VALUE;
            }
            throw e;
        }
    }

    private View view(long volume, String snapshot) {
        return snapshot.isEmpty()
                ? parts.store().headView(volume)
                : parts.store().snapshotView(volume, snapshot);
    }

    private void compareAll(Report report, Place place) {
        for (Peer member : others()) {
            if (!report.missing.containsKey(member.id())) {
                compare(report, place, member);
            }
        }
    }

    private List<Peer> others() {
        return parts.raft().dataMembers().stream()
                .filter(member -> !member.id().equals(parts.raft().self().id()))
                .toList();
    }

    /// As [#absent], where a member that is about to be opened, or to be replaced, is given some
    /// time for it, once.
    private @Nullable Absence awaitPresent(Peer member) {
        while (true) {
            Absence absence = absent(member);
            if (absence == null) {
                changingSince.remove(member.id());
                return null;
            }
            if (!absence.passing) {
                return absence;
            }
            if (others().stream().noneMatch(now -> now.id().equals(member.id()))) {
                return null;
            }
            long now = parts.node().threads().nanoTime();
            if (now - changingSince.computeIfAbsent(member.id(), _ -> now) >= CHANGING_NANOS) {
                return absence;
            }
            pause();
        }
    }

    /// Why a member need not be asked: it is waited for neither for as long as a copy takes, nor
    /// once more for each stretch where its node is silent. Null where it can be.
    private @Nullable Absence absent(Peer member) {
        long now = parts.node().threads().nanoTime();
        Long since = silentSince.get(member.id());
        if (since != null && now - since < SILENT_NANOS) {
            return Absence.SILENT;
        }
        try {
            ReplicaStatus status = parts.node().status(parts.raft().id(), member);
            silentSince.remove(member.id());
            if (status == null) {
                return Absence.NOT_OPEN;
            }
            return status.quarantined() != null
                    ? Absence.DAMAGED
                    : status.copy() != null ? Absence.COPIED : null;
        } catch (CisternException silent) {
            silentSince.put(member.id(), parts.node().threads().nanoTime());
            return Absence.SILENT;
        }
    }

    private record Place(long volume, String snapshot, long first, int count) {
        Place single(long granule) {
            return new Place(volume, snapshot, granule, 1);
        }
    }

    private void compare(Report report, Place place, Peer member) {
        try {
            for (long granule : suspects(place, member).keySet()) {
                if (differs(place.single(granule), member)) {
                    add(report, place, granule, member);
                }
            }
        } catch (CisternException e) {
            if (gone(place) || (e.code() == ErrorCode.NOT_FOUND && soonGone(place))) {
                return;
            }
            log.info("verify of {} against {}: {}", place, member.id(), e.getMessage());
            Absence absence = absent(member);
            report.missing.put(
                    member.id(),
                    absence != null
                            ? absence.reason
                            : e.code() == ErrorCode.STALE
                                    ? "it is catching up, or what it holds changes all the time"
                                    : "comparing with it failed");
        }
    }

    /// True if the volume or snapshot was deleted while it was being compared.
    private boolean gone(Place place) {
        VolumeState now = parts.store().volume(place.volume);
        return now == null
                || (!place.snapshot.isEmpty()
                        && now.snapshots().stream()
                                .noneMatch(s -> s.name().equals(place.snapshot)));
    }

    /// As [#gone], where the other replica has applied the deletion and this one may not have yet.
    private boolean soonGone(Place place) {
        long deadline = parts.node().threads().nanoTime() + PATIENCE_NANOS;
        while (!gone(place)) {
            if (parts.node().threads().nanoTime() - deadline >= 0) {
                return false;
            }
            pause();
        }
        return true;
    }

    /// True if the granule differs on both whenever it rests; false as soon as it does not.
    ///
    /// @throws CisternException STALE where it did not rest in time
    private boolean differs(Place granule, Peer member) {
        long deadline = parts.node().threads().nanoTime() + PATIENCE_NANOS;
        int confirmed = 0;
        while (confirmed < CONFIRMATIONS) {
            Map<Long, Boolean> found = suspects(granule, member);
            if (found.isEmpty()) {
                return false;
            }
            confirmed += found.containsValue(true) ? 1 : 0;
            if (parts.node().threads().nanoTime() - deadline >= 0) {
                throw new CisternException(
                        ErrorCode.STALE, "it changes all the time: nothing could be compared");
            }
        }
        return true;
    }

    /// The granules that differ, each with whether it stayed the same here while they were
    /// compared. Tries again for a while where the other replica is behind.
    private Map<Long, Boolean> suspects(Place place, Peer member) {
        long deadline = parts.node().threads().nanoTime() + PATIENCE_NANOS;
        while (true) {
            try {
                return round(place, member);
            } catch (CisternException e) {
                if (e.code() != ErrorCode.STALE
                        || parts.node().threads().nanoTime() - deadline >= 0) {
                    throw e;
                }
                pause();
            }
        }
    }

    private Map<Long, Boolean> round(Place place, Peer member) {
        View view = view(place.volume, place.snapshot);
        GroupId group = parts.raft().id();
        WirePeer.DigestRequest here =
                new WirePeer.DigestRequest(group, view, place.first, place.count, 0);
        WirePeer.Digests before = digests(here);
        WirePeer.DigestRequest there =
                new WirePeer.DigestRequest(group, view, place.first, place.count, before.index());
        WirePeer.Digests theirs =
                parts.node()
                        .ask(member.node(), Wire.DIGESTS, there::encode, WirePeer.Digests::decode);
        if (theirs.digests().length != place.count) {
            throw Wire.malformed(theirs.digests().length + " digests, not " + place.count);
        }
        Map<Long, Boolean> found = new TreeMap<>();
        if (Arrays.equals(before.digests(), theirs.digests())) {
            return found;
        }
        catchUp(theirs.index());
        WirePeer.Digests after = digests(here);
        for (int i = 0; i < place.count; i++) {
            long mine = before.digests()[i];
            if (mine != theirs.digests()[i]) {
                found.put(place.first + i, mine == after.digests()[i]);
            }
        }
        return found;
    }

    private void pause() {
        if (!parts.node().threads().sleep(TimeUnit.MILLISECONDS.toNanos(20))) {
            throw new CisternException(ErrorCode.UNAVAILABLE, "interrupted: the node stops");
        }
    }

    private void add(Report report, Place place, long granule, Peer member) {
        if (report.differences.size() < MAX_REPORTED) {
            report.differences.add(
                    new Difference(
                            place.volume,
                            place.snapshot,
                            granule * Slots.SLOT_BYTES,
                            parts.raft().self().id() + " and " + member.id()));
        }
    }

    /// Gives this replica the time to apply `index`.
    private void catchUp(long index) {
        parts.node()
                .threads()
                .await(parts.raft().awaitApplied(index, parts.node().tuning().peerTimeout()));
    }
}
