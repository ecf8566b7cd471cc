package io.cistern.nas.state;

/// What clients may make the server remember.
///
/// @param leaseSeconds a client that is not heard of for that long may lose its state
/// @param courtesySeconds and does so after that long at the latest, also where nobody wants it
/// @param graceSeconds longest time for reclaiming after a change of owner
/// @param maxClients client ids
/// @param maxSessions sessions of one client
/// @param maxSlots requests in flight of one session
/// @param maxCachedBytes longest reply that a slot keeps for a repetition
/// @param maxOpens opens of one client
/// @param maxLocks locked ranges of one client
public record StateLimits(
        int leaseSeconds,
        int courtesySeconds,
        int graceSeconds,
        int maxClients,
        int maxSessions,
        int maxSlots,
        int maxCachedBytes,
        int maxOpens,
        int maxLocks) {

    public static final StateLimits DEFAULT =
            new StateLimits(30, 86_400, 45, 10_000, 64, 128, 8_192, 100_000, 100_000);

    public StateLimits withLease(int seconds, int grace) {
        return new StateLimits(
                seconds,
                Math.max(courtesySeconds, seconds),
                grace,
                maxClients,
                maxSessions,
                maxSlots,
                maxCachedBytes,
                maxOpens,
                maxLocks);
    }
}
