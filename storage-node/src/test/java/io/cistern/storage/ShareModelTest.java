package io.cistern.storage;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.block.CisternException;
import io.cistern.block.fs.Call;
import io.cistern.block.fs.Credentials;
import io.cistern.block.fs.FileResults.Space;
import io.cistern.block.fs.WouldBlockException;
import io.cistern.block.fs.engine.Blocks;
import io.cistern.block.fs.engine.EngineFileSystem;
import io.cistern.block.fs.engine.FileOp;
import io.cistern.block.fs.engine.FileQuery;
import io.cistern.block.fs.engine.FileRequest;
import io.cistern.block.fs.engine.Preparation;
import io.cistern.block.fs.engine.Queries;
import io.cistern.block.fs.engine.Reply;
import io.cistern.block.fs.testing.FileModel;
import io.cistern.storage.Command.AttachMode;
import io.cistern.storage.Command.CreateSnapshots.Target;
import io.cistern.storage.Command.FileChange;
import io.cistern.storage.Command.Limits;
import io.cistern.storage.FilePage.FileRow;
import io.cistern.storage.Rig.Entry;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.ShrinkingMode;
import org.jspecify.annotations.Nullable;

/// Random histories of a share in a store, against plain collections: with crashes and replays,
/// snapshots, clones, rollbacks, garbage collection, and replicas copied from one another.
class ShareModelTest {
    private static final long SHARE = 1;

    private static final class Run implements AutoCloseable {
        final Random random;
        final List<Entry> log = new ArrayList<>();
        final List<String> snapshots = new ArrayList<>();
        Rig rig;
        @Nullable Rig other;
        Share share;
        FileModel model;
        long index;
        long volumes = SHARE;
        int names;

        Run(long seed) throws IOException {
            random = new Random(seed);
            rig = new Rig(log);
            apply(new Command.CreateVolume(SHARE, 4096, Limits.NONE, 1));
            share = new Share(SHARE);
            share.format();
            model = new FileModel(share, random);
        }

        Outcome apply(Command command) {
            ByteBuffer encoded = ByteBuffer.allocate(CommandCodec.size(command));
            CommandCodec.encode(command, encoded);
            Command decoded = CommandCodec.decode(encoded.flip());
            index++;
            Outcome outcome = rig.store.apply(index, 1, decoded);
            rig.store.advance(index, 1);
            log.add(new Entry(index, decoded, outcome));
            return outcome;
        }

        /// A share as its only front end, without a network.
        final class Share extends EngineFileSystem {
            final long volume;
            long attachment;
            long seq;

            Share(long volume) {
                this.volume = volume;
                attach();
            }

            void attach() {
                attachment =
                        apply(
                                        new Command.Attach(
                                                volume,
                                                AttachMode.EXCLUSIVE,
                                                ++names,
                                                volume,
                                                "me",
                                                1))
                                .value();
                seq = 0;
            }

            void format() {
                change(new FileRequest(new FileOp.Format(0), call()), null).join();
            }

            @Override
            protected CompletableFuture<Reply> change(
                    FileRequest request, @Nullable ByteBuffer data) {
                ByteBuffer encoded = request.encode();
                FileRequest.stamp(encoded, 1_000_000_000L * (index + 1));
                List<Blocks> blocks =
                        new Preparation(rig.store.share(volume)).blocks(request.op(), data);
                List<Blocks> own = new ArrayList<>();
                for (Blocks b : blocks) {
                    ByteBuffer copy = ByteBuffer.allocate(b.data().remaining());
                    own.add(
                            new Blocks(
                                    b.offset(), b.crcs(), copy.put(b.data().duplicate()).flip()));
                }
                seq++;
                Origin origin = new Origin(attachment, seq, Math.max(1, seq - 3));
                Outcome outcome = apply(new FileChange(volume, origin, 1, encoded, own));
                assertThat(outcome.error()).as(outcome.message()).isNull();
                Outcome first = rig.store.executed(volume, origin);
                assertThat(first).isNotNull();
                ByteBuffer reply = outcome.reply();
                if (reply == null || first == null) {
                    throw new AssertionError("no reply");
                }
                assertThat(first.reply()).isEqualTo(reply);
                return CompletableFuture.completedFuture(Reply.decode(reply));
            }

