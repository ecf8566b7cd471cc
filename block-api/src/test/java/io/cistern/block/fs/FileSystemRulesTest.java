package io.cistern.block.fs;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.fs.Call.Hold;
import io.cistern.block.fs.Call.OnceId;
import io.cistern.block.fs.Call.StateChange;
import io.cistern.block.fs.FileResults.Copied;
import io.cistern.block.fs.FileResults.Created;
import io.cistern.block.fs.FileResults.Listing;
import io.cistern.block.fs.FileResults.StateEntry;
import io.cistern.block.fs.SetAttributes.SetTime;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/// What the contract of [FileSystem] says, case by case.
class FileSystemRulesTest {
    private static final Call ROOT = Call.of(Credentials.ROOT);
    private static final Credentials ANN = new Credentials(1000, 100, List.of(200));
    private static final Credentials BOB = new Credentials(1001, 101, List.of());

    private final MemoryFileSystem fs =
            new MemoryFileSystem(0, InstantSource.fixed(Instant.ofEpochSecond(1_000, 7)));

    private static ByteString name(String text) {
        return ByteString.utf8(text);
    }

    private static void refused(CompletableFuture<?> request, FileError error) {
        assertThat(request).isCompletedExceptionally();
        assertThatThrownBy(request::join)
                .satisfies(e ->
                        assertThat(Objects.requireNonNull(FileException.of(e)).error())
                                .isEqualTo(error));
    }

    private Created create(String name, CreateMode how, @Nullable Long size) {
        SetAttributes set = SetAttributes.ofMode(0644);
        return fs.create(
                        ROOT, FileId.ROOT, name(name), how, size == null ? set : set.withSize(size))
                .join();
    }

    private FileId file(String name) {
        return create(name, CreateMode.GUARDED, null).file().id();
    }

    private FileId directory(FileId in, String name, int mode) {
        return fs.mkdir(ROOT, in, name(name), SetAttributes.ofMode(mode)).join().file().id();
    }

    private void write(FileId file, long offset, String text) {
        fs.write(ROOT, file, offset, name(text).buffer()).join();
    }

    private String read(FileId file, long offset, int length) {
        return ByteString.copyOf(fs.read(Credentials.ROOT, file, offset, length).join().bytes())
                .toString();
    }

    @Test
    void whatWasInABufferBeforeIsNotReadFromHoles() {
        FileId file = file("f");
        write(file, 10, "data");
        write(file, 300_000, "end");
        for (FileSystem reader : List.of(fs, fs.atOnce())) {
            byte[] used = new byte[400_000];
            Arrays.fill(used, (byte) 'x');
            ByteBuffer found =
                    reader.read(Credentials.ROOT, file, 0, ByteBuffer.wrap(used)).join().bytes();
            byte[] bytes = new byte[found.remaining()];
            found.get(bytes);
            byte[] expected = new byte[300_003];
            System.arraycopy("data".getBytes(US_ASCII), 0, expected, 10, 4);
            System.arraycopy("end".getBytes(US_ASCII), 0, expected, 300_000, 3);
            assertThat(bytes).isEqualTo(expected);
        }
    }

    @Test
    void anExclusiveCreateFindsItsOwnFileUntilAttributesAreSet() {
        Created first = create("f", new CreateMode.Exclusive(7), null);
        Created again = create("f", new CreateMode.Exclusive(7), null);
        assertThat(again.isNew()).isFalse();
        assertThat(again.file()).isEqualTo(first.file());
        CompletableFuture<Created> other =
                fs.create(
                        ROOT,
                        FileId.ROOT,
                        name("f"),
                        new CreateMode.Exclusive(8),
                        SetAttributes.NONE);
        refused(other, FileError.EXISTS);
        fs.setAttributes(ROOT, first.file().id(), SetAttributes.ofMode(0600), null).join();
        refused(
                fs.create(
                        ROOT,
                        FileId.ROOT,
                        name("f"),
                        new CreateMode.Exclusive(7),
                        SetAttributes.NONE),
                FileError.EXISTS);
    }

