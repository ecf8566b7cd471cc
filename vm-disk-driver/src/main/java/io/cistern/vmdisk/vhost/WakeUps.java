package io.cistern.vmdisk.vhost;

import java.io.IOException;
import java.util.ArrayDeque;
import org.jspecify.annotations.Nullable;

/// The eventfds that wake queues. They are used again and never closed: a thread of the device may
/// be late to signal a queue that has ended, and must then not hit a descriptor that has become
/// something else.
final class WakeUps {
    private static final ArrayDeque<Integer> FREE = new ArrayDeque<>();

    private WakeUps() {}

    static int take() throws IOException {
        synchronized (FREE) {
            @Nullable Integer free = FREE.pollFirst();
            if (free != null) {
                return free;
            }
        }
        return Native.eventfd();
    }

    static void giveBack(int fd) {
        synchronized (FREE) {
            FREE.addLast(fd);
        }
    }
}
