package io.cistern.storage;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.block.Crc32c;
import io.cistern.storage.Command.AttachMode;
import io.cistern.storage.Command.CreateSnapshots.Target;
import io.cistern.storage.Command.Limits;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.rocksdb.RocksDBException;

/// The slots a disk has given out, against those that rows name.
class BooksTest {
    private static final int GRANULES = 40;

    private Rig rig;
    private long index;

    @BeforeEach
    void start() throws IOException {
        rig = new Rig(new ArrayList<>());
        apply(new Command.CreateVolume(1, 64L << 20, Limits.NONE, 1));
        apply(new Command.Attach(1, AttachMode.EXCLUSIVE, 1, 1, "me", 1));
        for (int i = 0; i < GRANULES; i++) {
            write(i, i + 1);
        }
        apply(new Command.CreateSnapshots(List.of(new Target(1, "s")), 1));
        apply(new Command.CloneVolume(2, 1, "s", Limits.NONE, 1));
        write(3, 100);
    }

    @AfterEach
    void stop() throws IOException {
        rig.close();
    }

    private void apply(Command command) {
        index++;
        assertThat(rig.store.apply(index, 1, command).error()).isNull();
        rig.store.advance(index, 1);
    }

    private void write(long granule, int stamp) {
        ByteBuffer data = ByteBuffer.allocate(Model.BLOCK);
        Model.fill(data, stamp);
        data.flip();
        apply(
                new Command.Write(
                        1,
                        new Origin(2, 0, 0),
                        0,
                        granule * Slots.SLOT_BYTES,
                        Crc32c.ofBlocks(data),
                        data));
    }

    private BooksReport check() {
        return rig.disk.checkBooks(worked -> {});
    }

    private long used() {
        return rig.disk.capacityBytes() - rig.disk.freeBytes();
    }

    @Test
    void booksAreEqual() {
        BooksReport report = check();
        assertThat(report.clean()).isTrue();
        assertThat(report.slots()).isEqualTo(GRANULES + 1);
        apply(new Command.DeleteVolume(2));
        apply(new Command.DeleteSnapshot(1, "s"));
        rig.collectAll();
        assertThat(check().clean()).as("with freed slots waiting for a checkpoint").isTrue();
        assertThat(check().slots()).isEqualTo(GRANULES);
    }

    @Test
    void slotsThatBelongToNobodyAreFreed() {
        long before = used();
        Tamper.leak(rig.store, 3);
        assertThat(used()).isEqualTo(before + 3 * Slots.SLOT_BYTES);
        BooksReport report = check();
        assertThat(report.leaked()).isEqualTo(3);
        assertThat(report.freed()).isEqualTo(3);
        assertThat(report.clean()).isFalse();
        assertThat(used()).isEqualTo(before);
        assertThat(check().clean()).isTrue();
    }

    @Test
    void aSlotThatIsNamedAndNotGivenOutIsMarked() {
        long before = used();
        Tamper.unmark(rig.store);
        BooksReport report = check();
        assertThat(report.marked()).isEqualTo(1);
        assertThat(used()).isEqualTo(before);
        assertThat(check().clean()).isTrue();
    }

    @Test
    void aSlotThatTwoRowsNameIsReported() throws RocksDBException {
        Tamper.share(rig.store);
        BooksReport report = check();
        assertThat(report.shared()).hasSize(1);
        assertThat(report.shared().getFirst().groups()).containsExactly(Rig.GROUP);
        // The other row's slot is named by nobody any more.
        assertThat(report.leaked()).isEqualTo(1);
    }

    @Test
    void aCopyUnderWayLeavesTheBooksOpen() {
        rig.store.importBegin();
        assertThat(check().complete()).isFalse();
    }

    /// The last free slot is taken each time after the group was looked at, for another row: it is
    /// given out and named by none of the rows looked at, two times running.
    @Test
    void aSlotThatIsTakenAfterTheLookIsNotFreed() {
        int perExtent = (4 << 20) / Slots.SLOT_BYTES;
        for (int i = GRANULES + 1; i < perExtent - 1; i++) {
            write(100 + i, i);
        }
        assertThat(check().slots()).isEqualTo(perExtent - 1);
        AtomicLong looks = new AtomicLong();
        BooksReport report =
                rig.disk.checkBooks(worked -> {
                    write(900, 1000);
                    if (looks.incrementAndGet() == 1) {
                        apply(
                                new Command.Zero(
                                        1,
                                        new Origin(2, 0, 0),
                                        900L * Slots.SLOT_BYTES,
                                        Slots.SLOT_BYTES,
                                        true));
                    }
                });
        assertThat(report.clean()).isTrue();
        assertThat(check().clean()).isTrue();
    }

    /// What was found is put right in one step with the question whether it has changed hands: a
    /// slot that was free to take, and has been taken, given back or marked since, is left alone.
    @Test
    void slotsThatHaveChangedHandsSinceTheLookAreLeftAlone() {
        SlotArea area = Tamper.area(rig.store);
        long taken = Tamper.unmark(rig.store);
        area.watch();
        BitSet unmarked = new BitSet();
        unmarked.set((int) taken);
        while (area.allocate() != taken) {
            // until somebody else has the slot, too
        }
        area.release(taken);
        assertThat(area.settle(new BitSet(), unmarked).isEmpty())
                .as("taken and given back")
                .isTrue();
        area.watch();
        assertThat(area.settle(new BitSet(), unmarked).get((int) taken)).isTrue();
        BitSet leaked = new BitSet();
        long leak = area.allocate();
        leaked.set((int) leak);
        assertThat(area.settle(leaked, new BitSet()).isEmpty()).as("just taken").isTrue();
        area.watch();
        assertThat(area.settle(leaked, new BitSet()).get((int) leak)).isTrue();
        area.unwatch();
    }

    /// Slots that come and go while the books are compared are nobody's leak.
    @Test
    void booksAreEqualWhileSlotsComeAndGo() throws Exception {
        long seed = new Random().nextLong();
        Random random = new Random(seed);
        AtomicBoolean running = new AtomicBoolean(true);
        AtomicLong rounds = new AtomicLong();
        Thread writer =
                Thread.ofPlatform()
                        .start(() -> {
                            int names = 0;
                            while (running.get()) {
                                for (int i = 0; i < 20; i++) {
                                    write(random.nextInt(GRANULES), ++names);
                                }
                                String name = "t" + ++names;
                                apply(new Command.CreateSnapshots(List.of(new Target(1, name)), 1));
                                write(random.nextInt(GRANULES), ++names);
                                apply(new Command.DeleteSnapshot(1, name));
                                rig.store.collect(1_000_000);
                                rounds.incrementAndGet();
                            }
                        });
        try {
            int complete = 0;
            while (complete < 30 || rounds.get() < 30) {
                BooksReport report = check();
                assertThat(report.leaked()).as("seed %s", seed).isZero();
                assertThat(report.marked()).as("seed %s", seed).isZero();
                assertThat(report.shared()).as("seed %s", seed).isEmpty();
                complete += report.complete() ? 1 : 0;
            }
        } finally {
            running.set(false);
            writer.join();
        }
    }
}
