package io.cistern.storage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.cistern.block.CisternException;
import io.cistern.block.Crc32c;
import io.cistern.block.ErrorCode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/// What a copy of another replica leaves behind, and what is seen of a store meanwhile.
class CopiedStoreTest {
    /// CRC32C's generator: added anywhere to a message it leaves the checksum as it was.
    private static final int GENERATOR = 0x1EDC6F41;

    private static void write(Store store, long attachment, ByteBuffer data) {
        long seq = store.applied().index() + 1;
        Filler.apply(
                store,
                new Command.Write(
                        Filler.VOLUME,
                        new Origin(attachment, seq, seq),
                        0,
                        0,
                        Crc32c.ofBlocks(data),
                        data));
    }

    /// Other bytes with the same checksum.
    private static ByteBuffer twin(ByteBuffer data, int at) {
        byte[] other = data.array().clone();
        for (int i = 0; i <= 32; i++) {
            boolean set = i == 0 || (GENERATOR >>> (32 - i) & 1) != 0;
            if (set) {
                other[at + i / 8] ^= (byte) (1 << i % 8);
            }
        }
        return ByteBuffer.wrap(other);
    }

    private static void copy(Store from, Store to, long changedSince) {
        try (StoreExport export = from.export()) {
            to.importBegin();
            RowKey after = null;
            long newest = export.position().index();
            ExportPage page;
            do {
                page = export.granules(after, changedSince, 1 << 20);
                to.importRows(export.rows(to.importPage(page)));
                newest = Math.max(newest, page.appliedIndex());
                after = page.last();
            } while (!page.end());
            to.importFiles(export.files(null, 1 << 20, true));
            to.importEnd(export.table(), newest);
        }
    }

    @Test
    void aChangedBlockIsCopiedEvenIfItsChecksumIsTheOldOne() throws IOException {
        ByteBuffer first = ByteBuffer.allocate(Model.BLOCK);
        new Random(1).nextBytes(first.array());
        ByteBuffer second = twin(first, 1234);
        assertThat(Crc32c.ofBlocks(second)).isEqualTo(Crc32c.ofBlocks(first));
        assertThat(second).isNotEqualTo(first);
        for (long changedSince : new long[] {-2, Long.MAX_VALUE}) {
            try (Rig source = new Rig(new ArrayList<>());
                    Rig target = new Rig(new ArrayList<>())) {
                long attachment = 0;
                for (Rig rig : List.of(source, target)) {
                    Filler.fill(rig.store, 1);
                    attachment = Filler.attach(rig.store, Filler.VOLUME).value();
                    write(rig.store, attachment, first);
                }
                long since = target.store.applied().index();
                write(source.store, attachment, second);
                // Changed since then, or all by digest, as a copy that goes on after a break.
                copy(source.store, target.store, changedSince == -2 ? since : changedSince);
                ByteBuffer dst = ByteBuffer.allocate(Model.BLOCK);
                target.store.read(target.store.headView(Filler.VOLUME), 0, dst);
                assertThat(dst.flip()).isEqualTo(second);
            }
        }
    }

    /// Fills granules of the volume that a snapshot shared with it for a while.
    ///
    /// @return an attachment
    private static long fillAndShareOnce(Rig source, int granules) {
        Store store = source.store;
        Filler.fill(store, granules);
        Filler.apply(
                store,
                new Command.CreateSnapshots(
                        List.of(new Command.CreateSnapshots.Target(Filler.VOLUME, "s")), 0));
        Filler.apply(store, new Command.DeleteSnapshot(Filler.VOLUME, "s"));
        long attachment = Filler.attach(store, Filler.VOLUME).value();
        source.collectAll();
        return attachment;
    }

    /// A write that moved a row to another key between its listing and its copying would lose what
    /// it does not write itself.
    @Test
    void rowsKeepTheirKeysWhileTheyAreCopied() throws IOException {
        try (Rig source = new Rig(new ArrayList<>());
                Rig target = new Rig(new ArrayList<>())) {
            Store from = source.store;
            long attachment = fillAndShareOnce(source, 1);
            ByteBuffer data = ByteBuffer.allocate(Model.BLOCK);
            Command.Write second =
                    new Command.Write(
                            Filler.VOLUME,
                            new Origin(attachment, 1, 1),
                            0,
                            Model.BLOCK,
                            Crc32c.ofBlocks(data),
                            data);
            try (StoreExport export = from.export()) {
                target.store.importBegin();
                ExportPage page = export.granules(null, Long.MAX_VALUE, 1 << 20);
                List<RowKey> wanted = target.store.importPage(page);
                assertThat(wanted).hasSize(1);
                Filler.apply(from, second);
                target.store.importRows(export.rows(wanted));
                target.store.importFiles(export.files(null, 1 << 20, true));
                target.store.importEnd(export.table(), from.applied().index());
            }
            Filler.apply(target.store, second);
            ByteBuffer dst = ByteBuffer.allocate(4);
            target.store.read(target.store.headView(Filler.VOLUME), 0, dst);
            assertThat(dst.getInt(0)).isEqualTo(1);
            // What was left where it was is found later.
            source.collectAll();
            from.checkpoint().join();
            assertThat(from.usage().usedBytes()).isEqualTo(Slots.SLOT_BYTES);
        }
    }

