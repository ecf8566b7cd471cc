package io.cistern.storage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.cistern.block.fs.WouldBlockException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicLongArray;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Rows of shares that are found without asking the map.
class CachedRowsTest {
    private static final long GROUP = 3;
    private static final int ROWS = 8;
    private static final int CHANGES = 20_000;
    private static final long SEED = 20261129;

    @TempDir Path directory;
    private MapRows map;
    private FileRows rows;
    private Branch branch;
    private final AtomicLongArray completed = new AtomicLongArray(ROWS);
    private final AtomicBoolean over = new AtomicBoolean();
    private final AtomicLong atOnce = new AtomicLong();

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

    private static byte[] key(int row) {
        return new byte[] {1, (byte) row};
    }

    private void put(int row, long value) {
        byte[] bytes = ByteBuffer.allocate(8).putLong(value).array();
        rows.change(() -> rows.put(branch, branch.head, key(row), bytes));
    }

    private byte @Nullable [] getAtOnce(int row) {
        return rows.getAtOnce(branch, branch.head, key(row));
    }

    private byte @Nullable [] get(int row) {
        return rows.get(branch, branch.head, key(row));
    }

    @Test
    void rowsOfTheMapAreAtHandOnceSomebodyHasReadThem() {
        put(0, 5);
        assertThat(getAtOnce(0)).as("changed since the checkpoint").hasSize(8);
        map.checkpoint();
        assertThatThrownBy(() -> getAtOnce(0)).isInstanceOf(WouldBlockException.class);
        byte[] read = Objects.requireNonNull(get(0));
        assertThat(getAtOnce(0)).isEqualTo(read);
        assertThat(get(1)).isNull();
        assertThat(getAtOnce(1)).as("known not to be there").isNull();

        put(1, 6);
        map.checkpoint();
        assertThatThrownBy(() -> getAtOnce(1)).isInstanceOf(WouldBlockException.class);
        assertThat(get(1)).isNotNull();
        rows.change(() -> rows.delete(branch, branch.head, key(1)));
        map.checkpoint();
        assertThat(get(1)).isNull();
        assertThat(getAtOnce(1)).isNull();

        branch.addRef(branch.head); // a snapshot
        branch.head++;
        assertThatThrownBy(() -> getAtOnce(0)).isInstanceOf(WouldBlockException.class);
        assertThat(get(0)).isEqualTo(read);
        assertThat(getAtOnce(0)).isEqualTo(read);
        put(0, 9);
        map.checkpoint();
        assertThat(get(0)).isNotEqualTo(read);
        assertThat(rows.get(branch, branch.head - 1, key(0))).isEqualTo(read);
        assertThat(get(0)).isNotEqualTo(read);
    }

    @Test
    void nobodySeesARowOlderThanWhatHadCompletedBefore() {
        for (int i = 0; i < ROWS; i++) {
            put(i, 0);
        }
        List<CompletableFuture<Void>> readers = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            Random random = new Random(SEED + i);
            readers.add(CompletableFuture.runAsync(() -> read(random), Thread::startVirtualThread));
        }
        try {
            for (int n = 1; n <= CHANGES || atOnce.get() == 0; n++) {
                put(n % ROWS, n);
                completed.set(n % ROWS, n);
                if (n % 40 == 0) {
                    map.checkpoint();
                }
            }
        } finally {
            over.set(true);
        }
        readers.forEach(CompletableFuture::join);
    }

    private void read(Random random) {
        while (!over.get()) {
            int row = random.nextInt(ROWS);
            long least = completed.get(row);
            byte[] found;
            try {
                found = rows.stillAtOnce(() -> Objects.requireNonNull(getAtOnce(row)));
                atOnce.incrementAndGet();
            } catch (WouldBlockException e) {
                found = rows.still(() -> Objects.requireNonNull(get(row)));
            }
            assertThat(ByteBuffer.wrap(found).getLong())
                    .as("row %s, seed %s", row, SEED)
                    .isGreaterThanOrEqualTo(least);
        }
    }
}
