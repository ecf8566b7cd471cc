package io.cistern.raft;

import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;

/// Tells a replica that its log could not be written where Ratis keeps that to itself.
///
/// When a log file is closed, or a tail of it is cut off, Ratis 3.3.0 first writes and syncs what it
/// has not yet, notes a failure of that at most for debugging, and counts the entries as stored. So
/// whoever writes the file reports it here.
///
/// Any thread may call any method.
public final class LogFailures {
    private static final ConcurrentHashMap<Path, Consumer<IOException>> LISTENERS =
            new ConcurrentHashMap<>();

    private LogFailures() {}

    /// @param directory with the log's files
    static void listen(Path directory, Consumer<IOException> listener) {
        LISTENERS.put(key(directory), listener);
    }

    static void forget(Path directory) {
        LISTENERS.remove(key(directory));
    }

    /// Ends the process, in all but tests.
    ///
    /// @param file of the log
    public static void report(Path file, IOException failure) {
        Path directory = file.toAbsolutePath().getParent();
        Consumer<IOException> listener = directory == null ? null : LISTENERS.get(key(directory));
        if (listener != null) {
            listener.accept(failure);
        }
    }

    private static Path key(Path directory) {
        return directory.toAbsolutePath().normalize();
    }
}
