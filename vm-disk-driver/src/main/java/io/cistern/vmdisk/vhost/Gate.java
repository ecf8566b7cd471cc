package io.cistern.vmdisk.vhost;

import java.util.concurrent.atomic.AtomicInteger;

/// Whether requests of a connection may begin. They may not while the device still works on those
/// of an earlier connection, or of a ring that was given up: an old write must not land on a newer
/// one. Any thread may call any method.
final class Gate {
    private final Runnable onOpen;
    private final AtomicInteger leaving = new AtomicInteger();
    private volatile boolean opened;

    /// @param onOpen called when it opens; a call too many does no harm
    Gate(Runnable onOpen) {
        this.onOpen = onOpen;
    }

    boolean isOpen() {
        return opened && leaving.get() == 0;
    }

    /// The earlier connection is gone.
    void open() {
        opened = true;
        onOpen.run();
    }

    /// A ring's worker was given up, with what the device works on for it.
    void leaves() {
        leaving.incrementAndGet();
    }

    /// The device has ended all that a worker given up had begun.
    void gone() {
        if (leaving.decrementAndGet() == 0) {
            onOpen.run();
        }
    }
}
