package io.cistern.raft;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.HashMap;
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
    private final LongAdder commands = new LongAdder();

    LogCounters(Path directory) {
        this.directory = directory;
    }

    /// An entry of this size went through the log.
    void applied(int entryBytes, int commandCount) {
        bytes.add(entryBytes + FRAME_BYTES);
        commands.add(commandCount);
    }

    RaftGroup.Stats stats(RaftServer.Division division) {
        var raftLog = division.getRaftLog();
        return new RaftGroup.Stats(
                RatisMeters.syncs(division.getMemberId().toString()),
                raftLog.getNextIndex(),
                commands.sum(),
                bytesOnDisk(),
                bytes.sum(),
                Math.max(raftLog.getStartIndex(), 0) - 1,
                followers(division));
    }

    private static Map<String, RaftGroup.Stats.Follower> followers(RaftServer.Division division) {
        Map<String, RaftGroup.Stats.Follower> followers = new HashMap<>();
        long[] matched =
                division.getInfo().isLeader() ? division.getInfo().getFollowerMatchIndices() : null;
        if (matched != null) {
            var heard = division.getInfo().getRoleInfoProto().getLeaderInfo().getFollowerInfoList();
            for (int i = 0; i < Math.min(matched.length, heard.size()); i++) {
                followers.put(
                        heard.get(i).getId().getId().toStringUtf8(),
                        new RaftGroup.Stats.Follower(
                                matched[i], heard.get(i).getLastRpcElapsedTimeMs()));
            }
        }
        return Map.copyOf(followers);
    }

    /// Bytes of all files of the replica's directory.
    long bytesOnDisk() {
        try (Stream<Path> files = Files.walk(directory)) {
            return files.filter(Files::isRegularFile).mapToLong(LogCounters::size).sum();
        } catch (NoSuchFileException | UncheckedIOException e) {
            // Closed and deleted, or a file went away while they were listed: not worth a failure.
            return 0;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// 0 if the file is gone.
    static long size(Path file) {
        try {
            return Files.size(file);
        } catch (IOException e) {
            // Purged in between.
            return 0;
        }
    }
}
