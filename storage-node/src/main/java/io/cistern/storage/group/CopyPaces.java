package io.cistern.storage.group;

import io.cistern.storage.group.VolumeIo.Operation;

/// The pace of copies for those who read and for those who change something, each by what they are
/// used to: a write takes several times as long as a read, so that among writes slow reads would
/// not be seen. Any thread.
final class CopyPaces {
    private final IoMeter io;
    private final CopyPace reads = new CopyPace();
    private final CopyPace changes = new CopyPace();

    /// @param io times what users ask of the replica that is copied
    CopyPaces(IoMeter io) {
        this.io = io;
    }

    /// Takes a look at users' latencies; called with every page, and regularly while there is none.
    ///
    /// @param copying whether a copy is being sent
    /// @return how long the next page rests
    synchronized long observe(long nowNanos, boolean copying) {
        reads.observe(io.latencies(Operation.READ), nowNanos, copying);
        changes.observe(io.latencies(Operation.WRITE, Operation.ZERO), nowNanos, copying);
        return Math.max(reads.restNanos(), changes.restNanos());
    }
}
