package io.cistern.storage;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.block.Crc32c;
import io.cistern.block.GuardedDevice.SharedRecord;
import io.cistern.storage.Command.AttachMode;
import io.cistern.storage.Command.CreateSnapshots.Target;
import io.cistern.storage.Command.Limits;
import io.cistern.storage.Rig.Entry;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.ShrinkingMode;
import org.jspecify.annotations.Nullable;

/// Random histories of everything a store does, against a plain model, with crashes at any point
/// and replicas copied from one another in mid-flight.
class StoreModelTest {
    private static final int BLOCKS = 40 * Slots.BLOCKS;
    private static final int MOST_VOLUMES = 5;

    /// Writes that a client leaves open.
    private static final int OPEN = 20;

    private static final class Run implements AutoCloseable {
        final Random random;
        final List<Entry> log = new ArrayList<>();
        final Model model = new Model();
        Rig rig;
        @Nullable Rig other;
        long index;
        long volumes;
        int stamps;
        int names;

        Run(long seed) throws IOException {
            random = new Random(seed);
            rig = new Rig(log);
        }

        @Override
        public void close() throws IOException {
            rig.close();
            if (other != null) {
                other.close();
            }
        }

        Outcome apply(Command command) {
            index++;
            Outcome outcome = rig.store.apply(index, 1, command);
            rig.store.advance(index, 1);
            log.add(new Entry(index, command, outcome));
            assertThat(outcome.error()).as("%s", command).isEqualTo(model.apply(index, command));
            return outcome;
        }

        long pick() {
            List<Long> ids = List.copyOf(model.volumes.keySet());
            return ids.get(random.nextInt(ids.size()));
        }

        @Nullable String pickSnapshot(long volume) {
            List<String> all = List.copyOf(model.volume(volume).snapshots.keySet());
            return all.isEmpty() ? null : all.get(random.nextInt(all.size()));
        }

        void attach(long volume) {
            apply(new Command.Attach(volume, AttachMode.EXCLUSIVE, ++names, volume, "me", index));
        }

        void create() {
            long id = ++volumes;
            long size = (long) (BLOCKS / 2) * Model.BLOCK;
            apply(new Command.CreateVolume(id, size, Limits.NONE, index));
            attach(id);
        }

        /// Sometimes guarded, and then mostly by the record's present version.
        Origin origin(long volume) {
            Origin origin =
                    new Origin(
                            model.volume(volume).attachment, index + 1, Math.max(1, index - OPEN));
            long version = model.volume(volume).recordVersion;
            return switch (random.nextInt(6)) {
                case 0, 1 -> origin.guardedBy(version);
                case 2 -> origin.guardedBy(Math.max(0, version - 1 + random.nextInt(3)));
                default -> origin;
            };
        }

        void replaceRecord() {
            long volume = pick();
            Origin origin = origin(volume);
            byte[] bytes = new byte[random.nextInt(10) == 0 ? 64 << 10 : random.nextInt(500)];
            random.nextBytes(bytes);
            long version = model.volume(volume).recordVersion;
            Outcome outcome =
                    apply(
                            new Command.ReplaceRecord(
                                    volume,
                                    origin.guarded() ? origin : origin.guardedBy(version),
                                    ByteBuffer.wrap(bytes)));
            if (outcome.error() == null) {
                assertThat(outcome.value()).isEqualTo(version + 1);
            }
        }

        void settle() {
            long volume = pick();
            Outcome outcome = apply(new Command.Settle(volume, origin(volume), 1, index));
            assertThat(outcome.error() == null ? outcome.value() : index - 1).isEqualTo(index - 1);
        }

        /// Blocks to write: mostly a few, sometimes many.
        int length(long most) {
            int count = random.nextInt(4) == 0 ? 1 + random.nextInt(60) : 1 + random.nextInt(6);
            return (int) Math.min(count, most);
        }

        void write() {
            long volume = pick();
            long size = model.volume(volume).size / Model.BLOCK;
            long first = random.nextLong(size);
            int count = length(size - first);
            ByteBuffer data = ByteBuffer.allocate(count * Model.BLOCK);
            for (int i = 0; i < count; i++) {
                Model.fill(data, ++stamps);
            }
            data.flip();
            apply(
                    new Command.Write(
                            volume,
                            origin(volume),
                            0,
                            first * Model.BLOCK,
                            Crc32c.ofBlocks(data),
                            data,
                            random.nextInt(4) == 0));
        }

