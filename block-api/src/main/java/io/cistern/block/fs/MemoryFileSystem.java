package io.cistern.block.fs;

import io.cistern.block.BlockDevice;
import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.fs.FileResults.SnapshotView;
import io.cistern.block.fs.FileResults.Space;
import io.cistern.block.fs.engine.BlockReads;
import io.cistern.block.fs.engine.BlockSpace;
import io.cistern.block.fs.engine.Blocks;
import io.cistern.block.fs.engine.EngineFileSystem;
import io.cistern.block.fs.engine.Evaluator;
import io.cistern.block.fs.engine.FileOp;
import io.cistern.block.fs.engine.FileQuery;
import io.cistern.block.fs.engine.FileRequest;
import io.cistern.block.fs.engine.Preparation;
import io.cistern.block.fs.engine.Queries;
import io.cistern.block.fs.engine.Reply;
import io.cistern.block.fs.engine.RowKeys;
import io.cistern.block.fs.engine.Rows;
import io.cistern.block.fs.engine.Views;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// A [FileSystem] in memory: what front ends are tested and measured with. It runs the engine that
/// the replicated one runs; nothing of it survives the process. Futures complete in the caller's
/// thread.
///
/// A share can be [#reopen]ed as another owner, which fences this one, [#snapshot] and [#cloned].
public final class MemoryFileSystem extends EngineFileSystem {
    private static final long FREE_BYTES = 1L << 40;
    private static final long FREE_FILES = 1L << 40;

    private final Share share;
    private final long owner;
    private volatile boolean closed;

    /// What all owners share.
    private static final class Share {
        final InstantSource clock;
        TreeMap<byte[], byte[]> rows = new TreeMap<>(Arrays::compareUnsigned);
        TreeMap<Long, byte[]> blocks = new TreeMap<>();
        final List<Frozen> snapshots = new ArrayList<>();
        long owner = 1;
        long index;
        boolean slow;

        Share(InstantSource clock) {
            this.clock = clock;
        }
    }

    private record Frozen(
            SnapshotView view, TreeMap<byte[], byte[]> rows, TreeMap<Long, byte[]> blocks) {}

    /// An empty share without a quota, on the system's clock.
    public MemoryFileSystem() {
        this(0, InstantSource.system());
    }

    /// @param quotaBytes 0: none
    public MemoryFileSystem(long quotaBytes, InstantSource clock) {
        this(new Share(clock), 1);
        change(new FileRequest(new FileOp.Format(quotaBytes), Call.of(Credentials.ROOT)), null)
                .join();
    }

    private MemoryFileSystem(Share share, long owner) {
        this.share = share;
        this.owner = owner;
    }

    /// The same share for another owner. This one is fenced from now on.
    public MemoryFileSystem reopen() {
        synchronized (share) {
            return new MemoryFileSystem(share, ++share.owner);
        }
    }

    /// Freezes the share under a name.
    public void snapshot(String name) {
        synchronized (share) {
            SnapshotView view =
                    new SnapshotView(
                            ByteString.utf8(name), share.snapshots.size() + 1, now(share.clock));
            share.snapshots.add(
                    new Frozen(view, new TreeMap<>(share.rows), new TreeMap<>(share.blocks)));
        }
    }

    /// A new share that begins as a snapshot of this one.
    ///
    /// @throws FileException NOT_FOUND
    public MemoryFileSystem cloned(String snapshot) {
        synchronized (share) {
            ByteString name = ByteString.utf8(snapshot);
            for (Frozen f : share.snapshots) {
                if (f.view.name().equals(name)) {
                    Share copy = new Share(share.clock);
                    f.rows.forEach((key, value) -> {
                        if (RowKeys.isContent(key)) {
                            copy.rows.put(key, value);
                        }
                    });
                    copy.blocks = new TreeMap<>(f.blocks);
                    copy.index = share.index;
                    return new MemoryFileSystem(copy, 1);
                }
            }
        }
        throw new FileException(FileError.NOT_FOUND, "no snapshot '" + snapshot + "'");
    }

    private static long now(InstantSource clock) {
        Instant now = clock.instant();
        return Math.addExact(
                Math.multiplyExact(now.getEpochSecond(), 1_000_000_000L), now.getNano());
    }

    @Override
    public long owner() {
        return owner;
    }

    @Override
    public boolean readOnly() {
        return false;
    }

    private void check() {
        if (closed) {
            throw closed();
        }
        if (owner != share.owner) {
            throw new CisternException(ErrorCode.FENCED, "owner " + owner + " was replaced");
        }
    }

    @Override
    protected CompletableFuture<Reply> change(FileRequest request, @Nullable ByteBuffer data) {
        try {
            synchronized (share) {
                check();
                ByteBuffer encoded = request.encode();
                FileRequest.stamp(encoded, now(share.clock));
                FileRequest stamped = FileRequest.decode(encoded);
                Memory memory = new Memory(share);
                List<Blocks> blocks = new Preparation(memory).blocks(stamped.op(), data);
                Evaluator.Result result =
                        Evaluator.evaluate(memory.rows(0), stamped, blocks, ++share.index);
                result.effects()
                        .commit(
                                memory,
                                (key, value) -> {
                                    if (value == null) {
                                        share.rows.remove(key);
                                    } else {
                                        share.rows.put(key, value);
                                    }
                                });
                return CompletableFuture.completedFuture(Reply.decode(result.reply().encode()));
            }
        } catch (CisternException e) {
            return CompletableFuture.failedFuture(e);
        }
    }

