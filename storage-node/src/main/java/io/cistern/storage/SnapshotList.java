package io.cistern.storage;

import io.cistern.storage.VolumeState.Snapshot;
import java.util.AbstractList;
import java.util.Arrays;
import java.util.RandomAccess;
import org.jspecify.annotations.Nullable;

/// An immutable list of snapshots. [#append] shares the array with the list it extends, so that a
/// volume with very many snapshots gets another one in constant time; [#without] copies.
final class SnapshotList extends AbstractList<Snapshot> implements RandomAccess {
    static final SnapshotList EMPTY = new SnapshotList(new Snapshot[8], 0);

    private final @Nullable Snapshot[] array;
    private final int size;

    private SnapshotList(@Nullable Snapshot[] array, int size) {
        this.array = array;
        this.size = size;
    }

    @Override
    public Snapshot get(int index) {
        if (index >= size) {
            throw new IndexOutOfBoundsException(index);
        }
        Snapshot found = array[index];
        if (found == null) {
            throw new IndexOutOfBoundsException(index);
        }
        return found;
    }

    @Override
    public int size() {
        return size;
    }

    /// Call it once per list at most where the lists are to share their array.
    SnapshotList append(Snapshot snapshot) {
        @Nullable Snapshot[] target = array;
        if (size == array.length || array[size] != null || this == EMPTY) {
            target = Arrays.copyOf(array, Math.max(8, size + size / 2 + 1));
            Arrays.fill(target, size, target.length, null);
        }
        target[size] = snapshot;
        return new SnapshotList(target, size + 1);
    }

    SnapshotList without(Snapshot snapshot) {
        // The very object: comparing 100,000 names would take long. Mostly it is one of the oldest
        // or one of the newest.
        for (int i = 0, j = size - 1; i <= j; i++, j--) {
            if (array[i] == snapshot) {
                return without(i);
            }
            if (array[j] == snapshot) {
                return without(j);
            }
        }
        return this;
    }

    private SnapshotList without(int index) {
        @Nullable Snapshot[] copy = new Snapshot[size - 1 + 8];
        System.arraycopy(array, 0, copy, 0, index);
        System.arraycopy(array, index + 1, copy, index, size - 1 - index);
        return new SnapshotList(copy, size - 1);
    }
}
