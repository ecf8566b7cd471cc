package io.cistern.raft;

import io.cistern.block.DurableFiles;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Checks a replica's log files before Ratis opens them.
///
/// Ratis refuses to start on the torn last entry that a power cut leaves, and its setting for going
/// on regardless drops whatever follows any damage, acknowledged or not. Here the two are told
/// apart:
///
/// - What lies behind the last whole entry of the open segment, and can be an entry whose write was
///   cut off, is cut away. It was not synced, so this replica never acknowledged it.
/// - Everything else that is not as written is damage: in a closed segment, before a whole entry, a
///   last entry that one flipped bit explains, a missing file, a gap. The replica is unusable.
///
/// A cut-off write leaves some sectors of what it wrote as they were before. The log is written
/// only behind its end, into zero fill or past the end of the file, so these are zeroes or missing.
/// A bad last entry counts as cut off if, and only if, one of these holds:
///
/// - the file ends before it does, be it within its length;
/// - its last four bytes, where the checksum belongs, are zero, or it does not begin at all up to
///   the next sector boundary;
/// - a whole sector of it is zero.
///
/// And not if one flipped bit makes it whole: then it was complete. In doubt it is damage: the
/// entry may have been acknowledged. And whatever the end looks like, it is damage if the log is
/// known to have reached further ([CommittedFile]).
///
/// What is found whole is made durable before anyone relies on it: a process that died between the
/// write of an entry and its sync has left it to the kernel, and Ratis counts what it reads at its
/// start as synced and acknowledges it.
final class LogInspector {
    private static final Logger log = LoggerFactory.getLogger(LogInspector.class);

    private static final byte[] HEADER = "RaftLog1".getBytes(StandardCharsets.US_ASCII);
    private static final int SECTOR_BYTES = 512;
    private static final Pattern CLOSED = Pattern.compile("log_(\\d{1,18})-(\\d{1,18})");
    private static final Pattern OPEN = Pattern.compile("log_inprogress_(\\d{1,18})");

    /// What the log holds.
    ///
    /// @param firstIndex of the first entry; behind `lastIndex` if there is none
    /// @param cutBytes taken off the end
    record Result(long firstIndex, long lastIndex, long lastTerm, long cutBytes) {}

    /// A file of the log.
    ///
    /// @param end Long.MAX_VALUE in an open one
    record Segment(Path path, long start, long end, boolean open) {}

    private final Path directory;
    private final boolean mayDrop;
    private final long mustReach;
    private final Sync sync;
    private long next;
    private long term;

    private LogInspector(Path directory, boolean mayDrop, long mustReach, Sync sync) {
        this.directory = directory;
        this.mayDrop = mayDrop;
        this.mustReach = mustReach;
        this.sync = sync;
    }

    /// Makes a file, or the names in a directory, durable.
    interface Sync {
        void sync(Path path) throws IOException;
    }

    /// Checks the segments in `directory` and cuts a torn end off. Where the log begins does not
    /// matter; all of it is needed.
    ///
    /// @throws LogDamagedException saying what is damaged and where
    static Result inspectWhole(Path directory) throws IOException, LogDamagedException {
        return new LogInspector(directory, false, -1, DurableFiles::sync)
                .inspect(Long.MAX_VALUE - 1);
    }

    /// Checks the segments in `directory` and cuts a torn end off. Damage in closed segments that
    /// the checkpoint covers costs these and all before; a log that ends before the checkpoint is
    /// deleted.
    ///
    /// @param checkpoint index up to which the log is not needed; -1 if it is needed whole
    /// @param committed index up to which log or checkpoint are known to have reached; -1: none
    /// @throws LogDamagedException saying what is damaged and where
    static Result inspect(Path directory, long checkpoint, long committed)
            throws IOException, LogDamagedException {
        long mustReach = committed > checkpoint ? committed : -1;
        return new LogInspector(directory, true, mustReach, DurableFiles::sync).inspect(checkpoint);
    }

    static Result inspect(Path directory, long checkpoint) throws IOException, LogDamagedException {
        return inspect(directory, checkpoint, -1);
    }

    static Result inspect(Path directory, long checkpoint, Sync sync)
            throws IOException, LogDamagedException {
        return new LogInspector(directory, true, -1, sync).inspect(checkpoint);
    }

