package io.cistern.raft;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.atomic.LongAdder;
import java.util.stream.Stream;
import org.apache.ratis.server.RaftServer;

/// Numbers about one replica's log.
final class LogCounters {
    /// Length and checksum around an entry in the log.
    private static final int FRAME_BYTES = 8;

    private final Path directory;
    private final LongAdder bytes = new LongAdder();

    LogCounters(Path directory) {
        this.directory = directory;
    }

    /// An entry of this size went through the log.
    void logged(int entryBytes) {
        bytes.add(entryBytes + FRAME_BYTES);
    }

    RaftGroup.Stats stats(
            RaftServer.Division division,
            long commands,
            Map<String, RaftGroup.Stats.Follower> followers) {
        var raftLog = division.getRaftLog();
        return new RaftGroup.Stats(
                RatisMeters.syncs(division.getMemberId().toString()),
                raftLog.getNextIndex(),
                commands,
                bytesOnDisk(),
                bytes.sum(),
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
