package io.cistern.iscsi.login;

import java.net.InetAddress;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.LongSupplier;

/// Slows down guessing: after three failed authentications in a row, the next attempts of an
/// address are judged one after the other with a pause before each, longer after each further
/// failure. They are held back and not refused, so that who has the right secret gets in (ADR 79).
/// Any thread.
public final class LoginThrottle {
    private static final int FREE_FAILURES = 3;
    private static final long FIRST_PAUSE_NANOS = 500_000_000L;
    private static final int MAX_DOUBLINGS = 3;
    private static final long MAX_WAIT_NANOS = 10_000_000_000L;
    private static final long FORGET_NANOS = 600_000_000_000L;
    private static final int MAX_ADDRESSES = 4_096;

    /// @param last when the last one failed
    /// @param next before when no further attempt is judged
    private record Failures(int count, long last, long next) {
        long pause() {
            int doublings = Math.min(count - FREE_FAILURES, MAX_DOUBLINGS);
            return doublings < 0 ? 0 : FIRST_PAUSE_NANOS << doublings;
        }
    }

    private final LongSupplier nanoClock;

    /// Oldest failure first. Guarded by this.
    private final LinkedHashMap<InetAddress, Failures> failures = new LinkedHashMap<>();

    /// @param nanoClock `System::nanoTime`, or another for tests
    public LoginThrottle(LongSupplier nanoClock) {
        this.nanoClock = nanoClock;
    }

    /// Gives an attempt of the address its turn.
    ///
    /// @return how long it is to be held back, in milliseconds; -1: too many wait already
    public synchronized long admit(InetAddress address) {
        Failures known = failures.get(address);
        long now = nanoClock.getAsLong();
        if (known == null || now - known.last > FORGET_NANOS || known.pause() == 0) {
            return 0;
        }
        long wait = Math.max(0, known.next - now);
        if (wait > MAX_WAIT_NANOS) {
            return -1;
        }
        failures.put(address, new Failures(known.count, known.last, now + wait + known.pause()));
        return (wait + 999_999) / 1_000_000;
    }

    public synchronized void failed(InetAddress address) {
        long now = nanoClock.getAsLong();
        Failures known = failures.remove(address);
        Failures before =
                known == null || now - known.last > FORGET_NANOS
                        ? new Failures(0, now, now)
                        : known;
        Failures after = new Failures(before.count + 1, now, now);
        long next = now + after.pause();
        // Attempts that were admitted before have their turn before.
        long later = before.next - next > 0 ? before.next : next;
        failures.put(address, new Failures(after.count, now, later));
        if (failures.size() > MAX_ADDRESSES) {
            Map.Entry<InetAddress, Failures> oldest = failures.entrySet().iterator().next();
            failures.remove(oldest.getKey());
        }
    }

    public synchronized void succeeded(InetAddress address) {
        failures.remove(address);
    }
}
