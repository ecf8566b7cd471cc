package io.cistern.nas.state;

import io.cistern.block.fs.ByteString;
import java.util.HashSet;
import java.util.Set;

/// The time after a change of a share's owner in which only what clients had before is given out
/// (RFC 8881 section 8.4.2). It ends when every client known to have had state has said that it is
/// done, or with its time. Guarded by [NfsState].
final class Grace {
    private final long endNanos;
    private final Set<ByteString> known;
    private final Set<ByteString> waiting;
    private boolean over;

    Grace(Set<ByteString> known, long endNanos) {
        this.known = Set.copyOf(known);
        this.waiting = new HashSet<>(known);
        this.endNanos = endNanos;
        this.over = known.isEmpty();
    }

    boolean active(long nowNanos) {
        if (!over && (waiting.isEmpty() || nowNanos - endNanos >= 0)) {
            over = true;
        }
        return !over;
    }

    boolean knows(ByteString owner) {
        return known.contains(owner);
    }

    /// Owners that have not said that they are done.
    Set<ByteString> waiting() {
        return Set.copyOf(waiting);
    }

    void done(ByteString owner) {
        waiting.remove(owner);
    }
}
