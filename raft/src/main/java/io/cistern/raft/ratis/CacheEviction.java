package io.cistern.raft.ratis;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import org.apache.ratis.server.RaftServer;
import org.apache.ratis.server.raftlog.RaftLog;
import org.apache.ratis.util.AwaitToRun;

/// Ratis closes a log under its write lock, and in there waits for the thread that evicts cached
/// entries. Where that thread has just been woken it waits for the same lock, and neither ever goes
/// on (3.3.0). So the thread is ended before, when nobody holds the lock.
public final class CacheEviction {
    private static final MethodHandle GET;

    static {
        try {
            Class<?> type =
                    Class.forName("org.apache.ratis.server.raftlog.segmented.SegmentedRaftLog");
            GET =
                    MethodHandles.privateLookupIn(type, MethodHandles.lookup())
                            .findGetter(type, "cacheEviction", AwaitToRun.class)
                            .asType(
                                    java.lang.invoke.MethodType.methodType(
                                            AwaitToRun.class, RaftLog.class));
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    private CacheEviction() {}

    /// Ends the thread, and waits for it. The replica is about to be closed.
    public static void stop(RaftServer.Division division) {
        try {
            AwaitToRun eviction = (AwaitToRun) GET.invokeExact(division.getRaftLog());
            eviction.close();
        } catch (Throwable e) {
            throw Inside.unchecked(e);
        }
    }
}