        /// Sends a write again that was executed not long ago, with other bytes.
        void repeat() {
            for (int i = log.size() - 1; i >= Math.max(0, log.size() - OPEN); i--) {
                if (log.get(i).command() instanceof Command.Write w
                        && w.origin().seq() >= index - OPEN
                        && model.volumes.containsKey(w.volume())
                        && model.volume(w.volume()).attachment == w.origin().attachment()
                        && random.nextInt(3) == 0) {
                    ByteBuffer data = ByteBuffer.allocate(w.data().remaining());
                    while (data.hasRemaining()) {
                        Model.fill(data, ++stamps);
                    }
                    data.flip();
                    assertThat(rig.store.executed(w.volume(), w.origin())).isNotNull();
                    apply(
                            new Command.Write(
                                    w.volume(),
                                    w.origin(),
                                    0,
                                    w.offset(),
                                    Crc32c.ofBlocks(data),
                                    data));
                    return;
                }
            }
        }

        void zero() {
            long volume = pick();
            long size = model.volume(volume).size / Model.BLOCK;
            long first = random.nextLong(size);
            long count = random.nextBoolean() ? size - first : length(size - first);
            apply(
                    new Command.Zero(
                            volume,
                            origin(volume),
                            first * Model.BLOCK,
                            count * Model.BLOCK,
                            random.nextBoolean()));
        }

        void snapshot() {
            long volume = pick();
            String name = "s" + ++names;
            List<Target> targets = new ArrayList<>(List.of(new Target(volume, name)));
            long second = pick();
            if (second != volume) {
                targets.add(new Target(second, name));
            }
            apply(new Command.CreateSnapshots(targets, index));
        }

        void deleteSnapshot() {
            long volume = pick();
            String name = pickSnapshot(volume);
            if (name != null) {
                apply(new Command.DeleteSnapshot(volume, name));
            }
        }

        void cloneOne() {
            long volume = pick();
            String name = pickSnapshot(volume);
            if (name != null && model.volumes.size() < MOST_VOLUMES) {
                apply(new Command.CloneVolume(++volumes, volume, name, Limits.NONE, index));
                attach(volumes);
            }
        }

        void rollback() {
            long volume = pick();
            String name = pickSnapshot(volume);
            if (name != null) {
                if (random.nextInt(10) > 0) {
                    apply(new Command.Detach(volume, model.volume(volume).attachment));
                }
                apply(new Command.Rollback(volume, name, "r" + ++names, index));
                attach(volume);
            }
        }

        void delete() {
            apply(new Command.DeleteVolume(pick()));
            if (model.volumes.isEmpty()) {
                create();
            }
        }

        void resize() {
            long volume = pick();
            if (model.volume(volume).size < (long) BLOCKS * Model.BLOCK) {
                apply(new Command.Resize(volume, (long) BLOCKS * Model.BLOCK));
            }
        }

        void crash() throws IOException {
            if (random.nextBoolean()) {
                Probe.Step[] steps = Probe.Step.values();
                rig.crashAt(steps[random.nextInt(steps.length)]);
                rig.store.checkpoint().exceptionally(e -> rig.store.checkpointed()).join();
            }
            rig.crash(random, random.nextInt(3) * 0.5);
            if (random.nextBoolean() && rig.store.applied().index() < index) {
                rig.replay(random.nextLong(rig.store.applied().index(), index));
                rig.collectAll();
            }
            rig.replay(index);
        }

        /// Replicates to a second store while this one goes on, and then goes on with the second.
        void copy() throws IOException {
            Rig to = other == null ? new Rig(log) : other;
            other = null;
            boolean fresh = to.store.checkpointed().index() < 0;
            to.store.importBegin();
            long newest = -1;
            int pages = 0;
            while (true) {
                try (StoreExport export = rig.store.export()) {
                    long since = fresh ? -1 : random.nextBoolean() ? Long.MAX_VALUE : index / 2;
                    RowKey after = null;
                    boolean interrupted = false;
                    while (true) {
                        ExportPage page = export.granules(after, since, 100_000);
                        newest = Math.max(newest, page.appliedIndex());
                        List<RowKey> wanted = to.store.importPage(page);
                        for (int i = 0; i < wanted.size(); i += 256) {
                            List<RowKey> some = wanted.subList(i, Math.min(wanted.size(), i + 256));
                            for (int k = random.nextInt(4); k > 0; k--) {
                                step(false);
                            }
                            to.store.importRows(export.rows(some));
                            newest = Math.max(newest, index);
                        }
                        if (page.end()) {
                            break;
                        }
                        after = page.last();
                        for (int i = random.nextInt(4); i > 0; i--) {
                            step(false);
                        }
                        if (random.nextInt(4) == 0) {
                            deleteSnapshot();
                            rig.collectAll();
                        }
                        if (++pages % 50 == 20) {
                            interrupted = true;
                            break;
                        }
                    }
                    if (!interrupted) {
                        assertThat(to.store.importEnd(export.table(), newest))
                                .isEqualTo(export.position());
                        break;
                    }
                }
                to.crash(random, 0.5);
                assertThat(to.store.importing()).isTrue();
                fresh = false;
            }
            if (random.nextBoolean()) {
                to.crash(random, 0.5);
            }
            to.replay(index);
            other = rig;
            rig = to;
            check();
        }

