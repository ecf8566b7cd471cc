package io.cistern.raft;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Map;
import java.util.stream.Stream;
import org.apache.ratis.server.RaftServer;

/// Numbers about one replica's log.
final class LogCounters {
    private final Path directory;

    LogCounters(Path directory) {
        this.directory = directory;
    }

    RaftGroup.Stats stats(
            RaftServer.Division division,
            long commands,
            Map<String, RaftGroup.Stats.Follower> followers) {
        var raftLog = division.getRaftLog();
        return new RaftGroup.Stats(
                0,
                raftLog.getNextIndex(),
                commands,
                bytesOnDisk(),
                0,
                raftLog.getStartIndex() - 1,
                followers);
    }

    /// Bytes of all files of the replica's directory.
    long bytesOnDisk() {
        try (Stream<Path> files = Files.walk(directory)) {
            return files.filter(Files::isRegularFile).mapToLong(LogCounters::size).sum();
        } catch (NoSuchFileException e) {
            return 0;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static long size(Path file) {
        try {
            return Files.size(file);
        } catch (IOException e) {
            // Purged in between.
            return 0;
        }
    }
}
