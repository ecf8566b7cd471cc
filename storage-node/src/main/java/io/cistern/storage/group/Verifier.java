package io.cistern.storage.group;

import static io.cistern.block.BlockDevice.BLOCK_BYTES;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.raft.Peer;
import io.cistern.storage.CorruptBlocksException;
import io.cistern.storage.GranuleData;
import io.cistern.storage.Slots;
import io.cistern.storage.View;
import io.cistern.storage.VolumeState;
import java.util.ArrayList;
import java.util.List;

/// Compares what the replicas of a group hold, granule by granule, as users see it.
///
/// Every block is read and its checksum verified on each replica; what is compared is a digest of
/// which blocks hold data and of their checksums. Where digests differ because one replica is a
/// little ahead, both are asked again until they have applied the same; a difference that stays is
/// reported.
public final class Verifier {
    /// Granules in one question: 4 MiB of data to read.
    static final int PAGE = 64;

    private static final int MAX_RETRIES = 50;
    private static final int MAX_REPORTED = 100;

    private static final long FNV_START = 0xcbf29ce484222325L;
    private static final long FNV_PRIME = 0x100000001b3L;

    private final ReplicaParts parts;
    private final BlockRepair repair;

    /// @param volume where the difference is
    /// @param snapshot empty for the head
    /// @param offset of the granule in it, in bytes
    /// @param replicas the two that differ
    public record Difference(long volume, String snapshot, long offset, String replicas) {}

    /// @param bytes compared, as users see them
    /// @param differences at most 100
    /// @param missing members that could not be asked
    public record Report(long bytes, List<Difference> differences, List<String> missing) {}

    Verifier(ReplicaParts parts, BlockRepair repair) {
        this.parts = parts;
        this.repair = repair;
    }

    /// This replica's digests of `request`'s granules. Blocks on the disk, and on the network where
    /// something is damaged.
    WirePeer.Digests digests(WirePeer.DigestRequest request) {
        long[] digests = new long[request.count()];
        long newest = 0;
        for (int i = 0; i < digests.length; i++) {
            GranuleData granule = granule(request.view(), request.first() + i);
            digests[i] = digest(granule);
            newest = Math.max(newest, granule.lastIndex());
        }
        return new WirePeer.Digests(parts.machine().visibleIndex(), newest, digests);
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

    /// Compares the volume, snapshots included, on all members. Blocks.
    ///
    /// @throws CisternException NOT_FOUND
    Report verify(long volume) {
        Report report = new Report(0, new ArrayList<>(), new ArrayList<>());
        VolumeState state = parts.volume(volume);
        if (parts.store().isShare(volume)) {
            return verifyShare(report, state);
        }
        long bytes = verify(report, state, "", state.sizeBytes());
        for (VolumeState.Snapshot snapshot : state.snapshots()) {
            bytes += verify(report, state, snapshot.name(), snapshot.sizeBytes());
        }
        return new Report(bytes, report.differences, report.missing);
    }

    /// A share's data lies far apart: only where there is any on this replica is it compared.
    private Report verifyShare(Report report, VolumeState state) {
        List<String> names = new ArrayList<>();
        names.add("");
        state.snapshots().forEach(s -> names.add(s.name()));
        long bytes = 0;
        for (String name : names) {
            View view = view(state.volume(), name);
            long first = parts.store().nextGranule(view, 0);
            while (first != Long.MAX_VALUE) {
                compareAll(report, new Place(state.volume(), name, first, PAGE));
                bytes += (long) PAGE * Slots.SLOT_BYTES;
                first = parts.store().nextGranule(view(state.volume(), name), first + PAGE);
            }
        }
        return new Report(bytes, report.differences, report.missing);
    }

    private View view(long volume, String snapshot) {
        return snapshot.isEmpty()
                ? parts.store().headView(volume)
                : parts.store().snapshotView(volume, snapshot);
    }

    private void compareAll(Report report, Place place) {
        for (Peer member : parts.raft().members()) {
            boolean self = member.id().equals(parts.raft().self().id());
            if (!self && !report.missing.contains(member.id())) {
                compare(report, place, member);
            }
        }
    }

    private long verify(Report report, VolumeState volume, String snapshot, long size) {
        long granules = (size + Slots.SLOT_BYTES - 1) / Slots.SLOT_BYTES;
        for (long first = 0; first < granules; first += PAGE) {
            int count = (int) Math.min(PAGE, granules - first);
            compareAll(report, new Place(volume.volume(), snapshot, first, count));
        }
        return granules * Slots.SLOT_BYTES / BLOCK_BYTES * BLOCK_BYTES;
    }

    private record Place(long volume, String snapshot, long first, int count) {}

    private void compare(Report report, Place place, Peer member) {
        for (int attempt = 0; attempt < MAX_RETRIES; attempt++) {
            try {
                View view = view(place.volume, place.snapshot);
                WirePeer.DigestRequest request =
                        new WirePeer.DigestRequest(
                                parts.raft().id(), view, place.first, place.count);
                WirePeer.Digests mine = digests(request);
                WirePeer.Digests theirs =
                        parts.node()
                                .peers()
                                .ask(
                                        member.node(),
                                        Wire.DIGESTS,
                                        request::encode,
                                        WirePeer.Digests::decode);
                List<Long> differing = differing(place, mine, theirs);
                if (differing.isEmpty()) {
                    return;
                }
                if (attempt == MAX_RETRIES - 1 || mine.newest() == theirs.newest()) {
                    differing.forEach(granule -> add(report, place, granule, member));
                    return;
                }
                catchUp(Math.max(mine.newest(), theirs.newest()));
            } catch (CisternException e) {
                if (e.code() != ErrorCode.STALE) {
                    report.missing.add(member.id());
                    return;
                }
            }
        }
        report.missing.add(member.id());
    }

    private static List<Long> differing(
            Place place, WirePeer.Digests mine, WirePeer.Digests theirs) {
        List<Long> differing = new ArrayList<>();
        for (int i = 0; i < place.count; i++) {
            if (i >= theirs.digests().length || mine.digests()[i] != theirs.digests()[i]) {
                differing.add(place.first + i);
            }
        }
        return differing;
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

    /// Gives both replicas the time to apply `index`.
    private void catchUp(long index) {
        NodePeers.await(parts.raft().awaitApplied(index, parts.node().tuning().peerTimeout()));
    }
}
