package io.cistern.raft;

import java.io.IOException;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.apache.ratis.server.raftlog.RaftLog;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Purges a replica's log: what its checkpoint has made superfluous, but for a bounded stretch at
/// the end, so that a member that was away for a short while gets what it missed from the log.
///
/// Every replica keeps that stretch, whether or not all members are there: any of them may be the
/// leader to whom one returns. It is given up as the file system fills, so that it never takes the
/// space that new data needs, see [#allowed].
///
/// Any thread may call any method; purging lists a directory.
final class LogRetention {
    private static final Logger log = LoggerFactory.getLogger(LogRetention.class);

    /// A file system with less than a tenth free, and less than this, is short of space.
    static final long SHORT_BYTES = 8L << 30;

    private final Path directory;

    /// @param directory where the log files are
    LogRetention(Path directory) {
        this.directory = directory;
    }

    /// Purges what need not be kept.
    ///
    /// @param superfluous index up to which the log is not needed here
    /// @param wantedBytes of log to keep
    /// @param purged gives the blocks back
    synchronized void trim(RaftLog raftLog, long superfluous, long wantedBytes, PurgedFiles purged)
            throws IOException {
        if (superfluous < 0 || raftLog.getNextIndex() <= superfluous) {
            // In the second case a state has been installed that Ratis' log is yet to be told of.
            // Purging would move where it goes on, but not where its files do.
            return;
        }
        long index = superfluous;
        List<LogInspector.Segment> segments = LogInspector.segments(directory);
        if (wantedBytes > 0) {
            FileStore disk = Files.getFileStore(directory);
            long keep = allowed(wantedBytes, disk.getUsableSpace(), disk.getTotalSpace());
            index = Math.min(superfluous, beyond(segments, keep));
            if (keep < wantedBytes) {
                log.debug("{}: space is short, keeping {} bytes", directory, keep);
            }
        }
        if (index >= Math.max(raftLog.getStartIndex(), 0)) {
            for (LogInspector.Segment segment : segments) {
                if (segment.end() <= index) {
                    purged.keep(segment.path());
                }
            }
            raftLog.purge(index).whenComplete((reached, failed) -> purged.dispose());
        }
    }

    /// How much log may be kept: at most a quarter of what is free beyond the reserve.
    static long allowed(long wantedBytes, long usableBytes, long totalBytes) {
        long reserve = Math.min(totalBytes / 10, SHORT_BYTES);
        return Math.min(wantedBytes, Math.max(0, usableBytes - reserve) / 4);
    }

    /// The index up to which the log may go so that about `keepBytes` of it remain; -1 if there is
    /// no more than that.
    ///
    /// @param segments in the order of the log
    static long beyond(List<LogInspector.Segment> segments, long keepBytes) throws IOException {
        long kept = 0;
        for (LogInspector.Segment segment : segments.reversed()) {
            if (!segment.open() && kept >= keepBytes) {
                return segment.end();
            }
            kept += LogCounters.size(segment.path());
        }
        return -1;
    }
}
