package io.cistern.raft.ratis;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import org.apache.ratis.server.RaftServer;
import org.apache.ratis.server.leader.FollowerInfo;

/// Ratis waits, before it changes a group's members, for every follower that it does not count as
/// caught up. Followers count as such from a leader's election on, and those added as voters once
/// they are. One that was added as a listener and then promoted never does, as long as the same
/// leader leads (3.3.0): if it is lost, no later change, not even the one that replaces it, ever
/// ends. So a voter that has taken entries is told to be caught up here.
final class CaughtUp {
    private static final MethodHandle IS;
    private static final MethodHandle SET;

    static {
        try {
            Class<?> type = Class.forName("org.apache.ratis.server.impl.FollowerInfoImpl");
            MethodHandles.Lookup inside =
                    MethodHandles.privateLookupIn(type, MethodHandles.lookup());
            IS =
                    inside.findVirtual(type, "isCaughtUp", MethodType.methodType(boolean.class))
                            .asType(MethodType.methodType(boolean.class, FollowerInfo.class));
            SET =
                    inside.findVirtual(type, "catchUp", MethodType.methodType(void.class))
                            .asType(MethodType.methodType(void.class, FollowerInfo.class));
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    private CaughtUp() {}

    /// A follower has taken entries.
    static void advanced(RaftServer.Division server, FollowerInfo follower) {
        try {
            if (!(boolean) IS.invokeExact(follower)
                    && server.getRaftConf().getCurrentPeers().stream()
                            .anyMatch(p -> p.getId().equals(follower.getId()))) {
                SET.invokeExact(follower);
            }
        } catch (Throwable e) {
            throw Inside.unchecked(e);
        }
    }
}
