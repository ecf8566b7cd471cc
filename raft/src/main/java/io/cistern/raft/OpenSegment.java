package io.cistern.raft;

import io.cistern.block.DurableFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileTime;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Makes the names of log files durable. Ratis fsyncs what it writes into a new file of the log,
/// but not the directory that the file's name is in (3.3.0), so a power cut may take the file with
/// all that was acknowledged in it; most file systems do more than they promise there, and none
/// must. Nor does it fsync a file whose end it has cut off: what was cut off would be back, behind
/// the end that the file's name tells, and pass for damage.
///
/// Confined to the log's thread.
final class OpenSegment {
    private record Made(Path path, @Nullable Object key, FileTime at) {
        static @Nullable Made of(Path path) throws IOException {
            try {
                BasicFileAttributes found = Files.readAttributes(path, BasicFileAttributes.class);
                return new Made(path, found.fileKey(), found.creationTime());
            } catch (NoSuchFileException e) {
                return null;
            }
        }
    }

    private final Path directory;
    private final LogInspector.Sync sync;

    /// The open file whose name is durable.
    private @Nullable Made durable;

    /// @param directory where the log files are
    OpenSegment(Path directory) {
        this(directory, DurableFiles::sync);
    }

    OpenSegment(Path directory, LogInspector.Sync sync) {
        this.directory = directory;
        this.sync = sync;
    }

    /// Called before each sync of the open file: costs one look at it unless it is a new one.
    ///
    /// @throws IOException also where there is no such file: what is written then is nowhere
    void aboutToSync() throws IOException {
        Made known = durable;
        if (known != null && known.equals(Made.of(known.path))) {
            return;
        }
        List<LogInspector.Segment> segments = LogInspector.segments(directory);
        if (segments.isEmpty() || !segments.getLast().open()) {
            throw new IOException(
                    "the open log file in "
                            + directory
                            + " is gone, deleted or renamed while entries are written to it");
        }
        Made now = Made.of(segments.getLast().path());
        if (segments.size() > 1) {
            sync.sync(segments.get(segments.size() - 2).path());
        }
        sync.sync(directory);
        durable = now;
    }
}
