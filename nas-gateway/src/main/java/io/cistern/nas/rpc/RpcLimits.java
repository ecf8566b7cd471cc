package io.cistern.nas.rpc;

/// What one peer, and all peers together, may make the server hold.
///
/// @param maxRecordBytes a call's longest record; a longer one ends the connection
/// @param maxFragments fragments of one record; more end the connection
/// @param maxInFlight calls of one connection under way at once; further ones wait in the socket
/// @param budgetBytes calls and unsent replies of one connection; above it, nothing more is read
/// @param maxTotalInFlight calls of all connections under way at once; further ones wait in their
///   sockets
/// @param totalBudgetBytes arguments of all calls under way; above it, nothing more is read
/// @param maxConnections further ones are closed at once
/// @param idleSeconds a connection without traffic is closed after that
public record RpcLimits(
        int maxRecordBytes,
        int maxFragments,
        int maxInFlight,
        int budgetBytes,
        int maxTotalInFlight,
        long totalBudgetBytes,
        int maxConnections,
        int idleSeconds) {

    public static final RpcLimits DEFAULT =
            new RpcLimits(
                    (1 << 20) + (64 << 10), 1_024, 128, 16 << 20, 2_048, 128L << 20, 4_096, 1_800);

    public RpcLimits {
        if (maxRecordBytes < 1_024
                || maxFragments < 1
                || maxInFlight < 1
                || budgetBytes < maxRecordBytes
                || maxTotalInFlight < 1
                || totalBudgetBytes < maxRecordBytes
                || maxConnections < 1
                || idleSeconds < 1) {
            throw new IllegalArgumentException("limits out of range");
        }
    }
}