    /// The leader, of which no copy is taken, owns what it overwrites and reserves nothing for it.
    @Test
    void whatTheHeadOwnsIsOverwrittenWithoutNewSlotsWhileACopyIsTaken() throws IOException {
        try (Rig source = new Rig(new ArrayList<>());
                Rig target = new Rig(new ArrayList<>())) {
            Store from = source.store;
            long attachment = fillAndShareOnce(source, 4);
            long used = from.usedBytes();
            ByteBuffer data = ByteBuffer.allocate(Model.BLOCK);
            new Random(2).nextBytes(data.array());
            List<Command> changes =
                    List.of(
                            new Command.Write(
                                    Filler.VOLUME,
                                    new Origin(attachment, 1, 1),
                                    0,
                                    Model.BLOCK,
                                    Crc32c.ofBlocks(data),
                                    data),
                            new Command.Zero(
                                    Filler.VOLUME,
                                    new Origin(attachment, 2, 2),
                                    0,
                                    Model.BLOCK,
                                    true),
                            new Command.Write(
                                    Filler.VOLUME,
                                    new Origin(attachment, 3, 3),
                                    0,
                                    2 * Model.BLOCK,
                                    Crc32c.ofBlocks(data),
                                    data),
                            new Command.Zero(
                                    Filler.VOLUME,
                                    new Origin(attachment, 4, 4),
                                    Slots.SLOT_BYTES,
                                    Slots.SLOT_BYTES,
                                    true));
            try (StoreExport export = from.export()) {
                target.store.importBegin();
                ExportPage page = export.granules(null, Long.MAX_VALUE, 1 << 20);
                List<RowKey> wanted = target.store.importPage(page);
                for (Command change : changes) {
                    assertThat(from.usedBytes()).isLessThanOrEqualTo(used);
                    Filler.apply(from, change);
                }
                from.checkpoint().join();
                assertThat(from.usedBytes()).isEqualTo(used - Slots.SLOT_BYTES);
                target.store.importRows(export.rows(wanted));
                target.store.importFiles(export.files(null, 1 << 20, true));
                target.store.importEnd(export.table(), from.applied().index());
            }
            for (Command change : changes) {
                Filler.apply(target.store, change);
                assertThat(target.store.usedBytes()).isLessThanOrEqualTo(used);
            }
            source.collectAll();
            target.collectAll();
            from.checkpoint().join();
            target.store.checkpoint().join();
            assertThat(target.store.usedBytes()).isEqualTo(from.usedBytes());
            ByteBuffer here = ByteBuffer.allocate(4 * Slots.SLOT_BYTES);
            ByteBuffer there = ByteBuffer.allocate(4 * Slots.SLOT_BYTES);
            from.read(from.headView(Filler.VOLUME), 0, here);
            target.store.read(target.store.headView(Filler.VOLUME), 0, there);
            assertThat(there.flip()).isEqualTo(here.flip());
            assertThat(here.slice(2 * Model.BLOCK, Model.BLOCK)).isEqualTo(data.rewind());
        }
    }

    @Test
    void aStoreThatIsBeingCopiedSaysSoAndNotThatItsVolumesDoNotExist() throws IOException {
        try (Rig rig = new Rig(new ArrayList<>())) {
            Filler.fill(rig.store, 1);
            rig.store.checkpoint().join();
            rig.store.importBegin();
            rig.crash(new Random(1), 0);
            assertThat(rig.store.importing()).isTrue();
            assertThatThrownBy(() -> rig.store.headView(Filler.VOLUME))
                    .isInstanceOfSatisfying(
                            CisternException.class,
                            e -> assertThat(e.code()).isEqualTo(ErrorCode.STALE));
        }
    }
}
