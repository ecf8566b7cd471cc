package io.cistern.storage;

import java.util.concurrent.atomic.LongAdder;

/// What was written to one disk since it was opened, beside the groups' logs. Any thread.
public final class DiskCounters {
    final LongAdder userBytes = new LongAdder();
    final LongAdder dataBytes = new LongAdder();
    final LongAdder dataSyncs = new LongAdder();
    final LongAdder mapBytes = new LongAdder();
    final LongAdder mapSyncs = new LongAdder();

    DiskCounters() {}

    /// Bytes of users' writes applied to replicas here.
    public long userBytes() {
        return userBytes.sum();
    }

    /// Bytes written to slots: by users' writes, repairs and copies.
    public long dataBytes() {
        return dataBytes.sum();
    }

    /// Syncs of slot files.
    public long dataSyncs() {
        return dataSyncs.sum();
    }

    /// Bytes handed to the block map; what RocksDB makes of them on disk is about as much, and its
    /// compactions come on top.
    public long mapBytes() {
        return mapBytes.sum();
    }

    /// Flushes of the block map and of checkpoint marks.
    public long mapSyncs() {
        return mapSyncs.sum();
    }
}