            @Override
            protected CompletableFuture<Reply> ask(FileQuery query) {
                Reply reply = new Queries(rig.store.share(volume)).answer(query);
                return CompletableFuture.completedFuture(Reply.decode(reply.encode()));
            }

            @Override
            protected @Nullable Reply tryAsk(FileQuery query, @Nullable ByteBuffer into) {
                ByteBuffer data = into;
                if (data == null && query instanceof FileQuery.Read read) {
                    data = ByteBuffer.allocateDirect(read.length());
                }
                try {
                    return new Queries(rig.store.share(volume).atOnce()).answer(query, data);
                } catch (WouldBlockException | CisternException | CorruptBlocksException slow) {
                    return null;
                }
            }

            @Override
            public CompletableFuture<Space> space() {
                return shareSpace()
                        .thenApply(s -> new Space(1L << 40, (1L << 40) - s.get(1), s.get(2), 1));
            }

            @Override
            public long owner() {
                return attachment;
            }

            @Override
            public boolean readOnly() {
                return false;
            }

            @Override
            public void close() {}
        }

        private static Call call() {
            return Call.of(Credentials.ROOT);
        }

        void snapshot() {
            String name = "s" + ++names;
            Outcome made =
                    apply(new Command.CreateSnapshots(List.of(new Target(SHARE, name)), names));
            assertThat(made.error()).isNull();
            model.snapshotted(name);
            snapshots.add(name);
        }

        @Nullable String pick() {
            return snapshots.isEmpty() ? null : snapshots.get(random.nextInt(snapshots.size()));
        }

        void deleteSnapshot() {
            String name = pick();
            if (name != null && apply(new Command.DeleteSnapshot(SHARE, name)).error() == null) {
                snapshots.remove(name);
                model.snapshotDeleted(name);
            }
        }

        /// A clone lives for a while, beside the share.
        void cloneOne() {
            String name = pick();
            if (name == null) {
                return;
            }
            long id = ++volumes;
            apply(new Command.CloneVolume(id, SHARE, name, Limits.NONE, 1));
            Share clone = new Share(id);
            clone.clean().join();
            FileModel cloned = model.cloned(name, clone);
            cloned.compare();
            for (int i = random.nextInt(30); i > 0; i--) {
                cloned.step();
                model.step();
                rig.store.collect(100_000);
                if (random.nextInt(10) == 0) {
                    passingSnapshot(id);
                }
            }
            cloned.compare();
            assertThat(apply(new Command.DeleteVolume(id)).error()).isNull();
        }

        /// A snapshot that is gone again before anything has changed.
        void passingSnapshot(long volume) {
            String name = "p" + ++names;
            apply(new Command.CreateSnapshots(List.of(new Target(volume, name)), names));
            assertThat(apply(new Command.DeleteSnapshot(volume, name)).error()).isNull();
        }

