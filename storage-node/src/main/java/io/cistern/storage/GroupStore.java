package io.cistern.storage;

import io.cistern.block.BlockDevice.Extent;
import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.GuardedDevice.SharedRecord;
import io.cistern.block.fs.engine.Views;
import io.cistern.raft.LogPosition;
import io.cistern.storage.CorruptBlocksException.Corrupt;
import java.nio.ByteBuffer;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/// A [Store] on a [Disk]: ties table, block map, checkpoints and the rest together, and says when
/// what may happen. One lock serialises applying with garbage collection, exports and the ends of
/// checkpoints; readers do without it.
final class GroupStore implements Store {
    /// Granules looked at for garbage on the way to one entry.
    private static final int MOST_STEPS = 1 << 20;

    private final Disk disk;
    private final DiskThreads threads;
    private final long group;
    private final BlockMap map;
    private final FileRows files;
    private final Map<Long, ShareViews> shares = new ConcurrentHashMap<>();
    private final Table table;
    private final Commands commands;
    private final AtomicRanges atomics = new AtomicRanges();
    private final BlockReader reader;
    private final Checkpointer checkpointer;
    private final CheckpointPolicy policy;
    private final Collector collector;
    private final Copies copies;
    private final Inspector inspector;
    private final SpaceLedger ledger;
    private final Mark mark;
    private final StoreState state;
    private final ReentrantLock lock;

    GroupStore(Disk disk, long group, StoreParts parts, Mark mark) {
        this.disk = disk;
        this.threads = disk.threads();
        this.group = group;
        this.map = parts.map;
        this.files = new FileRows(parts.map.db(), group);
        this.table = parts.table;
        this.mark = mark;
        this.state = new StoreState(group, parts.header);
        this.lock = state.lock;
        BlockWriter writer = new BlockWriter(map, state);
        commands =
                new Commands(
                        table, writer, new ShareCommands(files, writer), atomics, this::epochMoved);
        reader = new BlockReader(map, table);
        checkpointer =
                new Checkpointer(map, files, table, mark, lock, disk, parts.header.position());
        policy = new CheckpointPolicy(disk, map, files, state, checkpointer);
        collector = new Collector(map, table, reader, files);
        copies =
                new Copies(
                        state,
                        new Copies.Contents(map, files, table, reader),
                        new Copies.Checkpoints() {
                            @Override
                            public @Nullable CompletableFuture<LogPosition> running() {
                                return checkpointer.running();
                            }

                            @Override
                            public CompletableFuture<LogPosition> begin(Runnable written) {
                                return GroupStore.this.begin(written);
                            }

                            @Override
                            public void now() {
                                checkpointNow();
                            }

                            @Override
                            public void await(CompletableFuture<LogPosition> running) {
                                threads.await(running);
                            }
                        });
        inspector = new Inspector(map, reader, new Damage(map, table));
        ledger = new SpaceLedger(map, table);
    }

    // ---- applying