    private Result inspect(long checkpoint) throws IOException, LogDamagedException {
        List<Segment> segments = segments(directory);
        long first = segments.isEmpty() ? checkpoint + 1 : segments.getFirst().start;
        if (first > checkpoint + 1) {
            throw new LogDamagedException(
                    "the log in "
                            + directory
                            + " begins at "
                            + first
                            + ", but what is before it is only durable up to "
                            + checkpoint
                            + ": log files are missing");
        }
        next = first;
        long cut = 0;
        List<Segment> dropped = List.of();
        List<Integer> halfClosed = new ArrayList<>();
        for (int i = 0; i < segments.size(); i++) {
            Segment segment = segments.get(i);
            boolean last = i == segments.size() - 1;
            if (segment.open && !last) {
                long end = segments.get(i + 1).start - 1;
                segment = new Segment(segment.path, segment.start, end, false);
                halfClosed.add(i);
            }
            try {
                cut += check(segment);
            } catch (LogDamagedException damage) {
                if (!mayDrop || segment.open || last || segment.end > checkpoint) {
                    throw damage;
                }
                // Kept for others alone: without it, and what is before it, there is less to keep.
                log.warn("{}; dropping the log up to there, it is not needed", damage.getMessage());
                dropped = segments.subList(0, i + 1);
                first = segment.end + 1;
                next = first;
            }
        }
        checkReach();
        if (mayDrop && !segments.isEmpty() && next <= checkpoint) {
            // A state was fetched, and the process ended before the log was told. Ratis would keep
            // an open file that ends before, and refuse whatever does not continue it.
            log.info("{}: the log ends at {}, before the state here", directory, next - 1);
            dropped = segments;
            first = checkpoint + 1;
            next = first;
        }
        for (int i : halfClosed) {
            segments.set(i, closed(segments.get(i), segments.get(i + 1)));
        }
        for (Segment segment : dropped) {
            Files.delete(segment.path);
        }
        for (Segment segment : segments.subList(dropped.size(), segments.size())) {
            sync.sync(segment.path);
        }
        sync.sync(directory);
        return new Result(first, next - 1, term, cut);
    }

    private long check(Segment segment) throws IOException, LogDamagedException {
        if (segment.start != next) {
            throw new LogDamagedException(
                    segment.path + " begins at " + segment.start + " instead of " + next);
        }
        return segment.open ? checkOpen(segment) : checkClosed(segment);
    }

    /// Gives a file the name of a closed one: a power cut took that back, but not the file after
    /// it.
    private static Segment closed(Segment open, Segment following) throws IOException {
        long end = following.start - 1;
        Path path = open.path.resolveSibling("log_" + open.start + "-" + end);
        log.info("{} is whole, and others follow it: closing it", open.path);
        Files.move(open.path, path);
        return new Segment(path, open.start, end, false);
    }

    /// The files of the log in `directory`, in order.
    static List<Segment> segments(Path directory) throws IOException {
        List<Segment> segments = new ArrayList<>();
        try (Stream<Path> files = Files.list(directory)) {
            for (Path path : files.toList()) {
                String name = String.valueOf(path.getFileName());
                Matcher closed = CLOSED.matcher(name);
                Matcher open = OPEN.matcher(name);
                if (closed.matches()) {
                    long start = Long.parseLong(closed.group(1));
                    segments.add(new Segment(path, start, Long.parseLong(closed.group(2)), false));
                } else if (open.matches()) {
                    segments.add(
                            new Segment(path, Long.parseLong(open.group(1)), Long.MAX_VALUE, true));
                }
            }
        }
        segments.sort(Comparator.comparingLong(Segment::start).thenComparing(Segment::open));
        return segments;
    }

    private long checkClosed(Segment segment) throws IOException, LogDamagedException {
        byte[] file = Files.readAllBytes(segment.path);
        if (!hasHeader(file)) {
            throw new LogDamagedException(segment.path + " does not begin as a log file");
        }
        int at = readFrames(segment, file);
        if (next != segment.end + 1) {
            throw new LogDamagedException(
                    segment.path + ": entry " + next + " at byte " + at + " is damaged or missing");
        }
        if (!isZero(file, at, file.length)) {
            throw new LogDamagedException(segment.path + ": unknown bytes at " + at);
        }
        return 0;
    }

