package io.cistern.vmdisk;

import io.cistern.block.BlockDevice;
import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.storage.Command.AttachMode;
import io.cistern.volume.ClusterClient.Resumption;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/// A cluster of one directory, for tests: a volume is a file, its owner a number beside it. Data
/// and owners outlive the process, as those of a real cluster do.
final class FileVolumes implements VolumeOpener {
    private final Path directory;
    private final Map<String, Opened> open = new ConcurrentHashMap<>();
    private volatile @Nullable CisternException unreachable;

    FileVolumes(Path directory) {
        this.directory = directory;
    }

    static void create(Path directory, String volume, long sizeBytes) throws IOException {
        try (FileChannel file =
                FileChannel.open(
                        directory.resolve(volume),
                        StandardOpenOption.CREATE_NEW,
                        StandardOpenOption.WRITE)) {
            file.write(ByteBuffer.allocate(1), sizeBytes - 1);
        }
    }

    /// Makes every open fail with that from now on; null to let them succeed.
    void unreachable(@Nullable CisternException reason) {
        unreachable = reason;
    }

    /// Gives the volume to another holder.
    void takeOver(String volume) throws IOException {
        Files.writeString(owner(volume), Long.toString(System.nanoTime()));
        Opened opened = open.remove(volume);
        if (opened != null) {
            opened.ended().complete(new CisternException(ErrorCode.FENCED, "taken over"));
        }
    }

    /// The open device of a volume.
    Device device(String volume) {
        Opened opened = open.get(volume);
        if (opened == null) {
            throw new IllegalStateException(volume + " is not open");
        }
        return (Device) opened.device();
    }

    boolean isOpen(String volume) {
        return open.containsKey(volume);
    }

    @Override
    public synchronized Opened open(Request request) {
        CisternException reason = unreachable;
        if (reason != null) {
            throw reason;
        }
        Path file = directory.resolve(request.volume());
        if (!Files.exists(file)) {
            throw new CisternException(ErrorCode.NOT_FOUND, "no volume " + request.volume());
        }
        try {
            Path owner = owner(request.volume());
            Resumption resume = request.resume();
            boolean reader =
                    request.mode() == AttachMode.READ_ONLY && request.volume().indexOf('@') < 0;
            if (reader) {
                return new Opened(new Device(file), 0, new CompletableFuture<>());
            }
            if (resume != null && !isResumable(owner, resume)) {
                throw new CisternException(ErrorCode.FENCED, request.volume() + " is elsewhere");
            }
            if (request.mode() == AttachMode.EXCLUSIVE) {
                takeOver(request.volume());
            }
            long id = System.nanoTime();
            String key = resume == null ? "" : " " + resume.key();
            Files.writeString(owner, id + key);
            Device device = new Device(file);
            Opened opened = new Opened(device, id, new CompletableFuture<>());
            open.put(request.volume(), opened);
            device.fencedBy = opened.ended();
            return opened;
        } catch (IOException e) {
            throw new CisternException(ErrorCode.IO, file + ": " + e, e);
        }
    }

    private static boolean isResumable(Path owner, Resumption resume) throws IOException {
        String[] now = Files.readString(owner).split(" ");
        return now[0].equals(Long.toString(resume.attachment()))
                || (now.length > 1 && now[1].equals(resume.key().toString()));
    }

    private Path owner(String volume) {
        return directory.resolve(volume + ".owner");
    }

    /// A file as a device. Everything completes in the caller's thread.
    static final class Device implements BlockDevice {
        private final FileChannel file;
        private final List<LongConsumer> listeners = new CopyOnWriteArrayList<>();
        private volatile CompletableFuture<CisternException> fencedBy = new CompletableFuture<>();
        volatile boolean closed;

        Device(Path path) throws IOException {
            file = FileChannel.open(path, StandardOpenOption.READ, StandardOpenOption.WRITE);
        }

        void resize(long sizeBytes) throws IOException {
            file.write(ByteBuffer.allocate(1), sizeBytes - 1);
            listeners.forEach(listener -> listener.accept(sizeBytes));
        }

        @Override
        public long sizeBytes() {
            try {
                return file.size();
            } catch (IOException e) {
                throw new CisternException(ErrorCode.IO, e.toString(), e);
            }
        }

        @Override
        public boolean readOnly() {
            return false;
        }

        @Override
        public boolean tryRead(long offset, ByteBuffer dst) {
            return false;
        }

        private interface Action {
            void run() throws IOException;
        }

        private CompletableFuture<Void> run(Action action) {
            CisternException fence = fencedBy.getNow(null);
            if (fence != null) {
                return CompletableFuture.failedFuture(fence);
            }
            try {
                action.run();
                return CompletableFuture.completedFuture(null);
            } catch (IOException e) {
                return CompletableFuture.failedFuture(e);
            }
        }

        @Override
        public CompletableFuture<Void> read(long offset, ByteBuffer dst) {
            return run(() -> {
                long at = offset;
                while (dst.hasRemaining()) {
                    at += file.read(dst, at);
                }
            });
        }

        @Override
        public CompletableFuture<Void> write(long offset, ByteBuffer src) {
            ByteBuffer source = src.duplicate();
            return run(() -> file.write(source, offset));
        }

        @Override
        public CompletableFuture<Void> zero(long offset, long length, boolean unmap) {
            return run(() -> file.write(ByteBuffer.allocate((int) length), offset));
        }

        @Override
        public CompletableFuture<Void> discard(long offset, long length) {
            return zero(offset, length, true);
        }

        @Override
        public CompletableFuture<Void> flush() {
            return run(() -> file.force(false));
        }

        @Override
        public CompletableFuture<List<Extent>> extents(long offset, long length, int maxExtents) {
            return CompletableFuture.completedFuture(List.of(new Extent(length, Extent.Kind.DATA)));
        }

        @Override
        public AutoCloseable onResize(LongConsumer listener) {
            listeners.add(listener);
            return () -> listeners.remove(listener);
        }

        @Override
        public void close() {
            closed = true;
            try {
                file.close();
            } catch (IOException e) {
                throw new CisternException(ErrorCode.IO, e.toString(), e);
            }
        }
    }
}
