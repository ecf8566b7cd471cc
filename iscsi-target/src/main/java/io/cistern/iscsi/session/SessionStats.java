package io.cistern.iscsi.session;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/// Counts one session's commands. Written by its event loop, read by any thread.
final class SessionStats {
    private final AtomicLong reads = new AtomicLong();
    private final AtomicLong writes = new AtomicLong();
    private final AtomicLong others = new AtomicLong();
    private final AtomicLong bytesRead = new AtomicLong();
    private final AtomicLong bytesWritten = new AtomicLong();
    private final AtomicInteger inFlight = new AtomicInteger();

    void completed(Task task, long readBytes, long writtenBytes) {
        AtomicLong counter = task.reads() ? reads : task.writes() ? writes : others;
        counter.lazySet(counter.get() + 1);
        bytesRead.lazySet(bytesRead.get() + readBytes);
        bytesWritten.lazySet(bytesWritten.get() + writtenBytes);
    }

    void inFlight(int commands) {
        inFlight.lazySet(commands);
    }

    SessionInfo.Traffic snapshot() {
        return new SessionInfo.Traffic(
                reads.get(),
                writes.get(),
                others.get(),
                bytesRead.get(),
                bytesWritten.get(),
                inFlight.get());
    }
}
