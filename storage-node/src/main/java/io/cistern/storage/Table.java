package io.cistern.storage;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.storage.Branch.Point;
import io.cistern.storage.VolumeState.Parent;
import io.cistern.storage.VolumeState.Snapshot;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.BiConsumer;
import org.jspecify.annotations.Nullable;
import org.rocksdb.RocksIterator;

/// Everything about a group's volumes but their blocks, in memory, and the rows it is stored as.
/// Changes collect the rows that the next checkpoint has to write. Changed under the store's lock;
/// lookups may come from any thread.
final class Table {
    private final long group;
    final Map<Long, Volume> volumes = new ConcurrentHashMap<>();
    final Map<Long, Branch> branches = new ConcurrentHashMap<>();

    /// How many volumes were cloned from a snapshot and still exist.
    private final Map<Parent, Integer> clones = new HashMap<>();

    /// Rows to write, null: to delete.
    private Map<ByteBuffer, byte @Nullable []> dirty = new HashMap<>();

    long nextBranch = 1;

    Table(long group) {
        this.group = group;
    }

    // ---- changes

    Branch newBranch(@Nullable Point parent) {
        // Its rows may be there already where the map was copied from a replica further on.
        Branch branch = branches.computeIfAbsent(nextBranch++, Branch::new);
        setParent(branch, parent);
        return branch;
    }

    /// Makes `branch` read on at `parent`. Its former parent, if any, is left to the caller.
    void setParent(Branch branch, @Nullable Point parent) {
        branch.parent = parent;
        if (parent != null) {
            parent.branch().children.add(branch);
            parent.branch().addRef(parent.epoch());
        }
        save(branch);
    }

    /// Forgets a branch without rows and without references; its parent may now be garbage.
    void remove(Branch branch) {
        branches.remove(branch.id);
        dirty.put(key(Keys.of(group, Keys.BRANCH, branch.id)), null);
        unlink(branch);
    }

    /// Ends `branch`'s use of its parent.
    void unlink(Branch branch) {
        Point p = branch.parent;
        if (p != null) {
            p.branch().children.remove(branch);
            p.branch().dropRef(p.epoch());
            requestCollect(p.branch());
        }
    }

    void requestCollect(Branch branch) {
        branch.collect = true;
        branch.collectRequests++;
        save(branch);
    }

    void save(Branch branch) {
        dirty.put(key(Keys.of(group, Keys.BRANCH, branch.id)), branch.encode());
    }

    /// Counts a change of the volume's record, publishes and saves it.
    void changed(Volume volume) {
        volume.version++;
        volume.publish();
        dirty.put(key(Keys.of(group, Keys.VOLUME, volume.id)), volume.encode());
    }

    void add(Volume volume) {
        volumes.put(volume.id, volume);
        volume.branch.head = volume.epoch;
        if (volume.parent != null) {
            clones.merge(volume.parent, 1, Integer::sum);
        }
        changed(volume);
    }

    void remove(Volume volume) {
        for (Snapshot s : volume.snapshots) {
            forget(volume, s);
        }
        for (Volume.Holder holder : volume.holders) {
            dropWindow(volume, holder);
        }
        volume.branch.head = Branch.NO_HEAD;
        requestCollect(volume.branch);
        volumes.remove(volume.id);
        if (volume.parent != null) {
            clones.computeIfPresent(volume.parent, (p, n) -> n == 1 ? null : n - 1);
        }
        dirty.put(key(Keys.of(group, Keys.VOLUME, volume.id)), null);
    }

    /// Freezes the head under a name. The caller moves the head on.
    void freeze(Volume volume, String name, long timeMillis) {
        Snapshot s =
                new Snapshot(name, volume.branch.id, volume.epoch, volume.sizeBytes, timeMillis);
        volume.add(s);
        volume.branch.addRef(s.epoch());
        dirty.put(key(snapshotKey(volume, s)), Volume.encode(s));
    }

    void remove(Volume volume, Snapshot s) {
        volume.remove(s);
        forget(volume, s);
    }

    private void forget(Volume volume, Snapshot s) {
        Branch branch = branch(s.branch());
        branch.dropRef(s.epoch());
        requestCollect(branch);
        dirty.put(key(snapshotKey(volume, s)), null);
    }

    private byte[] snapshotKey(Volume volume, Snapshot s) {
        return Keys.snapshot(group, volume.id, s.branch(), s.epoch());
    }

    void dropWindow(Volume volume, Volume.Holder holder) {
        dirty.put(key(Keys.of(group, Keys.WINDOW, volume.id, holder.attachment.id())), null);
    }

    // ---- lookups

    /// @throws CisternException CORRUPT: the tables contradict each other
    Branch branch(long id) {
        Branch branch = branches.get(id);
        if (branch == null) {
            throw new CisternException(
                    ErrorCode.CORRUPT, "group " + group + ": branch " + id + " is missing");
        }
        return branch;
    }

    boolean hasClones(Volume volume, Snapshot s) {
        return clones.containsKey(new Parent(volume.id, s.name()));
    }

    // ---- rows

    private static ByteBuffer key(byte[] key) {
        return ByteBuffer.wrap(key);
    }

    /// The rows changed since the last call, windows included.
    Map<ByteBuffer, byte @Nullable []> takeDirty() {
        for (Volume volume : volumes.values()) {
            for (Volume.Holder h : volume.holders) {
                if (h.dirty) {
                    h.dirty = false;
                    dirty.put(windowKey(volume, h), h.window.encode());
                }
            }
        }
        Map<ByteBuffer, byte @Nullable []> taken = dirty;
        dirty = new HashMap<>();
        return taken;
    }

