package io.cistern.raft.ratis;

import java.time.Duration;
import java.util.Collection;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// How far a leader sends its log to a witness.
///
/// A witness answers sooner than a replica that has data to write. If it were given entries at
/// once, it would make majorities with the leader, and what is acknowledged would be on the
/// leader's disk alone for a moment, always: lose the leader then, and the other replica, which
/// lacks the entry, is rightly refused by the witness, so the group stands still until the leader
/// is back. So the witness is *held* at what another replica with data has acknowledged. Then every
/// acknowledged entry is on two disks, and either of them can lead with the witness's vote.
///
/// While no other replica with data keeps up, the witness stands in: it is sent everything.
///
/// ```
/// standing in --another answers and is within NEAR_ENTRIES of the log's end--> held
/// held --silent or unreachable, or no progress with entries waiting, for long--> standing in
/// ```
///
/// A leader begins standing in, since it has not heard from anybody. Nothing here is needed for
/// safety: any majority holds a replica with data. Confined to one thread, where nothing else is
/// said.
final class WitnessGate {
    private static final Logger LOG = LoggerFactory.getLogger(WitnessGate.class);

    /// A replica that lacks no more catches up in a moment, for which writes may wait.
    static final long NEAR_ENTRIES = 256;

    /// A connection that broke is made anew sooner than this, if there is somebody.
    private static final long BROKEN_NANOS = TimeUnit.MILLISECONDS.toNanos(200);

    /// Once it stands in, at least so long: a replica that comes and goes holds up writes less.
    private static final long STAND_IN_NANOS = TimeUnit.SECONDS.toNanos(1);

    private final String name;
    private final long patienceNanos;
    private boolean held;
    private volatile boolean standsIn = true;

    /// Index up to which the witness had been sent the log when it was held.
    private long owed = -1;

    private long standingInUntil;
    private long waitingSince;
    private boolean waiting;
    private long lastMatched = -1;

    /// Another replica with data, as its leader knows it.
    interface Mirror {
        /// Index up to which it has acknowledged the log.
        long matched();

        /// When its last answer came, by [System#nanoTime]; null before the first.
        @Nullable Long heardAt();

        /// Since when requests to it fail, by [System#nanoTime]; null while they do not.
        @Nullable Long failingSince();
    }

    /// @param name of the witness's appender, for messages
    /// @param patience how long a mirror may be silent, or stand still while entries wait
    /// @param now [System#nanoTime]
    WitnessGate(String name, Duration patience, long now) {
        this.name = name;
        this.patienceNanos = patience.toNanos();
        this.standingInUntil = now;
    }

    /// The index up to which the witness may be sent the log now.
    ///
    /// @param mirrors voters with data beside the leader
    /// @param end index of the leader's last entry
    long limit(Collection<? extends Mirror> mirrors, long end, long now) {
        long matched = -1;
        boolean present = false;
        for (Mirror mirror : mirrors) {
            if (isPresent(mirror, now)) {
                present = true;
                matched = Math.max(matched, mirror.matched());
            }
        }
        if (mirrors.isEmpty()) {
            standsIn = true;
            return Long.MAX_VALUE;
        }
        if (held) {
            if (!present || standsStill(matched, end, now)) {
                standIn(now);
            }
        } else if (present && end - matched <= NEAR_ENTRIES && now - standingInUntil >= 0) {
            held = true;
            owed = end;
            waiting = false;
            LOG.info("{}: another replica with data keeps up, the witness is held at it", name);
        }
        standsIn = !held || matched < owed;
        return held ? matched : Long.MAX_VALUE;
    }

    /// Whether the witness may have acknowledged what no mirror has. Any thread.
    boolean standsIn() {
        return standsIn;
    }

    private void standIn(long now) {
        held = false;
        standingInUntil = now + STAND_IN_NANOS;
        LOG.warn(
                "{}: no other replica with data keeps up, the witness stands in: what is written now"
                        + " is on one disk until one does",
                name);
    }

    private boolean isPresent(Mirror mirror, long now) {
        Long heard = mirror.heardAt();
        Long failing = mirror.failingSince();
        return heard != null
                && now - heard <= patienceNanos
                && (failing == null || now - failing <= BROKEN_NANOS);
    }

    private boolean standsStill(long matched, long end, long now) {
        if (matched >= end) {
            waiting = false;
        } else if (!waiting || matched != lastMatched) {
            waiting = true;
            waitingSince = now;
        }
        lastMatched = matched;
        return waiting && now - waitingSince > patienceNanos;
    }
}
