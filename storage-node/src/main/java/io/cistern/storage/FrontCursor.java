package io.cistern.storage;

import io.cistern.block.fs.engine.Rows.RowCursor;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// The rows of a list, from its first on, by way of its [RowFronts.Front]: those that are known,
/// then those of the store.
final class FrontCursor implements RowCursor {
    /// The rest of a list.
    interface Rest {
        RowCursor behind(byte @Nullable [] end);
    }

    private final RowFronts.Front front;
    private final Rest rest;
    private final boolean learns;
    private final Function<byte[], byte @Nullable []> values;
    private final byte @Nullable [] end;
    private @Nullable RowCursor stored;
    private byte @Nullable [] last;
    private byte[] value = {};

    /// @param learns whether the store's lock is held: what is found first is remembered
    /// @param values the row of a key, null where there is none any more
    FrontCursor(
            RowFronts.Front front,
            boolean learns,
            Rest rest,
            Function<byte[], byte @Nullable []> values) {
        this.front = front;
        this.learns = learns;
        this.rest = rest;
        this.values = values;
        this.end = front.end(); // before what is known is looked at: it only comes to more
    }

    @Override
    public boolean next() {
        while (stored == null) {
            byte[] key = front.next(last, end);
            if (key == null) {
                if (RowFronts.Front.isAll(end)) {
                    return false;
                }
                return begin();
            }
            last = key;
            byte[] found = values.apply(key);
            if (found != null) {
                value = found;
                return true;
            }
        }
        return step(stored);
    }

    private boolean begin() {
        RowCursor from = rest.behind(end);
        stored = from;
        boolean any = step(from);
        if (learns) {
            front.found(end, any ? last : null);
        }
        return any;
    }

    private boolean step(RowCursor from) {
        if (!from.next()) {
            return false;
        }
        last = from.key();
        value = from.value();
        return true;
    }

    @Override
    public byte[] key() {
        if (last == null) {
            throw new IllegalStateException("not at a row");
        }
        return last;
    }

    @Override
    public byte[] value() {
        return value;
    }

    @Override
    public void close() {
        if (stored != null) {
            stored.close();
        }
    }
}