    @Test
    void anUncheckedCreateShortensWhatIsThere() {
        FileId file = file("f");
        write(file, 0, "hello world");
        Created again = create("f", CreateMode.UNCHECKED, 5L);
        assertThat(again.isNew()).isFalse();
        assertThat(again.file().size()).isEqualTo(5);
        assertThat(read(file, 0, 100)).isEqualTo("hello");
        write(file, 8, "x");
        assertThat(read(file, 0, 100)).isEqualTo("hello\uFFFD\uFFFD\uFFFDx");
    }

    @Test
    void aGuardedChangeNeedsTheCtimeItSaw() {
        Attributes a = create("f", CreateMode.GUARDED, null).file();
        fs.setAttributes(ROOT, a.id(), SetAttributes.ofMode(0600), a.ctimeNanos()).join();
        refused(
                fs.setAttributes(ROOT, a.id(), SetAttributes.ofMode(0644), a.ctimeNanos() - 1),
                FileError.CHANGED);
    }

    @Test
    void aDirectoryDoesNotGoBelowItself() {
        FileId a = directory(FileId.ROOT, "a", 0755);
        FileId b = directory(a, "b", 0755);
        directory(b, "c", 0755);
        refused(fs.rename(ROOT, FileId.ROOT, name("a"), b, name("x")), FileError.INVALID);
        refused(fs.rename(ROOT, FileId.ROOT, name("a"), a, name("x")), FileError.INVALID);
        fs.rename(ROOT, a, name("b"), FileId.ROOT, name("b")).join();
        assertThat(fs.lookup(Credentials.ROOT, b, name("..")).join().file().id())
                .isEqualTo(FileId.ROOT);
        assertThat(fs.attributes(a).join().links()).isEqualTo(2);
        assertThat(fs.attributes(FileId.ROOT).join().links()).isEqualTo(4);
        refused(fs.rmdir(ROOT, FileId.ROOT, name("b")), FileError.NOT_EMPTY);
        refused(fs.remove(ROOT, FileId.ROOT, name("b")), FileError.IS_DIRECTORY);
    }

    @Test
    void namesThatCannotBeAreRefused() {
        refused(
                fs.mkdir(ROOT, FileId.ROOT, name("x".repeat(256)), SetAttributes.NONE),
                FileError.NAME_TOO_LONG);
        fs.mkdir(ROOT, FileId.ROOT, name("x".repeat(255)), SetAttributes.NONE).join();
        for (String bad : List.of("", "a/b", "a\0b")) {
            refused(fs.mkdir(ROOT, FileId.ROOT, name(bad), SetAttributes.NONE), FileError.INVALID);
        }
        for (String taken : List.of(".", "..", ".snapshot")) {
            refused(fs.mkdir(ROOT, FileId.ROOT, name(taken), SetAttributes.NONE), FileError.EXISTS);
        }
        refused(
                fs.symlink(
                        ROOT, FileId.ROOT, name("l"), name("t".repeat(4097)), SetAttributes.NONE),
                FileError.NAME_TOO_LONG);
        ByteString raw = ByteString.of((byte) 0xff, (byte) 0xfe);
        fs.mkdir(ROOT, FileId.ROOT, raw, SetAttributes.NONE).join();
        assertThat(fs.lookup(Credentials.ROOT, FileId.ROOT, raw)).isCompleted();
    }

