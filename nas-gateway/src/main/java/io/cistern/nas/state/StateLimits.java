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
/// @param maxTotalOpens opens of all clients
/// @param maxTotalLocks locked ranges of all clients
/// @param maxClientDelegations delegations of one client, those that were revoked included
/// @param maxDelegations delegations of all clients
public record StateLimits(
        int leaseSeconds,
        int courtesySeconds,
        int graceSeconds,
        int maxClients,
        int maxSessions,
        int maxSlots,
        int maxCachedBytes,
        int maxOpens,
        int maxLocks,
        int maxTotalOpens,
        int maxTotalLocks,
        int maxClientDelegations,
        int maxDelegations) {

    public static final StateLimits DEFAULT =
            new StateLimits(
                    30, 86_400, 45, 10_000, 64, 128, 8_192, 100_000, 100_000, 1_000_000, 1_000_000,
                    10_000, 100_000);

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
                maxLocks,
                maxTotalOpens,
                maxTotalLocks,
                maxClientDelegations,
                maxDelegations);
    }
}