        /// What is written when the last snapshot is long gone leaves nothing below itself.
        void writeWithoutSnapshots() {
            passingSnapshot(SHARE);
            while (!snapshots.isEmpty()) {
                deleteSnapshot();
            }
            rig.collectAll();
            for (int i = 0; i < 30; i++) {
                model.step();
            }
            rig.store.checkpoint().join();
            byte[] before = null;
            try (StoreExport export = rig.store.export()) {
                List<FileRow> rows =
                        Objects.requireNonNull(export.files(null, 1 << 30, true).rows());
                assertThat(rows).isNotEmpty();
                for (FileRow row : rows) {
                    if (Keys.kind(row.key()) == FileKeys.CONTENT) {
                        assertThat(FileKeys.isTombstone(row.value())).isFalse();
                        assertThat(before != null && FileKeys.sameRow(before, row.key())).isFalse();
                        before = row.key();
                    }
                }
            }
            model.compare();
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

        /// Copies to another replica while this one goes on, and goes on with that one.
        void copy() throws IOException {
            Rig to = other == null ? new Rig(log) : other;
            other = null;
            long since = to.store.checkpointed().index() < 0 ? -1 : index / 2;
            to.store.importBegin();
            long newest = -1;
            try (StoreExport export = rig.store.export()) {
                RowKey after = null;
                while (true) {
                    ExportPage page = export.granules(after, since, 100_000);
                    newest = Math.max(newest, page.appliedIndex());
                    List<RowKey> wanted = to.store.importPage(page);
                    for (int i = 0; i < wanted.size(); i += 256) {
                        to.store.importRows(
                                export.rows(wanted.subList(i, Math.min(wanted.size(), i + 256))));
                        newest = Math.max(newest, index);
                    }
                    if (page.end()) {
                        break;
                    }
                    after = page.last();
                    model.step();
                }
                byte[] last = null;
                int stretches = 0;
                int fetched = 0;
                while (true) {
                    FilePage page = export.files(last, 2_000, false);
                    stretches++;
                    if (to.store.importFiles(page)) {
                        FilePage whole = export.files(last, 2_000, true);
                        assertThat(whole.last()).isEqualTo(page.last());
                        assertThat(to.store.importFiles(whole)).isFalse();
                        assertThat(to.store.importFiles(page)).isFalse();
                        fetched++;
                    }
                    if (page.end()) {
                        break;
                    }
                    last = page.last();
                    if (random.nextInt(4) == 0) {
                        model.step();
                        rig.store.checkpoint().join();
                    }
                }
                assertThat(fetched).isLessThanOrEqualTo(stretches);
                assertThat(to.store.importEnd(export.table(), newest)).isEqualTo(export.position());
            }
            if (random.nextBoolean()) {
                to.crash(random, 0.5);
            }
            to.replay(index);
            other = rig;
            rig = to;
            model.compare();
        }

        void step() throws IOException {
            int what = random.nextInt(200);
            if (what < 160) {
                model.step();
            } else if (what < 168) {
                snapshot();
            } else if (what < 174) {
                deleteSnapshot();
            } else if (what < 184) {
                rig.store.collect(random.nextInt(300_000));
            } else if (what < 188) {
                share.clean().join();
            } else if (what < 191) {
                rig.store.checkpoint();
            } else if (what < 193) {
                rig.store.checkpoint().join();
            } else if (what < 196) {
                crash();
            } else if (what < 197) {
                copy();
            } else if (what < 199) {
                cloneOne();
            } else {
                model.compare();
            }
        }

        /// See [StoreModelTest].
        void compare() throws IOException {
            SameCut.checkReplayed(rig.store, log, index, 1 + random.nextInt(30));
        }

        /// With everything deleted nothing is left.
        void drain() {
            apply(new Command.DeleteVolume(SHARE));
            for (int i = 0; i < 3; i++) {
                rig.collectAll();
                rig.store.checkpoint().join();
            }
            assertThat(rig.store.usage().usedBytes()).isZero();
            try (StoreExport export = rig.store.export()) {
                assertThat(export.files(null, 1 << 20, true).rows()).isEmpty();
            }
        }

        @Override
        public void close() throws IOException {
            rig.close();
            if (other != null) {
                other.close();
            }
        }
    }

    @Property(tries = 25, shrinking = ShrinkingMode.OFF)
    void aShareHoldsWhatTheModelHolds(@ForAll long seed) throws IOException {
        try (Run run = new Run(seed)) {
            for (int i = 0; i < 400; i++) {
                run.step();
            }
            run.model.compare();
            run.crash();
            run.model.compare();
            if (seed % 3 == 0) {
                run.compare();
            }
            run.writeWithoutSnapshots();
            run.drain();
        } catch (CisternException e) {
            throw new AssertionError(e.code() + " " + e.getMessage(), e);
        }
    }
}
