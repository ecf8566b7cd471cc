package io.cistern.storage;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.storage.Command.CreateSnapshots.Target;
import io.cistern.storage.Command.Limits;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// Long lines of descent: what nobody reads any more is given back, and depth costs little.
class LineageTest {
    private static final int GENERATIONS = 200;
    private static final int GRANULES = 8;

    private Rig rig;
    private Store store;

    @BeforeEach
    void open() throws IOException {
        rig = new Rig(new ArrayList<>());
        store = rig.store;
        Filler.fill(store, GRANULES);
        detach(Filler.VOLUME);
    }

    @AfterEach
    void close() throws IOException {
        rig.close();
    }

    private void detach(long volume) {
        VolumeState state = store.volume(volume);
        if (state != null) {
            state.attachments()
                    .forEach(a -> Filler.apply(store, new Command.Detach(volume, a.id())));
        }
    }

    private void snapshot(long volume, String name) {
        Outcome outcome =
                Filler.apply(
                        store, new Command.CreateSnapshots(List.of(new Target(volume, name)), 0));
        assertThat(outcome).isEqualTo(Outcome.DONE);
    }

    private int stamp(View view, long block) {
        ByteBuffer dst = ByteBuffer.allocate(4);
        store.read(view, block * Model.BLOCK, dst);
        return dst.getInt(0);
    }

    private long usedSlots() {
        rig.collectAll();
        store.checkpoint().join();
        return store.usage().usedBytes() / Slots.SLOT_BYTES;
    }

    @Test
    void rollbacksWhoseSafetySnapshotsAreDeletedLeaveNothingBehind() {
        for (int i = 1; i <= GENERATIONS; i++) {
            snapshot(Filler.VOLUME, "s" + i);
            long attachment = Filler.attach(store, Filler.VOLUME).value();
            Filler.write(store, attachment, i % (GRANULES * Slots.BLOCKS), 1000 + i);
            detach(Filler.VOLUME);
            assertThat(
                            Filler.apply(
                                    store,
                                    new Command.Rollback(Filler.VOLUME, "s" + i, "r" + i, 0)))
                    .isEqualTo(Outcome.DONE);
            attachment = Filler.attach(store, Filler.VOLUME).value();
            Filler.write(store, attachment, 3, i);
            detach(Filler.VOLUME);
        }
        View head = store.headView(Filler.VOLUME);
        assertThat(stamp(head, 3)).isEqualTo(GENERATIONS);
        assertThat(stamp(head, Slots.BLOCKS)).isEqualTo(2);
        assertThat(stamp(store.snapshotView(Filler.VOLUME, "r7"), 7)).isEqualTo(1007);
        for (int i = 1; i <= GENERATIONS; i++) {
            Filler.apply(store, new Command.DeleteSnapshot(Filler.VOLUME, "s" + i));
            Filler.apply(store, new Command.DeleteSnapshot(Filler.VOLUME, "r" + i));
        }
        assertThat(usedSlots()).isEqualTo(GRANULES);
        assertThat(stamp(head, 3)).isEqualTo(GENERATIONS);
        assertThat(stamp(head, Slots.BLOCKS)).isEqualTo(2);
        assertThat(stamp(head, 4)).isZero();
    }

    @Test
    void clonesOfClonesStayReadableAndGoWithTheirVolumes() {
        for (int i = 1; i <= GENERATIONS; i++) {
            snapshot(i, "s");
            Filler.apply(store, new Command.CloneVolume(i + 1, i, "s", Limits.NONE, 0));
        }
        View last = store.headView(GENERATIONS + 1);
        for (int g = 0; g < GRANULES; g++) {
            assertThat(stamp(last, (long) g * Slots.BLOCKS)).isEqualTo(g + 1);
        }
        assertThat(usedSlots()).isEqualTo(GRANULES);
        for (int i = GENERATIONS + 1; i >= 1; i--) {
            assertThat(Filler.apply(store, new Command.DeleteVolume(i))).isEqualTo(Outcome.DONE);
        }
        assertThat(usedSlots()).isZero();
    }