    @Test
    void filesOfASetGroupDirectoryGetItsGroup() {
        FileId dir = directory(FileId.ROOT, "d", 02777);
        fs.setAttributes(ROOT, dir, SetAttributes.NONE.withOwner(0, 300), null).join();
        Call bob = Call.of(BOB);
        Attributes made =
                fs.create(bob, dir, name("f"), CreateMode.GUARDED, SetAttributes.ofMode(02755))
                        .join()
                        .file();
        assertThat(made.gid()).isEqualTo(300);
        assertThat(made.mode()).isEqualTo(0755);
        Attributes sub = fs.mkdir(bob, dir, name("s"), SetAttributes.ofMode(0755)).join().file();
        assertThat(sub.mode()).isEqualTo(02755);
        assertThat(sub.gid()).isEqualTo(300);
    }

    @Test
    void aWriteByAnotherTakesTheSetUserBit() {
        FileId file =
                fs.create(
                                Call.of(ANN),
                                FileId.ROOT,
                                name("f"),
                                CreateMode.GUARDED,
                                SetAttributes.ofMode(06777))
                        .join()
                        .file()
                        .id();
        fs.write(Call.of(Credentials.ROOT), file, 0, name("a").buffer()).join();
        assertThat(fs.attributes(file).join().mode()).isEqualTo(06777);
        fs.write(Call.of(BOB), file, 0, name("b").buffer()).join();
        assertThat(fs.attributes(file).join().mode()).isEqualTo(0777);
    }

    @Test
    void timesOfTheServerNeedTheRightToWriteAndOthersOwnership() {
        FileId file = file("f");
        fs.setAttributes(ROOT, file, SetAttributes.ofMode(0666), null).join();
        SetAttributes server = SetAttributes.NONE.withTimes(SetTime.SERVER, SetTime.SERVER);
        SetAttributes given = SetAttributes.NONE.withTimes(SetTime.to(5), null);
        fs.setAttributes(Call.of(BOB), file, server, null).join();
        refused(fs.setAttributes(Call.of(BOB), file, given, null), FileError.NOT_PERMITTED);
        fs.setAttributes(ROOT, file, given, null).join();
        assertThat(fs.attributes(file).join().atimeNanos()).isEqualTo(5);
    }

    @Test
    void aRequestSeenBeforeReturnsItsFirstResultRefusalsToo() {
        Call once = Call.of(Credentials.ROOT, new OnceId(1, 2, 3, 0));
        Created first = fs.mkdir(once, FileId.ROOT, name("d"), SetAttributes.NONE).join();
        assertThat(fs.mkdir(once, FileId.ROOT, name("d"), SetAttributes.NONE).join())
                .isEqualTo(first);
        Call second = Call.of(Credentials.ROOT, new OnceId(1, 2, 3, 1));
        refused(fs.mkdir(second, FileId.ROOT, name("d"), SetAttributes.NONE), FileError.EXISTS);
        fs.rmdir(ROOT, FileId.ROOT, name("d")).join();
        refused(fs.mkdir(second, FileId.ROOT, name("d"), SetAttributes.NONE), FileError.EXISTS);
        Call next = Call.of(Credentials.ROOT, new OnceId(1, 2, 4, 0));
        assertThat(fs.mkdir(next, FileId.ROOT, name("d"), SetAttributes.NONE).join().isNew())
                .isTrue();
        fs.forgetClient(ROOT, 1).join();
        refused(fs.mkdir(next, FileId.ROOT, name("d"), SetAttributes.NONE), FileError.EXISTS);
    }

    @Test
    void stateChangesWithTheOperationOrNotAtAll() {
        List<StateChange> changes =
                List.of(
                        new StateChange(name("a/1"), name("x")),
                        new StateChange(name("a/2"), name("y")),
                        new StateChange(name("b"), name("z")));
        fs.mkdir(ROOT.withState(changes), FileId.ROOT, name("d"), SetAttributes.NONE).join();
        refused(
                fs.mkdir(
                        ROOT.withState(List.of(new StateChange(name("b"), null))),
                        FileId.ROOT,
                        name("d"),
                        SetAttributes.NONE),
                FileError.EXISTS);
        assertThat(fs.state(name("b")).join()).isEqualTo(name("z"));
        assertThat(fs.states(name("a/"), ByteString.EMPTY, 10).join())
                .extracting(StateEntry::key)
                .containsExactly(name("a/1"), name("a/2"));
        assertThat(fs.states(name("a/"), name("a/1"), 10).join())
                .extracting(StateEntry::value)
                .containsExactly(name("y"));
        fs.changeState(List.of(new StateChange(name("b"), null))).join();
        assertThat(fs.state(name("b")).join()).isNull();
    }

