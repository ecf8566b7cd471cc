package io.cistern.raft.ratis;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodHandles.Lookup;
import java.lang.invoke.MethodType;
import java.lang.invoke.VarHandle;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import org.apache.ratis.server.RaftServer;
import org.apache.ratis.util.DataBlockingQueue;

/// The thread that writes a replica's log looks only once a second whether the log is being closed
/// (Ratis 3.3.0), so that each replica would take a second to close. While a replica is closed this
/// gives that thread, once it has been told to end and has nothing to do, a task of no effect: the
/// deletion of no segments.
public final class LogWorker implements AutoCloseable {
    private static final long LOOK_NANOS = 1_000_000;
    private static final MethodHandle WORKER;
    private static final MethodHandle PURGE;
    private static final VarHandle RUNNING;
    private static final VarHandle QUEUE;
    private static final Object NOTHING;

    static {
        try {
            String logs = "org.apache.ratis.server.raftlog.segmented.";
            Class<?> log = Class.forName(logs + "SegmentedRaftLog");
            Class<?> worker = Class.forName(logs + "SegmentedRaftLogWorker");
            Class<?> segments = Class.forName(logs + "SegmentedRaftLogCache$TruncationSegments");
            Class<?> file = Class.forName(logs + "SegmentedRaftLogCache$SegmentFileInfo");
            Lookup inside = MethodHandles.privateLookupIn(worker, MethodHandles.lookup());
            WORKER =
                    MethodHandles.privateLookupIn(log, MethodHandles.lookup())
                            .findGetter(log, "fileLogWorker", worker)
                            .asType(MethodType.methodType(Object.class, Object.class));
            RUNNING = inside.findVarHandle(worker, "running", boolean.class);
            QUEUE = inside.findVarHandle(worker, "queue", DataBlockingQueue.class);
            MethodType purge =
                    MethodType.methodType(Class.forName(logs + "SegmentedRaftLog$Task"), segments);
            PURGE =
                    inside.findVirtual(worker, "purge", purge)
                            .asType(
                                    MethodType.methodType(
                                            Object.class, Object.class, Object.class));
            NOTHING =
                    inside.findConstructor(
                                    segments,
                                    MethodType.methodType(
                                            void.class, String.class, file, List.class))
                            .invoke("closing", null, List.of());
        } catch (Throwable e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    private final Object worker;
    private volatile boolean closed;

    private LogWorker(Object worker) {
        this.worker = worker;
    }

    /// Watches the log's thread until it has ended or this is closed. `division` is about to be
    /// closed.
    public static LogWorker wakeAtClose(RaftServer.Division division) {
        try {
            LogWorker watch = new LogWorker(WORKER.invokeExact((Object) division.getRaftLog()));
            Thread.ofVirtual().name("log-close-" + division.getMemberId()).start(watch::watch);
            return watch;
        } catch (Throwable e) {
            throw Inside.unchecked(e);
        }
    }

    private void watch() {
        while (!closed && (boolean) RUNNING.getVolatile(worker)) {
            LockSupport.parkNanos(LOOK_NANOS);
        }
        DataBlockingQueue<?> queue = (DataBlockingQueue<?>) QUEUE.get(worker);
        if (closed || queue.getNumElements() > 0) {
            return;
        }
        try {
            Object task = PURGE.invokeExact(worker, NOTHING);
            java.util.Objects.requireNonNull(task);
        } catch (Throwable e) {
            throw Inside.unchecked(e);
        }
    }

    @Override
    public void close() {
        closed = true;
    }
}
