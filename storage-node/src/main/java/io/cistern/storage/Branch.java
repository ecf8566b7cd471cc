package io.cistern.storage;

import io.cistern.block.ErrorCode;
import java.nio.ByteBuffer;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.ConcurrentSkipListMap;
import org.jspecify.annotations.Nullable;

/// A line of epochs. Written under the store's lock; [#parent], [#live] and [#granules] may be read
/// by any thread.
///
/// ```
/// branch := version:u8 (1) parent:i64 (-1: none) parentEpoch:u32 collect:u8
/// ```
///
/// Epochs count from 1. Epoch 0 is where the contents of a former parent end up once that parent
/// has been merged into its only child.
final class Branch {
    private static final int VERSION = 1;

    /// Epoch of rows taken over from a parent.
    static final int INHERITED = 0;

    static final int FIRST_EPOCH = 1;
    static final int NO_HEAD = -1;

    final long id;

    /// Persisted. Where reads go on that find nothing here.
    volatile @Nullable Point parent;

    /// Persisted. Rows may be there that no live epoch distinguishes.
    boolean collect;

    /// Derived. Counts [#collect] being set, so that a scan notices that it was set again.
    int collectRequests;

    /// Derived. The epoch that is written to, [#NO_HEAD] if none is.
    volatile int head = NO_HEAD;

    /// Derived. Snapshots and children by epoch: how many.
    private final ConcurrentSkipListMap<Integer, Integer> refs = new ConcurrentSkipListMap<>();

    /// Derived. Branches whose parent this is.
    final Set<Branch> children = new HashSet<>();

    /// Derived.
    final GranuleSet granules = new GranuleSet();

    /// Derived from its rows.
    final RowFronts fronts = new RowFronts();

    /// Derived. Slots that rows of this branch hold.
    long slots;

    /// A place to read on at.
    record Point(Branch branch, int epoch) {}

    Branch(long id) {
        this.id = id;
    }

    void addRef(int epoch) {
        refs.merge(epoch, 1, Integer::sum);
    }

    void dropRef(int epoch) {
        refs.computeIfPresent(epoch, (e, n) -> n == 1 ? null : n - 1);
    }

    /// Whether anything reads at exactly this epoch.
    boolean live(int epoch) {
        return epoch == head || refs.containsKey(epoch);
    }

    /// The smallest live epoch from `epoch` on, -1 if none.
    int liveFrom(int epoch) {
        Integer ref = refs.ceilingKey(epoch);
        if (ref != null) {
            return ref;
        }
        return head >= epoch ? head : -1;
    }

    /// How many snapshots, children and heads read at exactly this epoch.
    int users(int epoch) {
        return refs.getOrDefault(epoch, 0) + (epoch == head ? 1 : 0);
    }

    /// Forgets everything that follows from the table.
    void reset() {
        parent = null;
        collect = false;
        head = NO_HEAD;
        refs.clear();
        children.clear();
        fronts.clear();
    }

    boolean dead() {
        return head == NO_HEAD && refs.isEmpty();
    }

    /// The child that is the only reason for this branch to exist, if there is such a one.
    @Nullable Branch onlyChild() {
        if (head != NO_HEAD || children.size() != 1 || refs.size() != 1) {
            return null;
        }
        return refs.firstEntry().getValue() == 1 ? children.iterator().next() : null;
    }

    /// True where nothing older than the head can be seen through it.
    boolean alone() {
        return parent == null && refs.isEmpty();
    }

    byte[] encode() {
        Point p = parent;
        return ByteBuffer.allocate(14)
                .put((byte) VERSION)
                .putLong(p == null ? -1 : p.branch().id)
                .putInt(p == null ? 0 : p.epoch())
                .put((byte) (collect ? 1 : 0))
                .array();
    }

    /// What a branch's row says, before the branches know each other.
    record Stored(long parent, int parentEpoch, boolean collect) {
        static Stored decode(byte[] bytes) {
            Bytes in = new Bytes(ByteBuffer.wrap(bytes), "branch", ErrorCode.CORRUPT);
            if (in.u8() != VERSION) {
                throw in.bad("version");
            }
            Stored stored = new Stored(in.i64(), in.i32(), in.flag());
            in.end();
            return stored;
        }
    }

    @Override
    public String toString() {
        return "branch " + id;
    }
}
