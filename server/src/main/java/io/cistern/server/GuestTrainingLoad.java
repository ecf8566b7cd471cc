package io.cistern.server;

import io.cistern.server.TrainingLoad.Kind;
import io.cistern.vmdisk.vhost.FrontEnd;
import io.cistern.vmdisk.vhost.GuestRing;
import java.io.IOException;
import java.nio.file.Path;
import java.util.SplittableRandom;

/// Puts a load on a driver as a guest does that shares its memory with it. One thread.
final class GuestTrainingLoad implements AutoCloseable {
    private static final int RING = 64;
    private static final int SLOT_BYTES = 64 << 10;
    private static final int SECTOR_BYTES = 512;
    private static final int READ = 0;
    private static final int WRITE = 1;
    private static final int PATIENCE_MS = 10_000;

    private final FrontEnd front;
    private final SplittableRandom random = new SplittableRandom(1);
    private final long sizeBytes;
    private long position;

    private GuestTrainingLoad(FrontEnd front) throws IOException {
        this.front = front;
        this.sizeBytes = front.config(0, 8).getLong(0) * SECTOR_BYTES;
        byte[] noise = new byte[SLOT_BYTES];
        random.nextBytes(noise);
        for (int slot = 0; slot < RING; slot++) {
            front.ring(0).put(slot, noise);
        }
    }

    static GuestTrainingLoad connect(Path socket) throws IOException {
        FrontEnd front = new FrontEnd(FrontEnd.Options.of(1, RING, SLOT_BYTES));
        try {
            front.connect(socket);
            return new GuestTrainingLoad(front);
        } catch (IOException e) {
            front.close();
            throw e;
        }
    }

    /// Keeps `kind.depth` requests outstanding for some seconds.
    ///
    /// @throws IOException a request failed
    void run(Kind kind, double seconds) throws IOException {
        GuestRing ring = front.ring(0);
        long end = System.nanoTime() + (long) (seconds * 1e9);
        for (int slot = 0; slot < kind.depth(); slot++) {
            submit(kind, slot);
        }
        ring.kick();
        int open = kind.depth();
        while (open > 0) {
            int slot = ring.poll();
            if (slot < 0) {
                if (!ring.await(PATIENCE_MS)) {
                    throw new IOException("the driver does not answer");
                }
                continue;
            }
            if (ring.status(slot) != 0) {
                throw new IOException("a request failed");
            }
            if (System.nanoTime() - end < 0) {
                submit(kind, slot);
                ring.kick();
            } else {
                open--;
            }
        }
    }

    private void submit(Kind kind, int slot) {
        long places = sizeBytes / kind.bytes();
        long place = kind.random() ? random.nextLong(places) : position++ % places;
        int type = kind.write() ? WRITE : READ;
        front.ring(0).submit(slot, type, place * (kind.bytes() / SECTOR_BYTES), kind.bytes());
    }

    @Override
    public void close() {
        front.close();
    }
}
