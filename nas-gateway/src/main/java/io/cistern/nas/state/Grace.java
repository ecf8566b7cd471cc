package io.cistern.nas.state;

import io.cistern.block.fs.ByteString;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;

/// The time after a change of a share's owner in which nothing is given out that a client who had
/// state there may have had before (RFC 8881 section 8.4.2). It ends when every client known to
/// have had state has said that it is done, or with its time. Guarded by [NfsState].
final class Grace {
    private final long endNanos;
    private final Map<ByteString, Integer> known;
    private final Map<ByteString, Integer> waiting;
    private boolean over;

    /// @param known clients, and the [Kinds] of state that each may have had
    Grace(Map<ByteString, Integer> known, long endNanos) {
        this.known = Map.copyOf(known);
        this.waiting = new HashMap<>(known);
        this.endNanos = endNanos;
        this.over = known.isEmpty();
    }

    boolean active(long nowNanos) {
        if (!over && (waiting.isEmpty() || nowNanos - endNanos >= 0)) {
            over = true;
        }
        return !over;
    }

    /// What a client may have had; NONE also where it is not known.
    int kindsOf(ByteString owner) {
        return known.getOrDefault(owner, Kinds.NONE);
    }

    /// What those may have had that have not said that they are done.
    int unreclaimed() {
        int kinds = Kinds.NONE;
        for (int one : waiting.values()) {
            kinds |= one;
        }
        return kinds;
    }

    /// Owners that have not said that they are done.
    Set<ByteString> waiting() {
        return Set.copyOf(waiting.keySet());
    }

    void done(ByteString owner) {
        waiting.remove(owner);
    }
}
