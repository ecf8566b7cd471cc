package io.cistern.vmdisk;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.LongAdder;

/// Counters of one socket over all its connections. Any thread may count.
public final class NbdMetrics {
    final LongAdder reads = new LongAdder();
    final LongAdder readBytes = new LongAdder();
    final LongAdder inlineReads = new LongAdder();
    final LongAdder writes = new LongAdder();
    final LongAdder writeBytes = new LongAdder();
    final LongAdder flushes = new LongAdder();
    final LongAdder trims = new LongAdder();
    final LongAdder zeroes = new LongAdder();
    final LongAdder statusQueries = new LongAdder();
    final LongAdder errors = new LongAdder();
    final LongAdder accepted = new LongAdder();
    final LongAdder refused = new LongAdder();
    final LongAdder protocolErrors = new LongAdder();
    final AtomicInteger connections = new AtomicInteger();

    /// The counters at one moment, since the socket was opened.
    ///
    /// @param inlineReads reads answered without waiting, part of `reads`
    /// @param errors requests answered with an error
    /// @param connections open now
    /// @param accepted connections since the socket was opened
    /// @param refused connections closed at once since too many were open
    /// @param protocolErrors connections closed because the client broke the protocol
    public record Snapshot(
            long reads,
            long readBytes,
            long inlineReads,
            long writes,
            long writeBytes,
            long flushes,
            long trims,
            long zeroes,
            long statusQueries,
            long errors,
            int connections,
            long accepted,
            long refused,
            long protocolErrors) {}

    Snapshot snapshot() {
        return new Snapshot(
                reads.sum(),
                readBytes.sum(),
                inlineReads.sum(),
                writes.sum(),
                writeBytes.sum(),
                flushes.sum(),
                trims.sum(),
                zeroes.sum(),
                statusQueries.sum(),
                errors.sum(),
                connections.get(),
                accepted.sum(),
                refused.sum(),
                protocolErrors.sum());
    }
}
