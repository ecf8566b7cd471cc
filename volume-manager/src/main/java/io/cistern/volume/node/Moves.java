package io.cistern.volume.node;

import io.cistern.volume.system.SystemState;
import io.cistern.volume.system.SystemState.Role;

/// How many replicas may begin to move in one step of the system leader: a few in the whole cluster
/// at a time, those that make good a loss before all others.
final class Moves {
    /// Replicas of data groups on their way at a time.
    static final int MOST = 2;

    private int free;
    private final boolean lossesOnly;

    /// @param lossesOnly some group has lost a replica and has not begun to replace it
    Moves(SystemState state, boolean lossesOnly) {
        this.lossesOnly = lossesOnly;
        this.free =
                MOST
                        - (int)
                                state.groups().values().stream()
                                        .filter(g -> g.id() != 0)
                                        .flatMap(g -> g.replicas().stream())
                                        .filter(r -> r.role() == Role.LEARNER)
                                        .count();
    }

    /// True where a replica of `group` may begin to move; it counts from now on.
    boolean take(long group, boolean loss) {
        if (group == 0) {
            return true; // small, and everything depends on it
        }
        if (free <= 0 || (lossesOnly && !loss)) {
            return false;
        }
        free--;
        return true;
    }
}