    private long checkOpen(Segment segment) throws IOException, LogDamagedException {
        byte[] file = Files.readAllBytes(segment.path);
        if (!hasHeader(file)) {
            if (file.length > HEADER.length && !isZero(file, 0, file.length)
                    || !matchesPartOfHeader(file)) {
                throw new LogDamagedException(segment.path + " does not begin as a log file");
            }
            return cut(segment, file, 0);
        }
        int at = readFrames(segment, file);
        if (isZero(file, at, file.length)) {
            return 0;
        }
        int later = wholeFrameBehind(file, at);
        if (later >= 0) {
            throw new LogDamagedException(
                    segment.path
                            + ": entry "
                            + next
                            + " at byte "
                            + at
                            + " is damaged, but there is a whole one behind it, at byte "
                            + later);
        }
        if (SingleBitError.explains(file, at)) {
            throw new LogDamagedException(
                    segment.path + ": the last entry, " + next + ", has a flipped bit");
        }
        if (bitsSet(file, at) > 1 && !looksCutOff(file, at)) {
            throw new LogDamagedException(
                    segment.path
                            + ": what follows entry "
                            + (next - 1)
                            + " at byte "
                            + at
                            + " is neither an entry nor one that was cut off");
        }
        return cut(segment, file, at);
    }

    /// Reads whole entries that continue the log. Returns where the last one ends.
    private int readFrames(Segment segment, byte[] file) throws LogDamagedException {
        int at = HEADER.length;
        while (next <= segment.end) {
            LogFrame frame = LogFrame.read(file, at);
            if (frame == null) {
                break;
            }
            if (frame.index() != next || frame.term() < term) {
                throw new LogDamagedException(
                        segment.path
                                + ": at byte "
                                + at
                                + " entry "
                                + frame.index()
                                + " of term "
                                + frame.term()
                                + " follows entry "
                                + (next - 1)
                                + " of term "
                                + term);
            }
            term = frame.term();
            next++;
            at = frame.end();
        }
        return at;
    }

    private int wholeFrameBehind(byte[] file, int from) {
        for (int at = from + 1; at < file.length; at++) {
            if (file[at] == 0) {
                continue;
            }
            LogFrame.Extent extent = LogFrame.extent(file, at);
            if (extent != null
                    && LogFrame.plausible(file, extent, term, next - 1)
                    && LogFrame.syndrome(file, extent) == 0) {
                return at;
            }
        }
        return -1;
    }

    private static boolean looksCutOff(byte[] file, int at) {
        int boundary = Math.min(file.length, (at / SECTOR_BYTES + 1) * SECTOR_BYTES);
        if (isZero(file, at, boundary)) {
            return true;
        }
        LogFrame.Extent extent = LogFrame.extent(file, at);
        if (extent == null) {
            return LogFrame.endsInLength(file, at);
        }
        if (extent.end() > file.length
                || isZero(file, extent.end() - LogFrame.CHECKSUM_BYTES, extent.end())) {
            return true;
        }
        for (int sector = boundary; sector + SECTOR_BYTES <= extent.end(); sector += SECTOR_BYTES) {
            if (isZero(file, sector, sector + SECTOR_BYTES)) {
                return true;
            }
        }
        return false;
    }

    /// What ends here must not end before what was committed.
    private void checkReach() throws LogDamagedException {
        if (next <= mustReach) {
            throw new LogDamagedException(
                    "the log in "
                            + directory
                            + " ends with entry "
                            + (next - 1)
                            + ", but all up to "
                            + mustReach
                            + " was committed and durable here: its end is lost");
        }
    }

    private long cut(Segment segment, byte[] file, int at) throws IOException, LogDamagedException {
        checkReach();
        log.warn(
                "{}: cutting off {} bytes behind entry {}: a write that did not complete",
                segment.path,
                file.length - at,
                next - 1);
        try (FileChannel channel = FileChannel.open(segment.path, StandardOpenOption.WRITE)) {
            channel.truncate(at);
            channel.force(true);
        }
        return file.length - at;
    }

    private static boolean hasHeader(byte[] file) {
        return file.length >= HEADER.length
                && Arrays.equals(file, 0, HEADER.length, HEADER, 0, HEADER.length);
    }

    /// True for what the creation of a file may leave: nothing, zeroes, or a piece of the header.
    private static boolean matchesPartOfHeader(byte[] file) {
        int length = Math.min(file.length, HEADER.length);
        return isZero(file, 0, length) || Arrays.equals(file, 0, length, HEADER, 0, length);
    }

    private static boolean isZero(byte[] file, int from, int to) {
        for (int i = from; i < to; i++) {
            if (file[i] != 0) {
                return false;
            }
        }
        return true;
    }

    private static long bitsSet(byte[] file, int from) {
        long bits = 0;
        for (int i = from; i < file.length; i++) {
            bits += Integer.bitCount(file[i] & 0xff);
        }
        return bits;
    }
}
