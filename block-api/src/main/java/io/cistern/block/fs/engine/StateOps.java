package io.cistern.block.fs.engine;

import io.cistern.block.fs.Call;
import io.cistern.block.fs.Call.Hold;
import io.cistern.block.fs.Call.OnceId;
import io.cistern.block.fs.Call.StateChange;
import io.cistern.block.fs.FileError;
import io.cistern.block.fs.FileException;
import io.cistern.block.fs.FileId;
import io.cistern.block.fs.FileSystem;
import io.cistern.block.fs.engine.Rows.RowCursor;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// What a change does besides itself: the front end's state, holds, and results that are
/// remembered.
///
/// ```
/// once := version:u8 (1) sequence:u32 count:u8 (index:u8 length:u32 reply)[count]
/// ```
final class StateOps {
    private static final int VERSION = 1;

    /// Most rows that one entry forgets of a client.
    private static final int MAX_FORGOTTEN = 16 << 10;

    private final Change change;

    StateOps(Change change) {
        this.change = change;
    }

    // ---- state

    void change(List<StateChange> changes) {
        long bytes = 0;
        for (StateChange c : changes) {
            int value = c.value() == null ? 0 : c.value().length();
            bytes += c.key().length() + value;
            if (c.key().isEmpty()
                    || c.key().length() > FileSystem.MAX_STATE_KEY_BYTES
                    || value > FileSystem.MAX_STATE_VALUE_BYTES
                    || bytes > FileSystem.MAX_STATE_CHANGE_BYTES) {
                throw limit("a change of the state area is too long");
            }
            put(c);
        }
        if (change.totals.stateBytes > FileSystem.MAX_STATE_BYTES) {
            throw limit("the state area is full");
        }
    }

    private static FileException limit(String what) {
        return new FileException(FileError.LIMIT, what);
    }

    private void put(StateChange c) {
        byte[] key = RowKeys.state(c.key());
        byte[] old = change.tx.get(key);
        if (old != null) {
            change.totals.stateBytes -= old.length + c.key().length();
        }
        if (c.value() == null) {
            change.tx.delete(key);
        } else {
            change.totals.stateBytes += c.value().length() + c.key().length();
            change.tx.put(key, c.value().toByteArray());
        }
    }

    // ---- holds

    /// Begins the holds that name their files, before the change itself: it may be what takes such
    /// a file's last name.
    void holdFirst(List<Hold> holds) {
        for (Hold h : holds) {
            FileId file = h.file();
            if (file != null && h.begin()) {
                begin(file, h);
            }
        }
    }

    /// @param subject what a hold without a file means
    void hold(List<Hold> holds, @Nullable FileId subject) {
        for (Hold h : holds) {
            FileId file = h.file() == null ? subject : h.file();
            if (file == null) {
                throw new FileException(FileError.INVALID, "a hold without a file");
            }
            if (h.begin()) {
                begin(file, h);
            } else {
                end(file.inode(), h.client(), h.open());
            }
        }
    }

    private void begin(FileId file, Hold h) {
        if (file.inSnapshot()) {
            // The snapshot keeps it.
            return;
        }
        Inode inode = change.load(file);
        byte[] key = RowKeys.hold(inode.number, h.client(), h.open());
        if (change.tx.get(key) != null) {
            return;
        }
        if (change.totals.holds >= FileSystem.MAX_HOLDS) {
            throw limit("the share has the most open files, " + FileSystem.MAX_HOLDS);
        }
        change.totals.holds++;
        change.tx.put(key, new byte[0]);
        change.tx.put(RowKeys.held(h.client(), inode.number, h.open()), new byte[0]);
    }

    private void end(long number, long client, long open) {
        byte[] key = RowKeys.hold(number, client, open);
        if (change.tx.get(key) == null) {
            return;
        }
        change.totals.holds--;
        change.tx.delete(key);
        change.tx.delete(RowKeys.held(client, number, open));
        if (change.tx.get(RowKeys.orphan(number)) != null && !change.held(number)) {
            byte[] row = change.tx.get(RowKeys.inode(number));
            if (row != null) {
                change.endOrphan(Inode.decode(number, row));
            }
        }
    }

    /// Reply: [1: not done yet, ask again].
    Reply forget(long client) {
        int left = MAX_FORGOTTEN;
        List<byte[]> held = keys(RowKeys.held(client), left);
        for (byte[] key : held) {
            end(RowKeys.second(key), client, RowKeys.third(key));
        }
        left -= held.size();
        List<byte[]> onces = keys(RowKeys.onces(client), left);
        onces.forEach(change.tx::delete);
        change.totals.onceSlots -= onces.size();
        return Reply.of(List.of(left == onces.size() ? 1L : 0L));
    }

    private List<byte[]> keys(byte[] prefix, int max) {
        List<byte[]> keys = new ArrayList<>();
        try (RowCursor rows = change.tx.scan(prefix, null)) {
            while (keys.size() < max && rows.next()) {
                keys.add(rows.key());
            }
        }
        return keys;
    }

    // ---- exactly once

    /// The first result of a change, null if it was not done.
    static @Nullable Reply first(Rows rows, Call call) {
        OnceId once = call.once();
        byte[] row = once == null ? null : rows.get(RowKeys.once(once.client(), once.slot()));
        if (once == null || row == null) {
            return null;
        }
        ByteReader in = ByteReader.row(row, "remembered result");
        in.version(VERSION);
        if (in.i32() != once.sequence()) {
            return null;
        }
        int count = in.u8();
        for (int i = 0; i < count; i++) {
            int index = in.u8();
            ByteBuffer reply = in.slice(in.count(row.length));
            if (index == once.index()) {
                return Reply.decode(reply);
            }
        }
        return null;
    }

    void remember(OnceId once, Reply reply) {
        byte[] key = RowKeys.once(once.client(), once.slot());
        byte[] row = change.tx.get(key);
        int count = 0;
        ByteBuffer kept = ByteBuffer.allocate(0);
        if (row == null) {
            change.totals.onceSlots++;
        } else {
            ByteReader in = ByteReader.row(row, "remembered result");
            in.version(VERSION);
            if (in.i32() == once.sequence()) {
                count = in.u8();
                kept = in.rest();
            }
        }
        ByteBuffer bytes = reply.encode();
        ByteWriter out = new ByteWriter();
        out.u8(VERSION).i32(once.sequence()).u8(count + 1).raw(kept);
        out.u8(once.index()).i32(bytes.remaining()).raw(bytes);
        change.tx.put(key, out.array());
    }

    /// @throws FileException LIMIT, INVALID
    void checkOnce(OnceId once) {
        if (once.index() < 0 || once.index() > 2 * FileSystem.MAX_ONCE_INDEX + 1) {
            throw new FileException(FileError.INVALID, "change " + once.index() + " of a request");
        }
        if (change.totals.onceSlots >= FileSystem.MAX_ONCE_SLOTS
                && change.tx.get(RowKeys.once(once.client(), once.slot())) == null) {
            throw limit("the share remembers the most slots, " + FileSystem.MAX_ONCE_SLOTS);
        }
    }
}