    private ByteBuffer windowKey(Volume volume, Volume.Holder h) {
        return key(Keys.of(group, Keys.WINDOW, volume.id, h.attachment.id()));
    }

    /// All rows, in the order of their keys.
    TreeMap<ByteBuffer, byte[]> rows() {
        TreeMap<ByteBuffer, byte[]> rows = new TreeMap<>();
        for (Branch branch : branches.values()) {
            rows.put(key(Keys.of(group, Keys.BRANCH, branch.id)), branch.encode());
        }
        for (Volume volume : volumes.values()) {
            rows.put(key(Keys.of(group, Keys.VOLUME, volume.id)), volume.encode());
            for (Snapshot s : volume.snapshots) {
                rows.put(key(snapshotKey(volume, s)), Volume.encode(s));
            }
            for (Volume.Holder h : volume.holders) {
                rows.put(windowKey(volume, h), h.window.encode());
            }
        }
        return rows;
    }

    /// Fills an empty table from its rows.
    ///
    /// @throws CisternException CORRUPT
    void load(Map<ByteBuffer, byte[]> rows) {
        Map<Long, Branch.Stored> stored = new TreeMap<>();
        Map<List<Long>, Window> windows = new HashMap<>();
        List<byte[][]> snapshots = new ArrayList<>();
        List<byte[][]> records = new ArrayList<>();
        rows.forEach((k, value) -> {
            byte[] key = k.array();
            switch (Keys.kind(key)) {
                case Keys.BRANCH -> stored.put(k.getLong(9), Branch.Stored.decode(value));
                case Keys.WINDOW ->
                        windows.put(List.of(k.getLong(9), k.getLong(17)), Window.decode(value));
                case Keys.SNAPSHOT -> snapshots.add(new byte[][] {key, value});
                case Keys.VOLUME -> records.add(new byte[][] {key, value});
                default ->
                        throw new CisternException(
                                ErrorCode.CORRUPT,
                                "group " + group + ": row of unknown kind in the table");
            }
        });
        loadBranches(stored);
        for (byte[][] r : records) {
            long id = ByteBuffer.wrap(r[0]).getLong(9);
            Volume volume =
                    Volume.decode(
                            id,
                            r[1],
                            this::branch,
                            a -> windows.getOrDefault(List.of(id, a), new Window()));
            volumes.put(id, volume);
            volume.branch.head = volume.epoch;
            if (volume.parent != null) {
                clones.merge(volume.parent, 1, Integer::sum);
            }
        }
        snapshots.sort((a, b) -> java.util.Arrays.compareUnsigned(a[0], b[0]));
        for (byte[][] r : snapshots) {
            loadSnapshot(ByteBuffer.wrap(r[0]), r[1]);
        }
        volumes.values().forEach(Volume::publish);
    }

    /// All rows of a group but those of blocks and shares.
    static void forEach(RocksIterator it, long group, BiConsumer<byte[], byte[]> visitor) {
        it.seek(Keys.of(group, (char) 0));
        while (it.isValid() && Keys.group(it.key()) == group) {
            char kind = Keys.kind(it.key());
            if (kind == Keys.ROW || FileKeys.isFile(kind)) {
                it.seek(Keys.of(group, (char) (kind + 1)));
                continue;
            }
            visitor.accept(it.key(), it.value());
            it.next();
        }
    }

    /// Becomes another replica's table. What is known of branches' rows is kept.
    ///
    /// @return the branches the table has
    Set<Long> replace(Map<ByteBuffer, byte[]> rows, long next, MapDb db) {
        dirty.clear();
        try (RocksIterator it = db.iterator(true)) {
            forEach(
                    it,
                    group,
                    (key, value) -> {
                        if (Keys.kind(key) != Keys.HEADER) {
                            dirty.put(key(key), null);
                        }
                    });
            db.verify(it);
        }
        dirty.putAll(rows);
        volumes.clear();
        clones.clear();
        branches.values().forEach(Branch::reset);
        load(rows);
        nextBranch = next;
        Set<Long> stored = new HashSet<>();
        for (ByteBuffer key : rows.keySet()) {
            if (Keys.kind(key.array()) == Keys.BRANCH) {
                stored.add(key.getLong(9));
            }
        }
        return stored;
    }

    private void loadBranches(Map<Long, Branch.Stored> stored) {
        stored.forEach((id, s) -> {
            Branch branch = branches.computeIfAbsent(id, Branch::new);
            branch.collect = s.collect();
        });
        stored.forEach((id, s) -> {
            if (s.parent() >= 0) {
                Branch parent = branch(s.parent());
                branch(id).parent = new Point(parent, s.parentEpoch());
                parent.children.add(branch(id));
                parent.addRef(s.parentEpoch());
            }
        });
    }

    private void loadSnapshot(ByteBuffer key, byte[] value) {
        Volume volume = volumes.get(key.getLong(9));
        if (volume == null) {
            throw new CisternException(
                    ErrorCode.CORRUPT,
                    "group " + group + ": a snapshot of volume " + key.getLong(9) + " is orphaned");
        }
        Snapshot s = Volume.decodeSnapshot(key.getLong(17), key.getInt(25), value);
        volume.add(s);
        branch(s.branch()).addRef(s.epoch());
    }
}
