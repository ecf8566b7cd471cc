package io.cistern.raft.ratis;

import java.util.concurrent.TimeUnit;

/// When a follower that is sent no entries is told how far the log is committed: after 2 ms, in
/// which the next append may tell it. Confined to one event loop.
final class CommitNotice {
    private static final long DELAY_NANOS = TimeUnit.MILLISECONDS.toNanos(2);

    private long told = -1;
    private long at;

    /// @param committed index up to which the log is committed
    /// @param behind whether the follower does not know, and nothing is under way to it
    /// @return whether to tell it now; it then counts as told
    boolean isDue(long now, long committed, boolean behind) {
        if (!behind || told >= committed) {
            at = 0;
        } else if (at == 0) {
            at = now + DELAY_NANOS;
        } else if (at - now <= 0) {
            told = committed;
            at = 0;
            return true;
        }
        return false;
    }

    /// When to ask [#isDue] again, or 0.
    long at() {
        return at;
    }
}