    @Test
    void anOpenFileOutlivesItsNameAndItsOwner() {
        FileId file = file("f");
        write(file, 0, "kept");
        fs.change(ROOT.withHolds(List.of(new Hold(file, 1, 1, true)))).join();
        fs.remove(ROOT, FileId.ROOT, name("f")).join();
        MemoryFileSystem next = fs.reopen();
        assertThatThrownBy(() -> fs.attributes(file).join())
                .satisfies(
                        e -> assertThat(CisternException.of(e).code()).isEqualTo(ErrorCode.FENCED));
        assertThat(next.attributes(file).join().links()).isZero();
        assertThat(next.read(Credentials.ROOT, file, 0, 10).join().bytes().remaining())
                .isEqualTo(4);
        next.change(ROOT.withHolds(List.of(new Hold(file, 1, 1, false)))).join();
        refused(next.attributes(file), FileError.STALE);
    }

    @Test
    void aRangeIsCopiedAPartAtATime() {
        FileId from = file("from");
        FileId to = file("to");
        fs.write(ROOT, from, 0, ByteBuffer.allocate(1 << 20)).join();
        write(from, 1 << 20, "end");
        long at = 0;
        while (true) {
            Copied part = fs.copy(ROOT, from, at, to, at + 1, Long.MAX_VALUE / 2).join();
            if (part.count() == 0) {
                break;
            }
            at += part.count();
        }
        assertThat(at).isEqualTo((1 << 20) + 3);
        assertThat(read(to, (1 << 20) + 1, 10)).isEqualTo("end");
        refused(fs.copy(ROOT, from, 0, from, 10, 100), FileError.INVALID);
    }

    @Test
    void filesReachEightExbibytes() {
        FileId file = file("f");
        long last = FileSystem.MAX_FILE_BYTES;
        write(file, last - 4, "last");
        assertThat(fs.attributes(file).join().size()).isEqualTo(last);
        assertThat(fs.attributes(file).join().usedBytes()).isEqualTo(4096);
        assertThat(fs.seek(Credentials.ROOT, file, 0, true).join()).isEqualTo(last - 4096);
        refused(fs.write(ROOT, file, last - 3, name("over").buffer()), FileError.TOO_LARGE);
        refused(
                fs.setAttributes(ROOT, file, SetAttributes.ofSize(last + 1), null),
                FileError.TOO_LARGE);
        write(file, 3L << 40, "three");
        fs.setAttributes(ROOT, file, SetAttributes.ofSize((3L << 40) + 2), null).join();
        assertThat(read(file, 3L << 40, 10)).isEqualTo("th");
        assertThat(fs.attributes(file).join().usedBytes()).isEqualTo(4096);
        fs.setAttributes(ROOT, file, SetAttributes.ofSize(0), null).join();
        assertThat(fs.attributes(file).join().usedBytes()).isZero();
        while (fs.clean().join()) {
            Thread.onSpinWait();
        }
        assertThat(fs.space().join().files()).isEqualTo(2);
    }

