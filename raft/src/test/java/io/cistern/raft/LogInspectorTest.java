package io.cistern.raft;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.cistern.block.FileTrees;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.zip.CRC32C;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.lifecycle.AfterTry;
import net.jqwik.api.lifecycle.BeforeTry;
import org.apache.ratis.proto.RaftProtos.LogEntryProto;
import org.apache.ratis.proto.RaftProtos.StateMachineLogEntryProto;
import org.apache.ratis.thirdparty.com.google.protobuf.ByteString;
import org.apache.ratis.thirdparty.com.google.protobuf.CodedOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LogInspectorTest {
    private static final int FILL = 8192;

    /// A segment file under construction, and where its entries begin.
    private static final class Segment {
        final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        final List<Integer> offsets = new ArrayList<>();
        final long start;
        final boolean open;

        Segment(long start, boolean open) {
            this.start = start;
            this.open = open;
            bytes.writeBytes("RaftLog1".getBytes(java.nio.charset.StandardCharsets.US_ASCII));
        }

        long end() {
            return start + offsets.size() - 1;
        }

        void add(long term, byte[] data) {
            offsets.add(bytes.size());
            bytes.writeBytes(frame(term, start + offsets.size() - 1, data));
        }

        String name() {
            return open ? "log_inprogress_" + start : "log_" + start + "-" + end();
        }

        byte[] file() {
            byte[] written = bytes.toByteArray();
            return open ? Arrays.copyOf(written, written.length + FILL) : written;
        }
    }

    private Path directory = Path.of("unset");

    @BeforeTry
    void makeDirectory() throws IOException {
        directory = Files.createTempDirectory("log-inspector");
    }

    @AfterTry
    void deleteDirectory() throws IOException {
        FileTrees.delete(directory);
    }

    static byte[] frame(long term, long index, byte[] data) {
        byte[] entry =
                LogEntryProto.newBuilder()
                        .setTerm(term)
                        .setIndex(index)
                        .setStateMachineLogEntry(
                                StateMachineLogEntryProto.newBuilder()
                                        .setLogData(ByteString.copyFrom(data)))
                        .build()
                        .toByteArray();
        int head = CodedOutputStream.computeUInt32SizeNoTag(entry.length);
        byte[] frame = new byte[head + entry.length + 4];
        try {
            CodedOutputStream out = CodedOutputStream.newInstance(frame);
            out.writeUInt32NoTag(entry.length);
            out.writeRawBytes(entry);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
        CRC32C crc = new CRC32C();
        crc.update(frame, 0, frame.length - 4);
        ByteBuffer.wrap(frame).putInt(frame.length - 4, (int) crc.getValue());
        return frame;
    }

    private static byte[] data(Random random) {
        byte[] data = new byte[random.nextInt(3) == 0 ? random.nextInt(3000) : random.nextInt(40)];
        if (random.nextBoolean()) {
            random.nextBytes(data);
        }
        return data;
    }

    /// One to three segments, the last one open.
    private static List<Segment> randomLog(Random random) {
        List<Segment> segments = new ArrayList<>();
        long next = 0;
        long term = 1;
        int count = 1 + random.nextInt(3);
        for (int i = 1; i <= count; i++) {
            Segment segment = new Segment(next, i == count);
            int entries = 1 + random.nextInt(6);
            for (int e = 0; e < entries; e++) {
                segment.add(term, data(random));
            }
            term += random.nextInt(3);
            next = segment.end() + 1;
            segments.add(segment);
        }
        return segments;
    }

    private void write(List<Segment> segments) throws IOException {
        for (Segment segment : segments) {
            Files.write(directory.resolve(segment.name()), segment.file());
        }
    }

    private LogInspector.Result inspect() throws IOException, LogDamagedException {
        return LogInspector.inspect(directory, -1);
    }

    private void damaged(String saying) {
        assertThatThrownBy(this::inspect)
                .isInstanceOf(LogDamagedException.class)
                .hasMessageContaining(saying);
    }

    @Property(tries = 100)
    void aWholeLogIsLeftAsItIs(@ForAll long seed) throws Exception {
        List<Segment> segments = randomLog(new Random(seed));
        write(segments);
        LogInspector.Result result = inspect();
        assertThat(result.lastIndex()).isEqualTo(segments.getLast().end());
        assertThat(result.cutBytes()).isZero();
        for (Segment segment : segments) {
            assertThat(directory.resolve(segment.name())).hasBinaryContent(segment.file());
        }
    }

    /// No flipped bit, anywhere, loses an entry: the log is damaged, or nothing is missing.
    @Property(tries = 1500)
    void aFlippedBitLosesNothing(@ForAll long seed) throws Exception {
        Random random = new Random(seed);
        List<Segment> segments = randomLog(random);
        write(segments);
        Segment victim = segments.get(random.nextInt(segments.size()));
        byte[] file = victim.file();
        // Half of them in the last entry, where it looks most like a cut-off write.
        int from = random.nextBoolean() ? victim.offsets.getLast() : 0;
        int to = random.nextInt(8) == 0 ? file.length : victim.bytes.size();
        int at = from + random.nextInt(to - from);
        file[at] ^= (byte) (1 << random.nextInt(8));
        Files.write(directory.resolve(victim.name()), file);
        LogInspector.Result result;
        try {
            result = inspect();
        } catch (LogDamagedException expected) {
            return;
        }
        assertThat(at)
                .as("only the zero fill may have a flipped bit")
                .isGreaterThanOrEqualTo(victim.bytes.size());
        assertThat(result.lastIndex()).isEqualTo(segments.getLast().end());
    }

    /// A write that a power cut or a kill cut off is cut away, and no entry before it.
    @Property(tries = 1000)
    void aCutOffWriteIsCutAway(@ForAll long seed, @ForAll @IntRange(max = 3) int kind)
            throws Exception {
        Random random = new Random(seed);
        List<Segment> segments = randomLog(random);
        Segment open = segments.getLast();
        long acknowledged = open.end();
        int start = open.bytes.size();
        byte[] last = new byte[1 + random.nextInt(3000)];
        random.nextBytes(last);
        open.add(9, last);
        write(segments);
        byte[] file = open.file();
        int end = open.bytes.size();
        int firstSector = (start / 512 + 1) * 512;
        byte[] torn;
        switch (kind) {
            case 0 -> torn = Arrays.copyOf(file, start + 1 + random.nextInt(end - start - 1));
            case 1 -> {
                torn = file;
                Arrays.fill(torn, start + random.nextInt(end - start - 3), end, (byte) 0);
            }
            case 2 -> {
                torn = file;
                Arrays.fill(torn, start, Math.min(end, firstSector), (byte) 0);
            }
            default -> {
                if (firstSector + 512 > end) {
                    return;
                }
                torn = file;
                int sectors = (end - firstSector) / 512;
                int hole = firstSector + 512 * random.nextInt(sectors);
                Arrays.fill(torn, hole, hole + 512, (byte) 0);
            }
        }
        Files.write(directory.resolve(open.name()), torn);
        LogInspector.Result result = inspect();
        assertThat(result.lastIndex()).isEqualTo(acknowledged);
        // What was cut is gone: a second look finds a whole log.
        assertThat(inspect().cutBytes()).isZero();
        assertThat(Files.readAllBytes(directory.resolve(open.name())))
                .startsWith(Arrays.copyOf(open.bytes.toByteArray(), start));
    }

    /// A file that was cut short anywhere: what is left is a prefix, or the log is damaged.
    @Property(tries = 500)
    void aCutFileLeavesAPrefix(@ForAll long seed) throws Exception {
        Random random = new Random(seed);
        List<Segment> segments = randomLog(random);
        write(segments);
        Segment victim = segments.get(random.nextInt(segments.size()));
        int size = random.nextInt(victim.bytes.size());
        Files.write(directory.resolve(victim.name()), Arrays.copyOf(victim.file(), size));
        try {
            LogInspector.Result result = inspect();
            assertThat(victim.open).as("a closed file is whole").isTrue();
            long whole = victim.offsets.stream().skip(1).filter(o -> o <= size).count();
            assertThat(result.lastIndex())
                    .isBetween(victim.start + whole - 1, victim.start + whole);
        } catch (LogDamagedException expected) {
            assertThat(victim.open).isFalse();
        }
    }

    @Property(tries = 300)
    void garbageNeverPassesAsEntries(@ForAll byte[] garbage) throws Exception {
        Segment open = new Segment(0, true);
        open.add(1, new byte[10]);
        open.bytes.writeBytes(garbage);
        write(List.of(open));
        try {
            assertThat(inspect().lastIndex()).isZero();
        } catch (LogDamagedException expected) {
            assertThat(garbage).isNotEmpty();
        }
    }

    /// The shortest piece of an entry there can be: the first byte of a length of two.
    @Test
    void aFileThatEndsWithinALengthIsCutAway(@TempDir Path temporary) throws Exception {
        directory = temporary;
        Segment open = new Segment(0, true);
        open.add(1, new byte[10]);
        int start = open.bytes.size();
        open.add(1, new byte[300]);
        Files.write(directory.resolve(open.name()), Arrays.copyOf(open.file(), start + 1));
        LogInspector.Result result = inspect();
        assertThat(result.lastIndex()).isZero();
        assertThat(result.cutBytes()).isEqualTo(1);
    }

    @Test
    void damageBeforeAWholeEntryIsNotACutOffWrite(@TempDir Path temporary) throws Exception {
        directory = temporary;
        Segment open = new Segment(0, true);
        for (int i = 0; i < 3; i++) {
            open.add(1, new byte[2000]);
        }
        byte[] file = open.file();
        // A sector of the middle entry reads as zeroes, as a cut-off write might leave it.
        Arrays.fill(file, open.offsets.get(1), open.offsets.get(1) + 1024, (byte) 0);
        Files.write(directory.resolve(open.name()), file);
        damaged("there is a whole one behind it");
    }

    @Test
    void aLastEntryWithZeroSectorsIsNotTakenForACutOffWrite(@TempDir Path temporary)
            throws Exception {
        directory = temporary;
        Segment open = new Segment(0, true);
        open.add(1, new byte[10]);
        open.add(1, new byte[8192]);
        byte[] file = open.file();
        for (int at = open.offsets.get(1); at < open.bytes.size(); at += 97) {
            file[at] ^= 4;
            Files.write(directory.resolve(open.name()), file);
            damaged("flipped bit");
            file[at] ^= 4;
        }
    }

    @Test
    void missingFilesAndGapsAreDamage(@TempDir Path temporary) throws Exception {
        directory = temporary;
        Segment first = new Segment(0, false);
        first.add(1, new byte[10]);
        Segment second = new Segment(1, false);
        second.add(1, new byte[10]);
        Segment third = new Segment(2, true);
        third.add(2, new byte[10]);
        write(List.of(second, third));
        damaged("log files are missing");
        assertThat(LogInspector.inspect(directory, 0).firstIndex()).isEqualTo(1);
        write(List.of(first));
        assertThat(inspect().lastIndex()).isEqualTo(2);
        Files.delete(directory.resolve(second.name()));
        damaged("begins at 2 instead of 1");
    }

    /// A power cut may keep the file that follows and take the name of a closed one back.
    @Test
    void aWholeFileThatOthersFollowIsClosed(@TempDir Path temporary) throws Exception {
        directory = temporary;
        Segment first = new Segment(0, true);
        first.add(1, new byte[10]);
        first.add(1, new byte[10]);
        Segment second = new Segment(2, true);
        second.add(2, new byte[10]);
        write(List.of(first, second));
        assertThat(inspect().lastIndex()).isEqualTo(2);
        assertThat(directory.resolve("log_0-1")).exists();
        assertThat(directory.resolve("log_inprogress_0")).doesNotExist();
        assertThat(inspect().lastIndex()).isEqualTo(2);
        Files.move(directory.resolve("log_0-1"), directory.resolve("log_inprogress_0"));
        byte[] bytes = Files.readAllBytes(directory.resolve("log_inprogress_0"));
        Arrays.fill(bytes, first.offsets.get(1), bytes.length, (byte) 0);
        Files.write(directory.resolve("log_inprogress_0"), bytes);
        damaged("entry 1");
        assertThat(directory.resolve("log_inprogress_0")).exists();
    }

    /// What is kept for others alone.
    @Test
    void damageInWhatTheCheckpointCoversCostsOnlyTheLogUpToThere(@TempDir Path temporary)
            throws Exception {
        directory = temporary;
        List<Segment> segments = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            Segment segment = new Segment(2L * i, i == 3);
            segment.add(1, new byte[10]);
            segment.add(1, new byte[10]);
            segments.add(segment);
        }
        write(segments);
        Path bad = directory.resolve(segments.get(1).name());
        byte[] file = Files.readAllBytes(bad);
        file[file.length / 2] ^= 1;
        Files.write(bad, file);
        assertThatThrownBy(() -> LogInspector.inspect(directory, 2))
                .isInstanceOf(LogDamagedException.class);
        assertThatThrownBy(() -> LogInspector.inspectWhole(directory))
                .isInstanceOf(LogDamagedException.class);
        assertThat(LogInspector.segments(directory)).hasSize(4);
        assertThat(LogInspector.inspect(directory, 3))
                .isEqualTo(new LogInspector.Result(4, 7, 1, 0));
        assertThat(LogInspector.segments(directory))
                .extracting(LogInspector.Segment::start)
                .containsExactly(4L, 6L);
    }

    @Test
    void aLogThatEndsBeforeTheStateIsDropped(@TempDir Path temporary) throws Exception {
        directory = temporary;
        Segment open = new Segment(3, true);
        open.add(2, new byte[10]);
        open.add(2, new byte[10]);
        write(List.of(open));
        assertThat(LogInspector.inspect(directory, 4).firstIndex()).isEqualTo(3);
        assertThat(LogInspector.inspectWhole(directory))
                .isEqualTo(new LogInspector.Result(3, 4, 2, 0));
        assertThat(LogInspector.segments(directory)).hasSize(1);
        assertThat(LogInspector.inspect(directory, 5))
                .isEqualTo(new LogInspector.Result(6, 5, 2, 0));
        assertThat(LogInspector.segments(directory)).isEmpty();
    }

    @Test
    void aFileWhoseCreationWasCutOffIsEmpty(@TempDir Path temporary) throws Exception {
        directory = temporary;
        Segment closed = new Segment(0, false);
        closed.add(1, new byte[10]);
        write(List.of(closed));
        Path open = directory.resolve("log_inprogress_1");
        for (byte[] left :
                List.of(new byte[0], new byte[4096], new byte[] {'R', 'a', 'f'}, new byte[3])) {
            Files.write(open, left);
            assertThat(inspect().lastIndex()).isZero();
        }
        Files.write(open, new byte[] {'R', 'a', 'g'});
        damaged("does not begin as a log file");
    }

    @Test
    void aRepeatedOrSkippedIndexIsDamage(@TempDir Path temporary) throws Exception {
        directory = temporary;
        Segment open = new Segment(0, true);
        open.add(1, new byte[10]);
        open.bytes.writeBytes(frame(1, 2, new byte[5]));
        write(List.of(open));
        damaged("entry 2 of term 1 follows entry 0");
    }

    /// A process that was killed leaves entries that were written and not synced. Ratis takes what
    /// it reads at its start for durable, so it has to be by then.
    @Test
    void whatIsFoundIsMadeDurable(@TempDir Path log) throws Exception {
        Segment closed = new Segment(0, false);
        closed.add(1, new byte[10]);
        Segment open = new Segment(1, true);
        open.add(1, new byte[20]);
        for (Segment segment : List.of(closed, open)) {
            Files.write(log.resolve(segment.name()), segment.file());
        }
        List<Path> synced = new ArrayList<>();
        LogInspector.inspect(log, -1, synced::add);
        assertThat(synced).contains(log.resolve(closed.name()), log.resolve(open.name()), log);
        assertThat(LogInspector.inspect(log, -1).lastIndex()).isEqualTo(1);
    }
}
