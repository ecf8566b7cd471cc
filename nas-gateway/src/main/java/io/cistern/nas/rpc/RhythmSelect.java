package io.cistern.nas.rpc;

import io.netty.channel.SelectStrategy;
import io.netty.util.IntSupplier;
import java.util.function.BooleanSupplier;
import java.util.function.LongSupplier;

/// Looks for the next request for a moment before the event loop goes to sleep, where requests come
/// one on the heels of the other: a client that has one request under way at a time sends the next
/// within some tens of microseconds, and to sleep and be woken takes a good part of that.
///
/// It looks only after a run of short turns (from one time with nothing to do to the next), and a
/// look in vain counts as many of them. So a loop without such clients sleeps at once, and what is
/// lost to one with them is a small part of the time they keep it busy. While other threads carry
/// out calls it does not look either: that would take the processor from them. Between two looks it
/// offers the processor to whoever waits for it.
///
/// One per event loop, used by its thread.
final class RhythmSelect implements SelectStrategy {
    /// A turn up to that is short. It is a request carried out and the client's time until the
    /// next.
    static final long SHORT_NANOS = 120_000;

    /// How long it looks.
    static final long LOOK_NANOS = 60_000;

    /// Short turns before it begins to look, and those that a look in vain takes away.
    static final int RUN = 16;

    private static final int MOST = 2 * RUN;

    private final LongSupplier nanoTime;
    private final BooleanSupplier callsUnderWay;
    private long idleSince;
    private int shortTurns;
    private boolean looking;
    private long lookUntil;

    /// @param callsUnderWay whether other threads carry out calls
    RhythmSelect(LongSupplier nanoTime, BooleanSupplier callsUnderWay) {
        this.nanoTime = nanoTime;
        this.callsUnderWay = callsUnderWay;
        this.idleSince = nanoTime.getAsLong() - SHORT_NANOS;
    }

    @Override
    public int calculateStrategy(IntSupplier selectNow, boolean hasTasks) throws Exception {
        if (hasTasks) {
            return selectNow.get();
        }
        long now = nanoTime.getAsLong();
        if (callsUnderWay.getAsBoolean()) {
            looking = false;
            shortTurns = 0;
            return SELECT;
        }
        if (!looking) {
            boolean quick = now - idleSince <= SHORT_NANOS;
            idleSince = now;
            shortTurns = quick ? Math.min(shortTurns + 1, MOST) : Math.max(shortTurns - RUN, 0);
            if (shortTurns < RUN) {
                return SELECT;
            }
            looking = true;
            lookUntil = now + LOOK_NANOS;
        }
        int ready = selectNow.get();
        if (ready > 0) {
            looking = false;
            return ready;
        }
        if (now - lookUntil >= 0) {
            looking = false;
            shortTurns = Math.max(shortTurns - RUN, 0);
            return SELECT;
        }
        Thread.yield();
        return CONTINUE; // tasks of other threads are seen to in between
    }
}
