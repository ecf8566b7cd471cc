package io.cistern.raft;

import io.cistern.block.DurableFiles;
import io.cistern.block.FileTrees;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Makes the files of a replica's log before they are needed, and gives their blocks back when they
/// are not, so that the thread that writes and syncs the log does neither.
///
/// A *spare* has the size of a segment, is filled with zeroes and synced. The log's thread renames
/// it to the segment that it begins. What it then writes changes neither the size of the file nor
/// which blocks it has, so a sync writes the data and waits for nothing else; else every few MiB
/// one would write zeroes and wait for the file system's journal.
///
/// A segment that is about to be purged gets a second name here. Ratis deletes the first one on the
/// log's thread, which costs nothing then; the blocks go with the second name, on another thread.
///
/// Nothing here belongs to the log. What a replica that was closed has left is deleted when it
/// opens.
///
/// Any thread may call any method; the log's thread is the only one that may [#take]. Public for
/// the channel that stands in for Ratis' own, nobody else.
public final class SegmentFiles implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(SegmentFiles.class);

    /// In the replica's directory.
    static final String DIRECTORY = "spare";

    private static final String SPARE = "zeroes";
    private static final String UNFINISHED = "zeroes.new";

    /// Written and synced at a time; then a pause as long, so that others' syncs find their way.
    private static final int CHUNK_BYTES = 1 << 20;

    private static final ConcurrentHashMap<Path, SegmentFiles> OPEN = new ConcurrentHashMap<>();

    private final Path segments;
    private final Path directory;
    private final long segmentBytes;
    private final Executor background;
    private final AtomicBoolean making = new AtomicBoolean();
    private final AtomicReference<@Nullable Path> spare = new AtomicReference<>();
    private volatile boolean closed;

    private SegmentFiles(Path segments, Path directory, long segmentBytes, Executor background) {
        this.segments = segments;
        this.directory = directory;
        this.segmentBytes = segmentBytes;
        this.background = background;
    }

    /// @param segments where the log's files are
    /// @param replica the replica's directory, on the same file system
    /// @param background runs what blocks on the disk
    static SegmentFiles open(Path segments, Path replica, long segmentBytes, Executor background)
            throws IOException {
        Path directory = replica.resolve(DIRECTORY);
        FileTrees.delete(directory);
        SegmentFiles files = new SegmentFiles(key(segments), directory, segmentBytes, background);
        OPEN.put(files.segments, files);
        return files;
    }

    /// Those of the log in a directory, null if there are none.
    public static @Nullable SegmentFiles of(@Nullable Path segments) {
        return segments == null ? null : OPEN.get(key(segments));
    }

    private static Path key(Path directory) {
        return directory.toAbsolutePath().normalize();
    }

    /// Size of a spare.
    public long segmentBytes() {
        return segmentBytes;
    }

    /// Makes a spare, if there is none and the disk has the space for it; does not wait.
    public void prepare() {
        if (closed || spare.get() != null || !making.compareAndSet(false, true)) {
            return;
        }
        try {
            background.execute(this::make);
        } catch (RejectedExecutionException closing) {
            making.set(false);
        }
    }

    private synchronized void make() {
        try {
            if (closed) {
                return;
            }
            FileStore files = Files.getFileStore(segments);
            long usable = files.getUsableSpace();
            if (LogRetention.allowed(segmentBytes, usable, files.getTotalSpace()) < segmentBytes) {
                return;
            }
            Files.createDirectories(directory);
            Path unfinished = directory.resolve(UNFINISHED);
            if (fill(unfinished)) {
                Path made = directory.resolve(SPARE);
                Files.move(unfinished, made, StandardCopyOption.ATOMIC_MOVE);
                spare.set(made);
            }
        } catch (IOException e) {
            // The log makes its files itself then, and what is wrong with the disk stops it there.
            log.warn("{}: no file could be made for the log: {}", directory, e.toString());
        } finally {
            making.set(false);
        }
    }

    /// False if the replica was closed meanwhile.
    private boolean fill(Path file) throws IOException {
        try (FileChannel channel =
                FileChannel.open(
                        file,
                        StandardOpenOption.CREATE,
                        StandardOpenOption.TRUNCATE_EXISTING,
                        StandardOpenOption.WRITE)) {
            ByteBuffer zeroes = ByteBuffer.allocateDirect(CHUNK_BYTES);
            long left = segmentBytes;
            while (left > 0 && !closed) {
                long began = System.nanoTime();
                zeroes.clear().limit((int) Math.min(CHUNK_BYTES, left));
                while (zeroes.hasRemaining()) {
                    left -= channel.write(zeroes);
                }
                channel.force(false);
                LockSupport.parkNanos(System.nanoTime() - began);
            }
            channel.force(true);
            return left == 0;
        }
    }

    /// Gives the spare the name of a segment, durably. False where there is none: the caller
    /// creates the file.
    ///
    /// @throws IOException the name may not be durable
    public boolean take(Path segment) throws IOException {
        Path made = spare.getAndSet(null);
        if (made == null) {
            return false;
        }
        try {
            Files.move(made, segment, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            log.warn("{} could not be renamed to {}: {}", made, segment, e.toString());
            return false;
        }
        DurableFiles.sync(Objects.requireNonNull(segment.toAbsolutePath().getParent()));
        return true;
    }

    /// Gives a segment that is about to be purged a second name. Where that cannot be, the purge
    /// itself gives the blocks back.
    synchronized void keep(Path segment) {
        if (closed) {
            return;
        }
        try {
            Files.createDirectories(directory);
            Files.createLink(directory.resolve(segment.getFileName()), segment);
        } catch (FileAlreadyExistsException before) {
            log.trace("{} has its second name", segment);
        } catch (IOException | UnsupportedOperationException e) {
            log.debug("{} gets no second name: {}", segment, e.toString());
        }
    }

    /// Deletes what [#keep] has named; does not wait.
    void dispose() {
        try {
            background.execute(this::deleteKept);
        } catch (RejectedExecutionException closing) {
            log.debug("{} is emptied at the next start", directory);
        }
    }

    private synchronized void deleteKept() {
        if (closed) {
            return;
        }
        try (DirectoryStream<Path> kept = Files.newDirectoryStream(directory, "log_*")) {
            for (Path path : kept) {
                Files.deleteIfExists(path);
            }
        } catch (IOException e) {
            log.warn("{} could not be emptied: {}", directory, e.toString());
        }
    }

    /// On return nothing works in the replica's directory any more. A spare that is there is
    /// deleted when the replica opens.
    @Override
    public void close() {
        closed = true;
        OPEN.remove(segments, this);
        synchronized (this) {
            // What was under way has ended.
            spare.set(null);
        }
    }
}
