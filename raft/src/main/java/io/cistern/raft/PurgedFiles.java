package io.cistern.raft;

import io.cistern.block.FileTrees;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Gives the blocks of purged log segments back beside the thread that writes and syncs the log.
///
/// Ratis deletes a segment on that thread, for milliseconds in which nothing is synced. So a
/// segment that is about to be purged gets a second name here; the deletion then takes away a name
/// only, and the blocks go with the second one, on another thread.
///
/// Nothing here belongs to the log. What a replica that was closed has left is deleted when it
/// opens.
///
/// Any thread may call any method.
final class PurgedFiles implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(PurgedFiles.class);

    /// In the replica's directory.
    static final String DIRECTORY = "purged";

    private final Path directory;
    private final Executor background;

    /// Guarded by this.
    private boolean closed;

    private PurgedFiles(Path directory, Executor background) {
        this.directory = directory;
        this.background = background;
    }

    /// @param replica the replica's directory, on the file system of its log
    /// @param background runs what blocks on the disk
    static PurgedFiles open(Path replica, Executor background) throws IOException {
        Path directory = replica.resolve(DIRECTORY);
        FileTrees.delete(directory);
        return new PurgedFiles(directory, background);
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
        if (closed || !Files.isDirectory(directory)) {
            return;
        }
        try (DirectoryStream<Path> kept = Files.newDirectoryStream(directory)) {
            for (Path path : kept) {
                Files.deleteIfExists(path);
            }
        } catch (IOException e) {
            log.warn("{} could not be emptied: {}", directory, e.toString());
        }
    }

    /// On return nothing works in the replica's directory any more.
    @Override
    public synchronized void close() {
        closed = true;
    }
}
