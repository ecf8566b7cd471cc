package io.cistern.iscsi.scsi;

import java.util.ArrayDeque;
import java.util.Deque;
import org.jspecify.annotations.Nullable;

/// The unit attention conditions of one nexus, reported in order (SAM-5 5.14). Thread-safe. A reset
/// replaces what was pending; too many become one POWER ON, RESET, OR BUS DEVICE RESET OCCURRED,
/// after which an initiator checks everything anew.
final class UnitAttentions {
    static final int LIMIT = 8;
    private static final int RESET_CODE = 0x29;

    private final Deque<Condition> pending = new ArrayDeque<>();
    private volatile boolean any;

    synchronized void add(Condition condition) {
        if (pending.contains(condition)) {
            return;
        }
        Condition added = condition;
        if (condition.code() == RESET_CODE) {
            pending.clear();
        } else if (pending.size() == LIMIT) {
            pending.clear();
            added = Condition.POWER_ON_RESET_OR_BUS_DEVICE_RESET;
        }
        pending.add(added);
        any = true;
    }

    boolean isEmpty() {
        return !any;
    }

    /// The next to report, which is thereby cleared; null for none.
    @Nullable Condition take() {
        if (!any) {
            return null;
        }
        synchronized (this) {
            Condition next = pending.poll();
            any = !pending.isEmpty();
            return next;
        }
    }
}
