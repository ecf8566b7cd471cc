package io.cistern.storage;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.block.fs.ByteString;
import io.cistern.block.fs.Call;
import io.cistern.block.fs.CreateMode;
import io.cistern.block.fs.Credentials;
import io.cistern.block.fs.FileId;
import io.cistern.block.fs.FileType;
import io.cistern.block.fs.SetAttributes;
import io.cistern.block.fs.engine.BlockSpace;
import io.cistern.block.fs.engine.Evaluator;
import io.cistern.block.fs.engine.FileOp;
import io.cistern.block.fs.engine.FileRequest;
import io.cistern.block.fs.engine.Reply;
import io.cistern.block.fs.engine.RowKeys;
import io.cistern.block.fs.engine.Rows;
import io.cistern.block.fs.engine.Rows.RowCursor;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Lists whose rows are taken away from the first on.
class RowFrontsTest {
    private static final long GROUP = 3;
    private static final long VOLUME = 1;
    private static final int FILES = Integer.getInteger("cistern.test.files", 3_000);

    private static final BlockSpace NOWHERE =
            new BlockSpace() {
                @Override
                public void write(long offset, int[] crcs, ByteBuffer data) {}

                @Override
                public void zero(long offset, long length) {}
            };

    @TempDir Path directory;
    private MapRows map;
    private FileRows rows;
    private Branch branch;
    private long index;

    @BeforeEach
    void open() {
        map = new MapRows(directory, GROUP);
        rows = map.rows;
        branch = map.branch;
    }

    @AfterEach
    void close() {
        map.close();
    }

    private Rows head(boolean locked) {
        return ShareViews.rows(rows, VOLUME, branch, branch.head, locked);
    }

    private Reply change(FileOp op) {
        index++;
        FileRequest request = new FileRequest(op, Call.of(Credentials.ROOT), index);
        Evaluator.Result result = Evaluator.evaluate(head(true), request, List.of(), index);
        assertThat(result.reply().error()).isNull();
        rows.change(() ->
                result.effects()
                        .commit(
                                NOWHERE,
                                (key, value) -> {
                                    if (!RowKeys.isContent(key)) {
                                        rows.putOwn(VOLUME, key, value);
                                    } else if (value == null) {
                                        rows.delete(branch, branch.head, key);
                                    } else {
                                        rows.put(branch, branch.head, key, value);
                                    }
                                }));
        return result.reply();
    }

    private static ByteString name(int i) {
        return ByteString.utf8("f" + i);
    }

    private void make(int i) {
        Reply made =
                change(
                        new FileOp.Make(
                                FileId.ROOT,
                                name(i),
                                FileType.REGULAR,
                                CreateMode.GUARDED,
                                SetAttributes.ofMode(0644),
                                ByteString.EMPTY,
                                0,
                                0));
        change(new FileOp.Allocate(made.attributes().getFirst().id(), 0, 4096));
    }

    private void remove(int i) {
        change(new FileOp.Remove(FileId.ROOT, name(i), false));
    }

    private void clean() {
        while (change(new FileOp.Clean()).values().getFirst() == 1) {
            Thread.onSpinWait();
        }
    }

    private void measure(String what, int times, Runnable task) {
        long before = rows.scanned().sum();
        long begun = System.nanoTime();
        task.run();
        long nanos = System.nanoTime() - begun;
        double passed = (rows.scanned().sum() - before) / (double) times;
        System.out.printf(
                "%s: %.1f us and %.1f rows looked at each%n", what, nanos / 1e3 / times, passed);
        assertThat(passed).as(what).isLessThan(30);
    }

    @Test
    void takingExtentsAgainAfterManyDeletionsLooksAtFewRows() {
        change(new FileOp.Format(0));
        measure("first extents", FILES, () -> all(this::make));
        measure("removals", FILES, () -> all(this::remove));
        measure("emptying", FILES, this::clean);
        measure("extents taken again", FILES, () -> all(this::make));
        remove(5);
        clean();
        measure(
                "one taken, another given up",
                200,
                () -> {
                    for (int i = 0; i < 200; i++) {
                        make(i == 0 ? 5 : FILES + i);
                        make(FILES + 1_000 + i);
                        remove(FILES + 1_000 + i);
                        clean();
                    }
                });
        map.checkpoint();
        remove(7);
        clean();
        measure("after a checkpoint", 1, () -> make(7));
    }

    private static void all(java.util.function.IntConsumer task) {
        for (int i = 0; i < FILES; i++) {
            task.accept(i);
        }
    }

    private static byte[] free(int extentClass, int number) {
        return ByteBuffer.allocate(10)
                .put((byte) 'F')
                .put((byte) extentClass)
                .putLong(number)
                .array();
    }

    private static List<List<Byte>> keys(RowCursor cursor) {
        List<List<Byte>> found = new ArrayList<>();
        try (cursor) {
            while (cursor.next()) {
                List<Byte> key = new ArrayList<>();
                for (byte b : cursor.key()) {
                    key.add(b);
                }
                for (byte b : cursor.value()) {
                    key.add(b);
                }
                found.add(key);
            }
        }
        return found;
    }

    @Test
    void rowsThatACopyOfAReplicaBroughtAreFound() {
        byte[] prefix = {'F', 3};
        rows.change(() -> rows.put(branch, branch.head, free(3, 5), new byte[0]));
        assertThat(keys(head(true).scan(prefix, null))).hasSize(1);
        byte[] brought = FileKeys.content(GROUP, branch.id, free(3, 1), branch.head);
        rows.change(() -> rows.store(brought, FileKeys.stored(new byte[0])));
        branch.reset(); // as the end of a copy does
        branch.head = Branch.FIRST_EPOCH;
        assertThat(keys(head(true).scan(prefix, null))).hasSize(2);
        assertThat(keys(head(true).scan(prefix, null))).hasSize(2);
    }

    @Test
    void whatIsFoundIsWhatTheStoreHas() {
        long seed = System.nanoTime();
        Random random = new Random(seed);
        byte[] prefix = {'F', 3};
        for (int step = 0; step < 4_000; step++) {
            int which = random.nextInt(100);
            if (which == 0) {
                map.checkpoint();
            } else if (which == 1) {
                branch.addRef(branch.head); // a snapshot
                branch.head++;
            } else if (which < 10) {
                int from = random.nextInt(4_000);
                rows.change(() -> {
                    for (int i = from; i < from + 40; i++) {
                        rows.put(branch, branch.head, free(3, i), new byte[] {(byte) i});
                    }
                });
            } else if (which < 60) {
                // as the front is used: the first are taken away
                List<byte[]> taken = new ArrayList<>();
                try (RowCursor first = head(true).scan(prefix, null)) {
                    while (taken.size() < 8 && first.next()) {
                        taken.add(first.key());
                    }
                }
                rows.change(() -> taken.forEach(k -> rows.delete(branch, branch.head, k)));
            } else {
                byte[] key = free(random.nextInt(8) == 0 ? 4 : 3, random.nextInt(4_000));
                boolean put = random.nextBoolean();
                rows.change(() -> {
                    if (put) {
                        rows.put(branch, branch.head, key, new byte[0]);
                    } else {
                        rows.delete(branch, branch.head, key);
                    }
                });
            }
            if (step % 16 == 0) {
                List<List<Byte>> stored =
                        keys(new FileCursor(rows, branch, branch.head, prefix, null));
                assertThat(keys(head(random.nextBoolean()).scan(prefix, null)))
                        .as("seed %d, step %d", seed, step)
                        .isEqualTo(stored);
            }
        }
    }
}