    @Override
    public Outcome apply(long index, long term, Command command) {
        if (state.betweenEntries()) {
            waitForMemory();
        }
        lock.lock();
        try {
            if (state.importing || index <= state.applied.index()) {
                throw new IllegalStateException(
                        "group "
                                + group
                                + ": entry "
                                + index
                                + " after "
                                + state.applied.index()
                                + (state.importing ? ", in an import" : ""));
            }
            state.latestIndex = index;
            if (command instanceof Command.Write w) {
                policy.wrote(w.data().remaining());
                map.area().counters().userBytes.add(w.data().remaining());
            } else if (command instanceof Command.FileChange c) {
                policy.wrote(FileChangeCodec.size(c));
            }
            return commands.apply(index, term, command);
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void makeRoom(List<Command> commands) {
        long slots = commands.stream().mapToLong(Slots::mostOf).sum();
        giveBack(slots);
        if (map.area().scarce(slots)) {
            disk.contents().stores().forEach(store -> store.giveBack(slots));
        }
    }

    /// Collects garbage until the disk has `slots` free or there is no more.
    private void giveBack(long slots) {
        if (!map.area().scarce(slots)) {
            return;
        }
        for (int i = 0; i < MOST_STEPS && map.freedSlots() < slots && collect(0); i++) {
            // One granule at a time: no more than is needed.
        }
        CompletableFuture<LogPosition> running = checkpointer.running();
        if (running != null) {
            threads.await(running);
        }
        CompletableFuture<LogPosition> next = null;
        lock.lock();
        try {
            if (map.freedSlots() > 0
                    && state.betweenEntries()
                    && !state.importing
                    && !state.closed) {
                next = checkpoint();
            }
        } finally {
            lock.unlock();
        }
        if (next != null) {
            threads.await(next);
        }
    }

    @Override
    public void advance(long index, long term) {
        lock.lock();
        try {
            if (index <= state.applied.index()) {
                throw new IllegalStateException(
                        "group " + group + ": entry " + index + " after " + state.applied.index());
            }
            state.latestIndex = index;
            state.applied = new LogPosition(term, index);
            state.entryEnded.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /// While the map is newer than the table a new epoch may have rows already.
    private void epochMoved() {
        if (state.latestIndex <= state.readableFrom) {
            map.invalidateAll();
        }
    }

    /// Holds an entry back while too much has changed for the memory it takes.
    private void waitForMemory() {
        if (policy.overfull()) {
            CompletableFuture<LogPosition> running = checkpointer.running();
            if (running != null) {
                threads.await(running);
            }
            checkpoint();
        }
    }

    @Override
    public @Nullable Outcome executed(long volume, Origin origin) {
        lock.lock();
        try {
            Volume found = table.volumes.get(volume);
            Volume.Holder holder = found == null ? null : found.holder(origin.attachment());
            return holder == null ? null : holder.window.get(origin.seq());
        } finally {
            lock.unlock();
        }
    }

    @Override
    public long group() {
        return group;
    }

    @Override
    public LogPosition applied() {
        return state.applied;
    }

    @Override
    public long readableFrom() {
        return state.readableFrom;
    }

    // ---- checkpoints

    @Override
    public LogPosition checkpointed() {
        return state.importing ? LogPosition.START : checkpointer.durable();
    }

    @Override
    public boolean checkpointDue() {
        return policy.due();
    }

    @Override
    public CompletableFuture<LogPosition> checkpoint() {
        lock.lock();
        try {
            if (!state.betweenEntries()) {
                throw new IllegalStateException(
                        "group "
                                + group
                                + ": checkpoint in the middle of entry "
                                + state.latestIndex);
            }
            CompletableFuture<LogPosition> running = checkpointer.running();
            if (running == null && state.closed) {
                return CompletableFuture.failedFuture(state.isClosed());
            }
            return running == null ? begin() : running;
        } finally {
            lock.unlock();
        }
    }

    /// As [#checkpoint] where one is due and nothing is in its way.
    void checkpointIfDue() {
        if (checkpointDue() && lock.tryLock()) {
            try {
                if (state.betweenEntries() && checkpointDue()) {
                    begin();
                }
            } finally {
                lock.unlock();
            }
        }
    }

    private CompletableFuture<LogPosition> begin() {
        return begin(() -> {});
    }

    private CompletableFuture<LogPosition> begin(Runnable written) {
        // After it is closed another store may stand in its place, with rows of its own.
        state.checkOpen();
        policy.begun();
        collector.checkpointBegun();
        return checkpointer.begin(state.header(table), written);
    }

    /// A checkpoint that holds everything done before the call. Blocks.
    void checkpointNow() {
        CompletableFuture<LogPosition> before = checkpointer.running();
        if (before != null) {
            threads.await(before);
        }
        threads.await(checkpoint());
    }

    // ---- volumes

    @Override
    public @Nullable VolumeState volume(long volume) {
        Volume found = table.volumes.get(volume);
        return found == null ? null : found.state;
    }

    @Override
    public List<VolumeState> volumes() {
        return table.volumes.values().stream().map(v -> v.state).toList();
    }

    @Override
    public @Nullable SharedRecord record(long volume) {
        Volume found = table.volumes.get(volume);
        return found == null ? null : found.record;
    }

    @Override
    public View headView(long volume) {
        VolumeState known = known(volume);
        return new View(known.branch(), known.epoch());
    }

    @Override
    public View snapshotView(long volume, String snapshot) {
        VolumeState.Snapshot s;
        lock.lock();
        try {
            Volume found = table.volumes.get(volume);
            s = found == null ? null : found.byName.get(snapshot);
        } finally {
            lock.unlock();
        }
        if (s == null) {
            throw new CisternException(
                    ErrorCode.NOT_FOUND,
                    "volume " + known(volume).volume() + " has no snapshot '" + snapshot + "'");
        }
        return new View(s.branch(), s.epoch());
    }

    private VolumeState known(long volume) {
        VolumeState found = volume(volume);
        if (found == null) {
            state.checkReadable();
            found = volume(volume);
        }
        if (found == null) {
            throw new CisternException(
                    ErrorCode.NOT_FOUND, "volume " + volume + " does not exist in group " + group);
        }
        return found;
    }

    // ---- shares

    @Override
    public Views share(long volume) {
        return shares.computeIfAbsent(
                volume, id -> new ShareViews(id, table, files, reader, state));
    }

    @Override
    public boolean isShare(long volume) {
        return ShareViews.formatted(share(volume));
    }

    @Override
    public long nextGranule(View view, long from) {
        return map.nextGranule(reader.branch(view), from);
    }

    // ---- reading

    @Override
    public boolean tryRead(View view, long offset, ByteBuffer dst) {
        state.checkReadable();
        int start = dst.position();
        int length = dst.remaining();
        long before = atomics.stamp();
        if (!reader.tryRead(view, offset, dst)) {
            return false;
        }
        if (atomics.touched(before, view.branch(), offset, length)) {
            dst.position(start);
            return false;
        }
        return true;
    }

    @Override
    public void read(View view, long offset, ByteBuffer dst) {
        state.checkReadable();
        int start = dst.position();
        int length = dst.remaining();
        for (int attempt = 0; attempt < AtomicRanges.ATTEMPTS; attempt++) {
            long before = atomics.stamp();
            reader.read(view, offset, dst.position(start));
            if (!atomics.touched(before, view.branch(), offset, length)) {
                return;
            }
        }
        lock.lock();
        try {
            reader.read(view, offset, dst.position(start));
        } finally {
            lock.unlock();
        }
    }

    @Override
    public List<Extent> extents(View view, long offset, long length, int max) {
        state.checkReadable();
        return inspector.extents(view, offset, length, max);
    }

    @Override
    public List<Range> diff(View a, View b, long offset, long length, int max) {
        state.checkReadable();
        return inspector.diff(a, b, offset, length, max);
    }

    // ---- space

    @Override
    public Usage usage() {
        // While entries are applied, rather too little than too much for used and free together.
        long index = state.applied.index();
        long before = usedBytes();
        long free = disk.freeBytes();
        return new Usage(disk.capacityBytes(), free, Math.min(before, usedBytes()), index);
    }

    @Override
    public long usedBytes() {
        return map.heldSlots() * Slots.SLOT_BYTES;
    }

    @Override
    public StoreActivity activity() {
        lock.lock();
        try {
            return new StoreActivity(
                    checkpointer.completed(),
                    checkpointer.lastMillis(),
                    map.dirtyRows(),
                    (long) map.freedSlots() * Slots.SLOT_BYTES,
                    (int) table.branches.values().stream().filter(b -> b.collect).count());
        } finally {
            lock.unlock();
        }
    }

    @Override
    public int slotsNeeded(long volume, long offset, long length) {
        known(volume);
        lock.lock();
        try {
            Volume found = table.volumes.get(volume);
            return found == null ? 0 : inspector.slotsNeeded(found.branch, offset, length);
        } finally {
            lock.unlock();
        }
    }

    @Override
    public List<VolumeSpace> space() {
        return ledger.of(volumes());
    }

    // ---- repair, scrub, catch-up

    @Override
    public GranuleData readGranule(View view, long granule) {
        state.checkReadable();
        return inspector.readGranule(view, granule, state.latestIndex);
    }

    @Override
    public int repair(Corrupt corrupt, GranuleData good) {
        return inspector.repair(corrupt, good);
    }

    @Override
    public boolean unchanged(Corrupt corrupt) {
        return inspector.unchanged(corrupt);
    }

    @Override
    public ScrubResult scrub(@Nullable RowKey cursor, long maxBytes) {
        return inspector.scrub(cursor, maxBytes);
    }

    @Override
    public StoreExport export() {
        return copies.export();
    }

    @Override
    public @Nullable CompletableFuture<StoreCut> cut() {
        AtomicReference<MapDb.@Nullable Frozen> frozen = new AtomicReference<>();
        LogPosition position;
        CompletableFuture<LogPosition> written;
        lock.lock();
        try {
            state.checkReadable();
            if (state.closed || !state.betweenEntries() || checkpointer.running() != null) {
                return null;
            }
            position = state.applied;
            written = begin(() -> frozen.set(map.db().freeze()));
        } finally {
            lock.unlock();
        }
        return written.thenApply(durable -> {
            MapDb.Frozen rows = Objects.requireNonNull(frozen.get());
            try {
                return new Cut(rows, group, position);
            } catch (RuntimeException e) {
                rows.close();
                throw e;
            }
        });
    }

    /// As [#cut], waiting for what is in its way. Not for the apply thread.
    ///
    /// @throws CisternException STALE while the store is catching up
    MapDb.Frozen frozenRows() {
        AtomicReference<MapDb.@Nullable Frozen> frozen = new AtomicReference<>();
        while (true) {
            CompletableFuture<LogPosition> running = checkpointer.running();
            if (running != null) {
                threads.await(running);
            }
            CompletableFuture<LogPosition> written;
            lock.lock();
            try {
                while (!state.betweenEntries() && !state.closed) {
                    state.entryEnded.awaitUninterruptibly();
                }
                state.checkReadable();
                if (checkpointer.running() != null) {
                    continue;
                }
                written = begin(() -> frozen.set(map.db().freeze()));
            } finally {
                lock.unlock();
            }
            threads.await(written);
            return Objects.requireNonNull(frozen.get());
        }
    }

    @Override
    public boolean holdCheckpoints(long nanos) {
        policy.hold(nanos);
        return checkpointer.running() == null;
    }

    @Override
    public void importBegin() {
        copies.begin();
    }

    @Override
    public boolean importing() {
        return state.importing;
    }

    @Override
    public List<RowKey> importPage(ExportPage page) {
        return copies.page(page);
    }

    @Override
    public void importRows(List<RowExport> rows) {
        copies.rows(rows);
    }

    @Override
    public boolean importFiles(FilePage page) {
        return copies.files(page);
    }

    @Override
    public LogPosition importEnd(ByteBuffer tableCopy, long newest) {
        return copies.end(tableCopy, newest);
    }

    // ---- garbage

    @Override
    public boolean collect(long maxNanos) {
        lock.lock();
        try {
            boolean allowed = state.rowsMayMove() && !state.closed && policy.hasRoom();
            return allowed && collector.step(maxNanos);
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void close() {
        lock.lock();
        try {
            if (state.closed) {
                return;
            }
            state.closed = true;
        } finally {
            lock.unlock();
        }
        CompletableFuture<LogPosition> running = checkpointer.running();
        if (running != null) {
            threads.await(running.exceptionally(e -> LogPosition.START));
        }
        map.invalidateAll();
        disk.contents().closed(this, heldSlots(), mark);
    }

    private BitSet heldSlots() {
        lock.lock();
        try {
            return map.slots();
        } finally {
            lock.unlock();
        }
    }
}
