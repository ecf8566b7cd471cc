package io.cistern.storage;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.fs.ByteString;
import io.cistern.block.fs.FileError;
import io.cistern.block.fs.FileException;
import io.cistern.block.fs.FileResults.SnapshotView;
import io.cistern.block.fs.WouldBlockException;
import io.cistern.block.fs.engine.BlockReads;
import io.cistern.block.fs.engine.RowKeys;
import io.cistern.block.fs.engine.Rows;
import io.cistern.block.fs.engine.Views;
import io.cistern.storage.VolumeState.Snapshot;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// A share of a store, and its snapshots, as readers see them.
final class ShareViews implements Views {
    private static final long NANOS_PER_MILLI = 1_000_000;

    private final long volume;
    private final Table table;
    private final FileRows rows;
    private final BlockReader reader;
    private final StoreState state;

    private final AtOnce atOnce = new AtOnce();
    private volatile @Nullable Snapshots known;

    /// Snapshots of one version of the volume's record.
    private record Snapshots(long version, List<SnapshotView> list, Map<Long, View> views) {}

    ShareViews(long volume, Table table, FileRows rows, BlockReader reader, StoreState state) {
        this.volume = volume;
        this.table = table;
        this.rows = rows;
        this.reader = reader;
        this.state = state;
    }

    private VolumeState volume() {
        state.checkReadable();
        Volume found = table.volumes.get(volume);
        if (found == null) {
            throw new CisternException(
                    ErrorCode.NOT_FOUND, "share " + volume + " does not exist in this group");
        }
        return found.state;
    }

    private View view(long snapshot) {
        VolumeState now = volume();
        if (snapshot == 0) {
            return new View(now.branch(), now.epoch());
        }
        View view = snapshots(now).views.get(snapshot);
        if (view == null) {
            throw new FileException(FileError.STALE, "the snapshot does not exist any more");
        }
        return view;
    }

    private Snapshots snapshots(VolumeState now) {
        Snapshots found = known;
        if (found == null || found.version != now.version()) {
            List<SnapshotView> list = new ArrayList<>();
            Map<Long, View> views = new HashMap<>();
            for (Snapshot s : now.snapshots()) {
                long id = s.branch() << 32 | s.epoch() & 0xffffffffL;
                list.add(
                        new SnapshotView(
                                ByteString.utf8(s.name()),
                                id,
                                s.createdMillis() * NANOS_PER_MILLI));
                views.put(id, new View(s.branch(), s.epoch()));
            }
            found = new Snapshots(now.version(), List.copyOf(list), Map.copyOf(views));
            known = found;
        }
        return found;
    }

    /// Whether there is a file system.
    static boolean formatted(Views views) {
        return views.still(() -> views.rows(0).get(RowKeys.SHARE) != null);
    }

    @Override
    public Rows rows(long snapshot) {
        View view = view(snapshot);
        return rows(rows, volume, reader.branch(view), view.epoch(), false);
    }

    @Override
    public BlockReads blocks(long snapshot) {
        View view = view(snapshot);
        return (offset, dst) -> {
            state.checkReadable();
            reader.read(view, offset, dst);
        };
    }

    @Override
    public List<SnapshotView> snapshots() {
        return snapshots(volume()).list;
    }

    @Override
    public <T> T still(Supplier<T> task) {
        return rows.still(task);
    }

    @Override
    public long version() {
        return rows.version();
    }

    @Override
    public Views atOnce() {
        return atOnce;
    }

    /// What is in memory.
    private final class AtOnce implements Views {
        @Override
        public Rows rows(long snapshot) {
            View view = view(snapshot);
            Branch branch = reader.branch(view);
            return new Rows() {
                @Override
                public byte @Nullable [] get(byte[] key) {
                    return RowKeys.isContent(key)
                            ? rows.getAtOnce(branch, view.epoch(), key)
                            : rows.getAtOnce(volume, key);
                }

                @Override
                public RowCursor scan(byte[] prefix, byte @Nullable [] after) {
                    throw WouldBlockException.INSTANCE;
                }
            };
        }

        @Override
        public BlockReads blocks(long snapshot) {
            View view = view(snapshot);
            return (offset, dst) -> {
                state.checkReadable();
                if (!reader.tryRead(view, offset, dst)) {
                    throw WouldBlockException.INSTANCE;
                }
            };
        }

        @Override
        public List<SnapshotView> snapshots() {
            return ShareViews.this.snapshots();
        }

        @Override
        public <T> T still(Supplier<T> task) {
            return rows.stillAtOnce(task);
        }

        @Override
        public long version() {
            return rows.version();
        }

        @Override
        public Views atOnce() {
            return this;
        }
    }

    /// A share's rows at an epoch of a branch.
    ///
    /// @param locked whether the store's lock is held
    static Rows rows(FileRows rows, long volume, Branch branch, int epoch, boolean locked) {
        return new Rows() {
            @Override
            public byte @Nullable [] get(byte[] key) {
                return RowKeys.isContent(key)
                        ? rows.get(branch, epoch, key)
                        : rows.get(volume, key);
            }

            @Override
            public RowCursor scan(byte[] prefix, byte @Nullable [] after) {
                if (!RowKeys.isContent(prefix)) {
                    return new OwnCursor(rows, volume, prefix, after);
                }
                int queue = after == null && epoch == branch.head ? RowKeys.queue(prefix) : -1;
                return queue < 0
                        ? new FileCursor(rows, branch, epoch, prefix, after)
                        : new FrontCursor(
                                branch.fronts.of(queue),
                                locked,
                                end -> new FileCursor(rows, branch, epoch, prefix, end),
                                key -> rows.get(branch, epoch, key));
            }
        };
    }

    /// Rows that are not in snapshots.
    private static final class OwnCursor implements Rows.RowCursor {
        private final FileScan scan;

        OwnCursor(FileRows rows, long volume, byte[] prefix, byte @Nullable [] after) {
            byte[] all = FileKeys.own(rows.group(), volume, prefix);
            byte[] from = after == null ? all : FileKeys.own(rows.group(), volume, after);
            scan = new FileScan(rows, all, from, after == null, false);
        }

        @Override
        public boolean next() {
            return scan.next();
        }

        @Override
        public byte[] key() {
            return FileKeys.ownKey(scan.key());
        }

        @Override
        public byte[] value() {
            return FileKeys.value(scan.value());
        }

        @Override
        public void close() {
            scan.close();
        }
    }
}
