package io.cistern.storage;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/// Data files that forget: a crash takes back, sector by sector and at random, what was written and
/// not synced.
final class CrashFiles implements DataFile.Factory {
    private static final int SECTOR = 512;

    private final List<Tracked> open = new ArrayList<>();

    @Override
    public synchronized DataFile create(Path path, long bytes) throws IOException {
        return track(NativeFile.FACTORY.create(path, bytes));
    }

    @Override
    public synchronized DataFile open(Path path) throws IOException {
        return track(NativeFile.FACTORY.open(path));
    }

    private DataFile track(DataFile file) {
        Tracked tracked = new Tracked(file);
        open.add(tracked);
        return tracked;
    }

    /// Takes back each unsynced sector with probability `loss`. Call before the files are closed.
    synchronized void crash(Random random, double loss) throws IOException {
        for (Tracked file : open) {
            file.crash(random, loss);
        }
        open.clear();
    }

    private static final class Tracked implements DataFile {
        private final DataFile file;
        private final Map<Long, byte[]> before = new HashMap<>();

        Tracked(DataFile file) {
            this.file = file;
        }

        @Override
        public synchronized void write(long offset, ByteBuffer src) throws IOException {
            long first = offset / SECTOR;
            long last = (offset + src.remaining() - 1) / SECTOR;
            for (long s = first; s <= last; s++) {
                if (!before.containsKey(s)) {
                    ByteBuffer old = ByteBuffer.allocate(SECTOR);
                    file.read(s * SECTOR, old);
                    before.put(s, old.array());
                }
            }
            file.write(offset, src);
        }

        @Override
        public void read(long offset, ByteBuffer dst) throws IOException {
            file.read(offset, dst);
        }

        @Override
        public boolean tryRead(long offset, ByteBuffer dst) throws IOException {
            return file.tryRead(offset, dst);
        }

        @Override
        public void extend(long from, long bytes) throws IOException {
            file.extend(from, bytes);
        }

        @Override
        public synchronized void sync() {
            before.clear();
        }

        synchronized void crash(Random random, double loss) throws IOException {
            for (Map.Entry<Long, byte[]> e : before.entrySet()) {
                if (random.nextDouble() < loss) {
                    file.write(e.getKey() * SECTOR, ByteBuffer.wrap(e.getValue()));
                }
            }
            before.clear();
        }

        @Override
        public void close() {
            file.close();
        }
    }
}
