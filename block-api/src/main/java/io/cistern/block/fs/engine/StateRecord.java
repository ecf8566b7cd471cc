package io.cistern.block.fs.engine;

import org.jspecify.annotations.Nullable;

/// How much the front end keeps in a share.
///
/// ```
/// totals := version:u8 (1) stateBytes:i64 holds:i64 onceSlots:i64
/// ```
final class StateRecord {
    private static final int VERSION = 1;

    long stateBytes;
    long holds;
    long onceSlots;

    byte[] encode() {
        return new ByteWriter().u8(VERSION).i64(stateBytes).i64(holds).i64(onceSlots).array();
    }

    static StateRecord decode(byte @Nullable [] row) {
        StateRecord record = new StateRecord();
        if (row != null) {
            ByteReader in = ByteReader.row(row, "state record");
            in.version(VERSION);
            record.stateBytes = in.i64();
            record.holds = in.i64();
            record.onceSlots = in.i64();
            in.end();
        }
        return record;
    }
}
