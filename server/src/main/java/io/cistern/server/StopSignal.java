package io.cistern.server;

import java.util.concurrent.CountDownLatch;
import sun.misc.Signal;

/// Waits for SIGTERM or SIGINT. Unlike a shutdown hook it lets the process end with status 0.
final class StopSignal {
    private final CountDownLatch asked = new CountDownLatch(1);

    private StopSignal() {}

    static StopSignal install() {
        StopSignal stop = new StopSignal();
        for (String name : new String[] {"TERM", "INT"}) {
            Signal.handle(new Signal(name), signal -> stop.asked.countDown());
        }
        return stop;
    }

    void await() throws InterruptedException {
        asked.await();
    }
}
