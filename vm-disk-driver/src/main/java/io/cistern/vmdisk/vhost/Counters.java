package io.cistern.vmdisk.vhost;

import java.util.concurrent.atomic.LongAdder;

/// Counters of one socket over all its connections. Any thread may count.
public final class Counters {
    final LongAdder reads = new LongAdder();
    final LongAdder readBytes = new LongAdder();
    final LongAdder writes = new LongAdder();
    final LongAdder writeBytes = new LongAdder();
    final LongAdder flushes = new LongAdder();
    final LongAdder discards = new LongAdder();
    final LongAdder zeroes = new LongAdder();
    final LongAdder errors = new LongAdder();
    final LongAdder resubmitted = new LongAdder();
    final LongAdder accepted = new LongAdder();
    final LongAdder refused = new LongAdder();
    final LongAdder protocolErrors = new LongAdder();
    final LongAdder stalled = new LongAdder();

    /// @param errors requests answered with an error
    /// @param resubmitted requests that an earlier life of the driver had not answered
    /// @param accepted connections
    /// @param refused connections closed at once since another front end was there
    /// @param protocolErrors connections closed because the front end or its guest broke the rules
    /// @param stalled connections closed because a stopped guest's requests took too long
    public record Snapshot(
            long reads,
            long readBytes,
            long writes,
            long writeBytes,
            long flushes,
            long discards,
            long zeroes,
            long errors,
            long resubmitted,
            long accepted,
            long refused,
            long protocolErrors,
            long stalled) {}

    Snapshot snapshot() {
        return new Snapshot(
                reads.sum(),
                readBytes.sum(),
                writes.sum(),
                writeBytes.sum(),
                flushes.sum(),
                discards.sum(),
                zeroes.sum(),
                errors.sum(),
                resubmitted.sum(),
                accepted.sum(),
                refused.sum(),
                protocolErrors.sum(),
                stalled.sum());
    }

    void count(Job job) {
        switch (job.type) {
            case Job.IN -> {
                reads.increment();
                readBytes.add(Math.max(0, job.dataBytes));
            }
            case Job.OUT -> {
                writes.increment();
                writeBytes.add(Math.max(0, job.dataBytes));
            }
            case Job.FLUSH -> flushes.increment();
            case Job.DISCARD -> discards.increment();
            case Job.WRITE_ZEROES -> zeroes.increment();
            default -> {}
        }
        if (job.status != Job.OK) {
            errors.increment();
        }
    }
}