    @Override
    protected CompletableFuture<Reply> ask(FileQuery query) {
        try {
            synchronized (share) {
                check();
                return CompletableFuture.completedFuture(answer(query, null));
            }
        } catch (CisternException e) {
            return CompletableFuture.failedFuture(e);
        }
    }

    @Override
    protected @Nullable Reply tryAsk(FileQuery query, @Nullable ByteBuffer into) {
        synchronized (share) {
            return closed || owner != share.owner || share.slow ? null : answer(query, into);
        }
    }

    /// Both ways through their encodings, as over a network, but for bytes that are read in place.
    private Reply answer(FileQuery query, @Nullable ByteBuffer into) {
        Reply reply = new Queries(new Memory(share)).answer(FileQuery.decode(query.encode()), into);
        return reply.data() == into ? reply : Reply.decode(reply.encode());
    }

    /// Answers nothing at once any more, as if everything had to be fetched from a disk, or does so
    /// again.
    public void slow(boolean on) {
        synchronized (share) {
            share.slow = on;
        }
    }

    @Override
    public CompletableFuture<Space> space() {
        return shareSpace()
                .thenApply(s -> {
                    long total = s.get(0) > 0 ? s.get(0) : FREE_BYTES;
                    return new Space(total, Math.max(0, total - s.get(1)), s.get(2), FREE_FILES);
                });
    }

    @Override
    public void close() {
        closed = true;
    }

    /// The share's maps as the engine wants them.
    private record Memory(Share share) implements Views, BlockSpace {
        @Override
        public Rows rows(long snapshot) {
            return new MapRows(snapshot == 0 ? share.rows : frozen(snapshot).rows);
        }

        private Frozen frozen(long snapshot) {
            for (Frozen f : share.snapshots) {
                if (f.view.id() == snapshot) {
                    return f;
                }
            }
            throw new FileException(FileError.STALE, "the snapshot does not exist any more");
        }

        @Override
        public BlockReads blocks(long snapshot) {
            TreeMap<Long, byte[]> blocks = snapshot == 0 ? share.blocks : frozen(snapshot).blocks;
            return (offset, dst) -> {
                long at = offset;
                while (dst.hasRemaining()) {
                    byte[] block = blocks.get(at / BlockDevice.BLOCK_BYTES);
                    int within = (int) (at % BlockDevice.BLOCK_BYTES);
                    int length = Math.min(dst.remaining(), BlockDevice.BLOCK_BYTES - within);
                    if (block == null) {
                        dst.put(new byte[length]);
                    } else {
                        dst.put(block, within, length);
                    }
                    at += length;
                }
            };
        }

        @Override
        public List<SnapshotView> snapshots() {
            return share.snapshots.stream().map(Frozen::view).toList();
        }

        @Override
        public <T> T still(Supplier<T> task) {
            return task.get();
        }

        @Override
        public long version() {
            return 0; // one request at a time
        }

        @Override
        public Views atOnce() {
            return this;
        }

        @Override
        public void write(long offset, int[] crcs, ByteBuffer data) {
            for (int i = 0; i < crcs.length; i++) {
                byte[] block = new byte[BlockDevice.BLOCK_BYTES];
                data.get(data.position() + i * BlockDevice.BLOCK_BYTES, block);
                share.blocks.put(offset / BlockDevice.BLOCK_BYTES + i, block);
            }
        }

        @Override
        public void zero(long offset, long length) {
            long first = offset / BlockDevice.BLOCK_BYTES;
            share.blocks.subMap(first, first + length / BlockDevice.BLOCK_BYTES).clear();
        }
    }

    /// Rows in a map.
    private record MapRows(TreeMap<byte[], byte[]> map) implements Rows {
        @Override
        public byte @Nullable [] get(byte[] key) {
            return map.get(key);
        }

        @Override
        public RowCursor scan(byte[] prefix, byte @Nullable [] after) {
            byte[] from = after == null ? prefix : after;
            Iterator<Map.Entry<byte[], byte[]>> rows =
                    map.tailMap(from, after == null).entrySet().iterator();
            return new MapCursor(rows, prefix);
        }
    }

    private static final class MapCursor implements Rows.RowCursor {
        private final Iterator<Map.Entry<byte[], byte[]>> rows;
        private final byte[] prefix;
        private byte[] key = {};
        private byte[] value = {};

        MapCursor(Iterator<Map.Entry<byte[], byte[]>> rows, byte[] prefix) {
            this.rows = rows;
            this.prefix = prefix;
        }

        @Override
        public boolean next() {
            if (!rows.hasNext()) {
                return false;
            }
            Map.Entry<byte[], byte[]> row = rows.next();
            if (Arrays.mismatch(row.getKey(), prefix) >= 0
                    && Arrays.mismatch(row.getKey(), prefix) < prefix.length) {
                return false;
            }
            key = row.getKey();
            value = row.getValue();
            return true;
        }

        @Override
        public byte[] key() {
            return key;
        }

        @Override
        public byte[] value() {
            return value;
        }

        @Override
        public void close() {}
    }
}
