package io.cistern.storage.group;

import io.cistern.storage.Usage;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;

/// Decides on the leader whether a write that takes new slots may be proposed, so that applying it
/// meets a full disk on no member.
///
/// Each member reports the space on its disk and the log index this belongs to. The leader charges
/// to a report what its own replica has taken since that index (replicas of a group take the same
/// slots), and what it has proposed and not yet applied. The least of what remains, less
/// [#RESERVE_PERCENT] of that member's disk, may still be taken. A member that has fallen silent
/// counts with its last report: while it was away it took nothing, and it will have to take what
/// the others took.
///
/// Any thread may call any method.
final class SpaceGuard {
    /// Kept free for what must go on in a full pool: overwrites after a snapshot is deleted,
    /// replay, and other groups' writes that the members have not reported yet.
    static final int RESERVE_PERCENT = 5;

    /// Own samples kept to charge old reports by; beyond, the oldest one serves.
    static final int MAX_SAMPLES = 512;

    private final Map<String, Usage> reports = new ConcurrentHashMap<>();
    private final TreeMap<Long, Long> usedAtIndex = new TreeMap<>();
    private final AtomicLong inFlight = new AtomicLong();

    /// What could be taken when this replica held `used` bytes.
    private volatile Headroom headroom = new Headroom(Long.MAX_VALUE, 0);

    private record Headroom(long bytes, long usedThen) {}

    /// Takes a member's report, its own included.
    void report(String peerId, Usage usage) {
        reports.put(peerId, usage);
    }

    /// Forgets everyone else.
    void members(Set<String> peerIds) {
        reports.keySet().retainAll(peerIds);
    }

    /// By peer id, how many entries each member had not applied that this replica had, at its last
    /// report.
    Map<String, Long> behind(long applied) {
        Map<String, Long> behind = new TreeMap<>();
        reports.forEach(
                (peer, usage) -> behind.put(peer, Math.max(0, applied - usage.appliedIndex())));
        return behind;
    }

    /// Works out the headroom anew; called with every report and at least once a second.
    ///
    /// @param own what this replica uses now
    synchronized void update(Usage own) {
        usedAtIndex.put(own.appliedIndex(), own.usedBytes());
        while (usedAtIndex.size() > MAX_SAMPLES) {
            usedAtIndex.pollFirstEntry();
        }
        long least = remaining(own, 0);
        for (Usage member : reports.values()) {
            // A member with less garbage than this replica had then has less to give back, too.
            long then = Math.min(usedAt(member.appliedIndex()), member.usedBytes());
            long taken = own.usedBytes() - then;
            least = Math.min(least, remaining(member, Math.max(0, taken)));
        }
        headroom = new Headroom(least, own.usedBytes());
    }

    /// Bytes of new slots that may be taken now by a replica that holds `usedNow` bytes.
    long available(long usedNow) {
        Headroom h = headroom;
        return h.bytes - Math.max(0, usedNow - h.usedThen) - inFlight.get();
    }

    /// Sets `bytes` aside if they are available.
    boolean reserve(long bytes, long usedNow) {
        inFlight.addAndGet(bytes);
        if (available(usedNow) >= 0) {
            return true;
        }
        inFlight.addAndGet(-bytes);
        return false;
    }

    /// Gives back what [#reserve] set aside: the write is applied (and then counted as used) or has
    /// failed.
    void release(long bytes) {
        inFlight.addAndGet(-bytes);
    }

    private static long remaining(Usage usage, long taken) {
        return usage.freeBytes() - taken - usage.diskBytes() / 100 * RESERVE_PERCENT;
    }

    /// What this replica used at the last sample not after `index`, or at its first one.
    private long usedAt(long index) {
        Map.Entry<Long, Long> sample = usedAtIndex.floorEntry(index);
        return (sample == null ? usedAtIndex.firstEntry() : sample).getValue();
    }
}
