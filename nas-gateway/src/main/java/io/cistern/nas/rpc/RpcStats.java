package io.cistern.nas.rpc;

import java.util.concurrent.atomic.LongAdder;

/// Counters of an RPC server. Any thread.
public final class RpcStats {
    final LongAdder calls = new LongAdder();
    final LongAdder receivedBytes = new LongAdder();
    final LongAdder sentBytes = new LongAdder();
    final LongAdder malformed = new LongAdder();
    final LongAdder refused = new LongAdder();
    final LongAdder failed = new LongAdder();
    final LongAdder accepted = new LongAdder();
    final LongAdder throttled = new LongAdder();
    final LongAdder saturated = new LongAdder();
    final LongAdder callbacks = new LongAdder();

    /// @param malformed calls whose bytes did not decode
    /// @param refused calls with an RPC error for an answer
    /// @param failed calls that an unexpected error ended
    /// @param throttled times that reading from a connection was suspended
    /// @param saturated times that a call waited because of all connections together
    /// @param callbacks calls to clients
    public record Snapshot(
            long calls,
            long receivedBytes,
            long sentBytes,
            long malformed,
            long refused,
            long failed,
            long accepted,
            long throttled,
            long saturated,
            long callbacks) {}

    public Snapshot snapshot() {
        return new Snapshot(
                calls.sum(),
                receivedBytes.sum(),
                sentBytes.sum(),
                malformed.sum(),
                refused.sum(),
                failed.sum(),
                accepted.sum(),
                throttled.sum(),
                saturated.sum(),
                callbacks.sum());
    }
}