        void step(boolean alone) throws IOException {
            int what = random.nextInt(alone ? 100 : 87);
            if (what < 3) {
                replaceRecord();
            } else if (what < 5) {
                settle();
            } else if (what < 35) {
                write();
            } else if (what < 38) {
                repeat();
            } else if (what < 46) {
                zero();
            } else if (what < 53) {
                snapshot();
            } else if (what < 61) {
                deleteSnapshot();
            } else if (what < 66) {
                cloneOne();
            } else if (what < 71) {
                rollback();
            } else if (what < 73) {
                delete();
            } else if (what < 75) {
                resize();
            } else if (what < 83) {
                rig.store.collect(random.nextInt(300_000));
            } else if (what < 87) {
                rig.store.checkpoint();
            } else if (what < 91) {
                rig.store.checkpoint().join();
            } else if (what < 94) {
                crash();
            } else if (what < 95) {
                copy();
            } else if (what < 98) {
                checkSome();
            } else {
                check();
            }
        }

        void checkSome() {
            long volume = pick();
            rig.check(
                    rig.store.headView(volume),
                    model.volume(volume).blocks,
                    random.nextInt(BLOCKS - 50),
                    1 + random.nextInt(49));
        }

        void check() {
            for (Map.Entry<Long, Model.Content> e : model.volumes.entrySet()) {
                View head = rig.store.headView(e.getKey());
                Model.Content c = e.getValue();
                SharedRecord record = rig.store.record(e.getKey());
                assertThat(record).isEqualTo(new SharedRecord(c.recordVersion, c.record));
                rig.check(head, c.blocks, 0, BLOCKS);
                rig.checkExtents(head, c.blocks, BLOCKS);
                View before = null;
                TreeMap<Long, Integer> held = new TreeMap<>();
                for (var s : c.snapshots.entrySet()) {
                    View view = rig.store.snapshotView(e.getKey(), s.getKey());
                    rig.check(view, s.getValue(), 0, BLOCKS);
                    if (before != null) {
                        rig.checkDiff(before, held, view, s.getValue(), BLOCKS);
                    }
                    before = view;
                    held = s.getValue();
                }
            }
            assertThat(rig.store.volumes()).hasSize(model.volumes.size());
            checkSpace();
        }

        /// A replica that has applied the same entries holds the same, whatever it has collected,
        /// checkpointed or copied meanwhile.
        void compare() throws IOException {
            SameCut.checkReplayed(rig.store, log, index, 1 + random.nextInt(30));
        }

        /// Each volume's ledger adds up to no more than what the store holds.
        void checkSpace() {
            long used = 0;
            for (VolumeSpace s : rig.store.space()) {
                assertThat(s.sharedBytes()).isNotNegative();
                used += s.usedBytes();
            }
            assertThat(used).isLessThanOrEqualTo(rig.store.usage().usedBytes());
        }

        /// With everything deleted nothing is held.
        void drain() {
            while (!model.volumes.isEmpty()) {
                for (long id : List.copyOf(model.volumes.keySet())) {
                    if (!model.hasClones(id, null)) {
                        apply(new Command.DeleteVolume(id));
                    }
                }
            }
            rig.collectAll();
            rig.store.checkpoint().join();
            rig.store.checkpoint().join();
            rig.collectAll();
            rig.store.checkpoint().join();
            rig.store.checkpoint().join();
            assertThat(rig.store.usage().usedBytes()).isZero();
            assertThat(rig.disk.freeBytes()).isEqualTo(rig.disk.capacityBytes());
        }
    }

    @Property(tries = 40, shrinking = ShrinkingMode.OFF)
    void holdsWhatTheModelHolds(@ForAll long seed) throws IOException {
        try (Run run = new Run(seed)) {
            run.create();
            for (int i = 0; i < 300; i++) {
                run.step(true);
            }
            run.check();
            if (seed % 3 == 0) {
                run.compare();
            }
            run.drain();
        }
    }
}
