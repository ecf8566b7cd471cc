package io.cistern.storage.group;

import io.cistern.raft.GroupId;
import io.cistern.raft.Halt;
import java.util.function.BiConsumer;
import org.jspecify.annotations.Nullable;

/// Decides what a failed apply means: damage that was read from this replica's own map takes only
/// the replica out of use, since the others have what it held. Everything else halts the process.
///
/// Give one to the node's RaftHost and to its [GroupHost].
public final class ReplicaHalt implements Halt {
    private final Halt process;
    private volatile @Nullable BiConsumer<GroupId, Throwable> onDamage;

    public ReplicaHalt(Halt process) {
        this.process = process;
    }

    void onDamage(BiConsumer<GroupId, Throwable> handler) {
        onDamage = handler;
    }

    @Override
    public void halt(String message, Throwable cause) {
        BiConsumer<GroupId, Throwable> handler = onDamage;
        if (cause instanceof DamagedReplica damaged && handler != null) {
            handler.accept(damaged.group, damaged);
        } else {
            process.halt(message, cause);
        }
    }

    /// Thrown where applying met damage in the replica's own store.
    static final class DamagedReplica extends RuntimeException {
        private static final long serialVersionUID = 1L;

        private final transient GroupId group;

        DamagedReplica(GroupId group, Throwable cause) {
            super(cause.getMessage(), cause);
            this.group = group;
        }
    }
}