    @Test
    void deletingASnapshotFreesWhatTheLedgerSaid() {
        snapshot(Filler.VOLUME, "a");
        long attachment = Filler.attach(store, Filler.VOLUME).value();
        for (int b = 0; b < Slots.BLOCKS; b++) {
            Filler.write(store, attachment, b, 500 + b);
        }
        snapshot(Filler.VOLUME, "b");
        Filler.write(store, attachment, 17, 600);
        VolumeSpace space = store.space().getFirst();
        assertThat(space.usedBytes()).isEqualTo((GRANULES + 2) * (long) Slots.SLOT_BYTES);
        assertThat(space.snapshots().get(0).uniqueBytes()).isEqualTo(Slots.SLOT_BYTES);
        assertThat(space.snapshots().get(1).uniqueBytes()).isZero();
        assertThat(space.headUniqueBytes()).isEqualTo(Slots.SLOT_BYTES);
        Filler.apply(store, new Command.DeleteSnapshot(Filler.VOLUME, "a"));
        assertThat(usedSlots()).isEqualTo(GRANULES + 1);
    }

    @Test
    void zeroGivesBackWholeSlotsAtOnceAndSharedOnesWithTheirSnapshot() {
        long attachment = Filler.attach(store, Filler.VOLUME).value();
        snapshot(Filler.VOLUME, "a");
        long seq = store.applied().index() + 1;
        Filler.apply(
                store,
                new Command.Zero(
                        Filler.VOLUME, new Origin(attachment, seq, seq), 0, 1L << 39, true));
        assertThat(stamp(store.headView(Filler.VOLUME), 0)).isZero();
        assertThat(stamp(store.snapshotView(Filler.VOLUME, "a"), 0)).isEqualTo(1);
        assertThat(usedSlots()).isEqualTo(GRANULES);
        Filler.apply(store, new Command.DeleteSnapshot(Filler.VOLUME, "a"));
        assertThat(usedSlots()).isZero();
    }

    @Test
    void overwritesAfterTheLastSnapshotIsGoneTakeNoSlots() {
        snapshot(Filler.VOLUME, "s");
        Filler.apply(store, new Command.DeleteSnapshot(Filler.VOLUME, "s"));
        rig.collectAll();
        assertThat(store.slotsNeeded(Filler.VOLUME, 0, (long) GRANULES * Slots.SLOT_BYTES))
                .isZero();
        long attachment = Filler.attach(store, Filler.VOLUME).value();
        for (int g = 0; g < GRANULES; g++) {
            Filler.write(store, attachment, g * Slots.BLOCKS, 900 + g);
        }
        assertThat(usedSlots()).isEqualTo(GRANULES);
        View head = store.headView(Filler.VOLUME);
        assertThat(stamp(head, Slots.BLOCKS)).isEqualTo(901);
    }

    @Test
    void aDiscardAfterTheLastSnapshotIsGoneFreesItsSlots() {
        snapshot(Filler.VOLUME, "s");
        Filler.apply(store, new Command.DeleteSnapshot(Filler.VOLUME, "s"));
        rig.collectAll();
        long attachment = Filler.attach(store, Filler.VOLUME).value();
        Origin origin = new Origin(attachment, 1, 1);
        long length = (long) GRANULES * Slots.SLOT_BYTES;
        Filler.apply(store, new Command.Zero(Filler.VOLUME, origin, 0, length, true));
        assertThat(usedSlots()).isZero();
        assertThat(stamp(store.headView(Filler.VOLUME), Slots.BLOCKS)).isZero();
    }

    @Test
    void whatASnapshotStillShowsIsNotOverwritten() {
        snapshot(Filler.VOLUME, "a");
        snapshot(Filler.VOLUME, "b");
        Filler.apply(store, new Command.DeleteSnapshot(Filler.VOLUME, "b"));
        rig.collectAll();
        assertThat(store.slotsNeeded(Filler.VOLUME, 0, Slots.SLOT_BYTES)).isOne();
        long attachment = Filler.attach(store, Filler.VOLUME).value();
        Filler.write(store, attachment, 0, 900);
        assertThat(usedSlots()).isEqualTo(GRANULES + 1);
        assertThat(stamp(store.snapshotView(Filler.VOLUME, "a"), 0)).isEqualTo(1);
    }
}
