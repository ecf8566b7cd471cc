package io.cistern.volume.client;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.storage.VolumeState;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/// Finds and remembers a group's leader, for all devices of one client in that group, and keeps
/// requests that wait for one.
///
/// ```
/// KNOWN --an attempt failed--> SEARCHING --a member says it leads--> KNOWN
/// KNOWN --no answer for a while--> SUSPECT --it answers that it leads--> KNOWN
///                                     '--another says it leads: the old one is reset--> KNOWN
/// KNOWN --no answer for a while from another than the leader: that one is reset--> KNOWN
/// ```
///
/// Searching asks every member at once, in rounds.
final class GroupRoute {
    private static final long FIRST_PAUSE_MILLIS = 10;
    private static final long MAX_PAUSE_MILLIS = 50;

    /// How long to wait for a member's answer before asking it once more.
    private static final long ASK_AGAIN_NANOS = TimeUnit.SECONDS.toNanos(1);

    /// A volume that exists nowhere: a leader answers NOT_FOUND, others NOT_LEADER.
    private static final long NO_VOLUME = 0;

    private final long group;
    private final ClusterMap map;
    private final ScheduledExecutorService timer;
    private final LongSupplier nanoTime;
    private final ConcurrentLinkedQueue<Request> parked = new ConcurrentLinkedQueue<>();

    /// Members asked and not yet answered, with when.
    private final ConcurrentHashMap<Member, Long> asked = new ConcurrentHashMap<>();

    private final CopyOnWriteArrayList<Runnable> leaderListeners = new CopyOnWriteArrayList<>();
    private volatile @Nullable Member leader;

    /// The node of the last leader found.
    private volatile @Nullable String lastLeader;

    // Guarded by this.
    private boolean searching;
    private long pauseMillis = FIRST_PAUSE_MILLIS;
    private long confirmedAtNanos;

    GroupRoute(long group, ClusterMap map, ScheduledExecutorService timer, LongSupplier nanoTime) {
        this.group = group;
        this.map = map;
        this.timer = timer;
        this.nanoTime = nanoTime;
    }

    long group() {
        return group;
    }

    List<Member> members() {
        return map.members(group);
    }

    /// The leader, or null while it is being searched for.
    @Nullable Member leader() {
        return leader;
    }

    /// The node that was found to lead last; it may have ceased to.
    @Nullable String lastLeader() {
        return lastLeader;
    }

    /// Calls `listener` when another node is found to lead.
    AutoCloseable onLeader(Runnable listener) {
        leaderListeners.add(listener);
        return () -> leaderListeners.remove(listener);
    }

    /// The member in this process, or null.
    @Nullable Member local() {
        for (Member member : map.members(group)) {
            if (member.local()) {
                return member;
            }
        }
        return null;
    }

    /// An attempt at `member` failed in a way that may mean it does not lead.
    void failed(Member member) {
        synchronized (this) {
            if (leader == member) {
                leader = null;
            }
            if (leader != null) {
                return;
            }
        }
        search();
    }

    /// `member` has not answered a request for long. Where another one is known to lead, what is
    /// under way to `member` is given up: it may never be answered there. Else looks whether
    /// another one leads; asks it too.
    ///
    /// @param patienceNanos no new look within this time after it last said that it leads
    void suspect(Member member, long patienceNanos) {
        Member known = leader;
        if (known != null && known != member) {
            if (!member.local()) {
                member.reset();
            }
            return;
        }
        synchronized (this) {
            if (leader != member
                    || searching
                    || nanoTime.getAsLong() - confirmedAtNanos < patienceNanos) {
                return;
            }
        }
        search();
    }

    /// Keeps a request until there is a leader, then sends it again.
    void park(Request request) {
        parked.add(request);
        if (leader != null) {
            release();
        } else {
            search();
        }
    }

    /// Starts to look for the leader where none is known.
    void wake() {
        if (leader == null) {
            search();
        }
    }

    private void search() {
        synchronized (this) {
            if (searching) {
                return;
            }
            searching = true;
            pauseMillis = FIRST_PAUSE_MILLIS;
        }
        round();
    }

    private void round() {
        synchronized (this) {
            if (!searching) {
                return;
            }
        }
        for (Member member : map.members(group)) {
            ask(member);
        }
        long pause;
        synchronized (this) {
            pause = pauseMillis;
            pauseMillis = Math.min(MAX_PAUSE_MILLIS, 2 * pauseMillis);
        }
        try {
            timer.schedule(this::round, pause, TimeUnit.MILLISECONDS);
        } catch (java.util.concurrent.RejectedExecutionException closed) {
            fail(new CisternException(ErrorCode.UNAVAILABLE, "the client was closed"));
        }
    }

    private void ask(Member member) {
        long now = nanoTime.getAsLong();
        Long since = asked.get(member);
        if (since != null && now - since < ASK_AGAIN_NANOS) {
            return;
        }
        asked.put(member, now);
        member.group()
                .describe(NO_VOLUME)
                .whenComplete((state, failure) -> {
                    asked.remove(member);
                    if (leads(state, failure)) {
                        found(member);
                    }
                });
    }

    private static boolean leads(@Nullable VolumeState state, @Nullable Throwable failure) {
        return state != null
                || (failure != null && CisternException.of(failure).code() == ErrorCode.NOT_FOUND);
    }

    private void found(Member member) {
        Member before;
        synchronized (this) {
            if (!searching) {
                return;
            }
            searching = false;
            before = leader;
            leader = member;
            confirmedAtNanos = nanoTime.getAsLong();
        }
        if (before != null && before != member) {
            before.reset();
        }
        release();
        if (!member.node().equals(lastLeader)) {
            lastLeader = member.node();
            leaderListeners.forEach(Runnable::run);
        }
    }

    /// Sends what waits, in the order in which it was submitted.
    private void release() {
        List<Request> waiting = new ArrayList<>();
        for (Request r = parked.poll(); r != null; r = parked.poll()) {
            waiting.add(r);
        }
        waiting.sort(Comparator.comparingLong(Request::order));
        for (Request request : waiting) {
            request.resume();
        }
    }

    /// Fails what waits.
    void fail(CisternException reason) {
        for (Request r = parked.poll(); r != null; r = parked.poll()) {
            r.abandon(reason);
        }
    }
}