    /// More than one entry's worth of stretches of 16 MiB within one extent.
    @Test
    void aLongFileIsCutInSteps() {
        FileId file = file("f");
        long base = 1L << 34;
        for (int i = 0; i < 40; i++) {
            write(file, base + (long) i * (16 << 20), "data");
        }
        long size = base + 5L * (16 << 20) + 2;
        fs.setAttributes(ROOT, file, SetAttributes.ofSize(size), null).join();
        assertThat(fs.attributes(file).join().size()).isEqualTo(size);
        assertThat(fs.attributes(file).join().usedBytes()).isEqualTo(6 * 4096);
        fs.deallocate(ROOT, file, base, 1L << 40).join();
        assertThat(fs.attributes(file).join().usedBytes()).isZero();
        assertThat(fs.attributes(file).join().size()).isEqualTo(size);
    }

    @Test
    void aSnapshotIsSeenAndCannotBeChanged() {
        FileId file = file("f");
        write(file, 0, "old");
        fs.snapshot("one");
        write(file, 0, "new");
        FileId snapshots =
                fs.lookup(Credentials.ROOT, FileId.ROOT, FileSystem.SNAPSHOT_DIRECTORY)
                        .join()
                        .file()
                        .id();
        Listing listed = fs.list(Credentials.ROOT, snapshots, 0, 0, 10, true).join();
        assertThat(listed.entries())
                .extracting(FileResults.Entry::name)
                .containsExactly(name("one"));
        FileId then = listed.entries().getFirst().file();
        FileId old = fs.lookup(Credentials.ROOT, then, name("f")).join().file().id();
        assertThat(read(old, 0, 10)).isEqualTo("old");
        assertThat(read(file, 0, 10)).isEqualTo("new");
        refused(fs.write(ROOT, old, 0, name("x").buffer()), FileError.READ_ONLY);
        refused(fs.remove(ROOT, then, name("f")), FileError.READ_ONLY);
        assertThat(fs.access(Credentials.ROOT, old).join().write()).isFalse();
        assertThat(fs.lookup(Credentials.ROOT, then, name("..")).join().file().id())
                .isEqualTo(snapshots);
        refused(fs.rename(ROOT, then, name("f"), FileId.ROOT, name("g")), FileError.CROSS_DEVICE);
    }

    @Test
    void anEntryThatStaysIsListedOnceWhateverElseGoes() {
        for (int i = 0; i < 20; i++) {
            file("f" + i);
        }
        List<String> seen = new ArrayList<>();
        long cookie = 0;
        long verifier = 0;
        int removed = 0;
        while (true) {
            Listing page =
                    fs.list(Credentials.ROOT, FileId.ROOT, cookie, verifier, 3, false).join();
            page.entries().forEach(e -> seen.add(e.name().toString()));
            if (page.end()) {
                break;
            }
            cookie = page.entries().getLast().cookie();
            verifier = page.verifier();
            fs.remove(ROOT, FileId.ROOT, name("f" + removed++)).join();
            file("later" + removed);
        }
        assertThat(seen).doesNotHaveDuplicates();
        for (int i = removed; i < 20; i++) {
            assertThat(seen).contains("f" + i);
        }
        refused(
                fs.list(Credentials.ROOT, FileId.ROOT, 5, verifier + 2, 3, false),
                FileError.BAD_COOKIE);
    }

    @Test
    void extendedAttributesHaveLimits() {
        FileId file = file("f");
        fs.setXattr(ROOT, file, name("a"), name("1"), false).join();
        refused(fs.setXattr(ROOT, file, name("a"), name("1"), false), FileError.EXISTS);
        refused(fs.setXattr(ROOT, file, name("b"), name("1"), true), FileError.NO_ATTRIBUTE);
        refused(fs.removeXattr(ROOT, file, name("b")), FileError.NO_ATTRIBUTE);
        refused(
                fs.setXattr(ROOT, file, name("b"), name("x".repeat((64 << 10) + 1)), null),
                FileError.ATTRIBUTE_TOO_LARGE);
        ByteString largest = name("x".repeat(64 << 10));
        fs.setXattr(ROOT, file, name("b"), largest, null).join();
        assertThat(fs.xattr(Credentials.ROOT, file, name("b")).join()).isEqualTo(largest);
    }
}
