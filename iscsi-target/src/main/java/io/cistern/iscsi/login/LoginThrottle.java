package io.cistern.iscsi.login;

import java.net.InetAddress;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/// Slows down guessing: after three failed authentications in a row an address has to wait before
/// it may try again, twice as long after each further one. Any thread.
public final class LoginThrottle {
    private static final int FREE_FAILURES = 3;
    private static final long FIRST_WAIT_NANOS = 500_000_000L;
    private static final int MAX_DOUBLINGS = 7;
    private static final long FORGET_NANOS = 600_000_000_000L;
    private static final int MAX_ADDRESSES = 4_096;

    private record Failures(int count, long last) {}

    private final LongSupplier nanoClock;

    /// Oldest failure first. Guarded by this.
    private final LinkedHashMap<InetAddress, Failures> failures = new LinkedHashMap<>();

    /// @param nanoClock `System::nanoTime`, or another for tests
    public LoginThrottle(LongSupplier nanoClock) {
        this.nanoClock = nanoClock;
    }

    /// How long the address must wait before it may authenticate, in milliseconds; 0: not at all.
    public synchronized long waitMillis(InetAddress address) {
        Failures known = failures.get(address);
        if (known == null || known.count < FREE_FAILURES) {
            return 0;
        }
        int doublings = Math.min(known.count - FREE_FAILURES, MAX_DOUBLINGS);
        long left = known.last + (FIRST_WAIT_NANOS << doublings) - nanoClock.getAsLong();
        return left <= 0 ? 0 : left / 1_000_000 + 1;
    }

    public synchronized void failed(InetAddress address) {
        long now = nanoClock.getAsLong();
        @Nullable Failures known = failures.remove(address);
        int before = known == null || now - known.last > FORGET_NANOS ? 0 : known.count;
        failures.put(address, new Failures(before + 1, now));
        if (failures.size() > MAX_ADDRESSES) {
            Map.Entry<InetAddress, Failures> oldest = failures.entrySet().iterator().next();
            failures.remove(oldest.getKey());
        }
    }

    public synchronized void succeeded(InetAddress address) {
        failures.remove(address);
    }
}
