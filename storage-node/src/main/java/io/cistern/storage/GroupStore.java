package io.cistern.storage;

import io.cistern.block.BlockDevice.Extent;
import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.raft.LogPosition;
import io.cistern.storage.CorruptBlocksException.Corrupt;
import java.nio.ByteBuffer;
import java.util.BitSet;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/// A [Store] on a [Disk]: ties table, block map, checkpoints and the rest together, and says when
/// what may happen. One lock serialises applying with garbage collection, exports and the ends of
/// checkpoints; readers do without it.
final class GroupStore implements Store {
    /// A checkpoint is due after so many changed rows, written bytes, freed slots or so much time.
    static final int DUE_ROWS = 64 << 10;

    static final long DUE_BYTES = 256L << 20;
    static final int DUE_FREED = 16 << 10;
    static final long DUE_NANOS = 30_000_000_000L;

    /// So many changed rows wait for the checkpoint under way: bounds memory.
    static final int MOST_ROWS = 128 << 10;

    private final Disk disk;
    private final long group;
    private final BlockMap map;
    private final Table table;
    private final Commands commands;
    private final BlockReader reader;
    private final Checkpointer checkpointer;
    private final Collector collector;
    private final Importer importer;
    private final Damage damage;
    private final Inspector inspector;
    private final SpaceLedger ledger;
    private final Mark mark;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition entryEnded = lock.newCondition();

    private volatile LogPosition applied;
    private volatile long latestIndex;
    private volatile long readableFrom;
    private volatile boolean importing;
    private volatile boolean closed;
    private volatile long bytesSince;
    private volatile long begunNanos = System.nanoTime();
    private int exports;

    GroupStore(Disk disk, long group, StoreParts parts, Mark mark) {
        this.disk = disk;
        this.group = group;
        this.map = parts.map;
        this.table = parts.table;
        this.mark = mark;
        Header header = parts.header;
        applied = header.position();
        latestIndex = applied.index();
        importing = header.importing();
        readableFrom = header.readableFrom();
        commands = new Commands(table, new BlockWriter(map), this::epochMoved);
        reader = new BlockReader(map, table);
        checkpointer = new Checkpointer(map, table, mark, lock, disk, header.position());
        collector = new Collector(map, table, reader);
        importer = new Importer(map, table, lock);
        damage = new Damage(map, table);
        inspector = new Inspector(map, reader, damage);
        ledger = new SpaceLedger(map, table);
    }

    // ---- applying

    @Override
    public Outcome apply(long index, long term, Command command) {
        if (latestIndex == applied.index()) {
            waitForMemory();
        }
        lock.lock();
        try {
            if (importing || index <= applied.index()) {
                throw new IllegalStateException(
                        "group "
                                + group
                                + ": entry "
                                + index
                                + " after "
                                + applied.index()
                                + (importing ? ", in an import" : ""));
            }
            latestIndex = index;
            if (command instanceof Command.Write w) {
                long bytes = bytesSince;
                bytesSince = bytes + w.data().remaining();
            }
            return commands.apply(index, term, command);
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void advance(long index, long term) {
        lock.lock();
        try {
            if (index <= applied.index()) {
                throw new IllegalStateException(
                        "group " + group + ": entry " + index + " after " + applied.index());
            }
            latestIndex = index;
            applied = new LogPosition(term, index);
            entryEnded.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /// While the map is newer than the table a new epoch may have rows already.
    private void epochMoved() {
        if (latestIndex <= readableFrom) {
            map.invalidateAll();
        }
    }

    /// Holds an entry back while too much has changed for the memory it takes.
    private void waitForMemory() {
        if (map.dirtyRows() >= MOST_ROWS) {
            CompletableFuture<LogPosition> running = checkpointer.running();
            if (running != null) {
                running.join();
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
        return applied;
    }

    @Override
    public long readableFrom() {
        return readableFrom;
    }

    // ---- checkpoints

    @Override
    public LogPosition checkpointed() {
        return importing ? LogPosition.START : checkpointer.durable();
    }

    @Override
    public boolean checkpointDue() {
        if (checkpointer.running() != null || importing || closed) {
            return false;
        }
        return map.dirtyRows() >= DUE_ROWS
                || bytesSince >= DUE_BYTES
                || map.freedSlots() >= DUE_FREED
                || (System.nanoTime() - begunNanos >= DUE_NANOS
                        && (map.dirtyRows() > 0
                                || map.freedSlots() > 0
                                || !applied.equals(checkpointer.durable())));
    }

    @Override
    public CompletableFuture<LogPosition> checkpoint() {
        lock.lock();
        try {
            if (latestIndex != applied.index()) {
                throw new IllegalStateException(
                        "group " + group + ": checkpoint in the middle of entry " + latestIndex);
            }
            CompletableFuture<LogPosition> running = checkpointer.running();
            return running == null ? begin() : running;
        } finally {
            lock.unlock();
        }
    }

    /// As [#checkpoint] where one is due and nothing is in its way.
    void checkpointIfDue() {
        if (checkpointDue() && lock.tryLock()) {
            try {
                if (latestIndex == applied.index() && checkpointDue()) {
                    begin();
                }
            } finally {
                lock.unlock();
            }
        }
    }

    private CompletableFuture<LogPosition> begin() {
        begunNanos = System.nanoTime();
        bytesSince = 0;
        collector.checkpointBegun();
        return checkpointer.begin(new Header(applied, table.nextBranch, importing, readableFrom));
    }

    /// A checkpoint that holds everything done before the call. Blocks.
    void checkpointNow() {
        CompletableFuture<LogPosition> before = checkpointer.running();
        if (before != null) {
            before.join();
        }
        checkpoint().join();
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
    public View headView(long volume) {
        VolumeState state = known(volume);
        return new View(state.branch(), state.epoch());
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
        VolumeState state = volume(volume);
        if (state == null) {
            throw new CisternException(
                    ErrorCode.NOT_FOUND, "volume " + volume + " does not exist in group " + group);
        }
        return state;
    }

    // ---- reading

    private void checkReadable() {
        if (importing || applied.index() < readableFrom) {
            throw new CisternException(
                    ErrorCode.STALE,
                    "this replica of group "
                            + group
                            + " is catching up: it has applied "
                            + applied.index()
                            + (importing ? " and is being copied" : " of " + readableFrom));
        }
    }

    @Override
    public boolean tryRead(View view, long offset, ByteBuffer dst) {
        checkReadable();
        return reader.tryRead(view, offset, dst);
    }

    @Override
    public void read(View view, long offset, ByteBuffer dst) {
        checkReadable();
        reader.read(view, offset, dst);
    }

    @Override
    public List<Extent> extents(View view, long offset, long length, int max) {
        checkReadable();
        return inspector.extents(view, offset, length, max);
    }

    @Override
    public List<Range> diff(View a, View b, long offset, long length, int max) {
        checkReadable();
        return inspector.diff(a, b, offset, length, max);
    }

    // ---- space

    @Override
    public Usage usage() {
        return new Usage(
                disk.capacityBytes(),
                disk.freeBytes(),
                map.heldSlots() * Slots.SLOT_BYTES,
                applied.index());
    }

    @Override
    public List<VolumeSpace> space() {
        return ledger.of(volumes());
    }

    // ---- repair, scrub, catch-up

    @Override
    public GranuleData readGranule(View view, long granule) {
        checkReadable();
        return inspector.readGranule(view, granule, latestIndex);
    }

    @Override
    public int repair(Corrupt corrupt, GranuleData good) {
        return inspector.repair(corrupt, good);
    }

    @Override
    public ScrubResult scrub(@Nullable RowKey cursor, long maxBytes) {
        return inspector.scrub(cursor, maxBytes);
    }

    @Override
    public StoreExport export() {
        lock.lock();
        try {
            while (latestIndex != applied.index()) {
                entryEnded.awaitUninterruptibly();
            }
            checkReadable();
            exports++;
            ByteBuffer copy = TableCopy.encode(table, applied);
            return new Exporter(
                    damage, reader, applied, copy, () -> latestIndex, this::exportClosed);
        } finally {
            lock.unlock();
        }
    }

    private void exportClosed() {
        lock.lock();
        try {
            exports--;
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void importBegin() {
        lock.lock();
        try {
            importing = true;
            map.invalidateAll();
        } finally {
            lock.unlock();
        }
        checkpointNow();
    }

    @Override
    public boolean importing() {
        return importing;
    }

    @Override
    public List<RowKey> importPage(ExportPage page) {
        checkImporting();
        List<RowKey> wanted = importer.page(page, this::checkpointNow);
        relieve();
        return wanted;
    }

    @Override
    public void importRows(List<RowExport> rows) {
        checkImporting();
        importer.rows(rows, this::checkpointNow);
        relieve();
    }

    private void checkImporting() {
        if (!importing) {
            throw new IllegalStateException("group " + group + ": no import has begun");
        }
    }

    /// Writes out what an import has brought before it takes too much memory.
    private void relieve() {
        if (map.dirtyRows() >= DUE_ROWS || map.freedSlots() >= DUE_FREED) {
            checkpointNow();
        }
    }

    @Override
    public LogPosition importEnd(ByteBuffer tableCopy, long newest) {
        checkImporting();
        TableCopy copy = TableCopy.decode(tableCopy, group);
        lock.lock();
        try {
            importer.install(copy);
            applied = copy.position();
            latestIndex = applied.index();
            readableFrom = newest > applied.index() ? newest : -1;
            importing = false;
            map.invalidateAll();
        } finally {
            lock.unlock();
        }
        checkpointNow();
        return applied;
    }

    // ---- garbage

    @Override
    public boolean collect(long maxNanos) {
        lock.lock();
        try {
            boolean allowed =
                    exports == 0
                            && !importing
                            && !closed
                            && applied.index() >= readableFrom
                            && map.dirtyRows() < MOST_ROWS / 2;
            return allowed && collector.step(maxNanos);
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void close() {
        lock.lock();
        try {
            if (closed) {
                return;
            }
            closed = true;
        } finally {
            lock.unlock();
        }
        CompletableFuture<LogPosition> running = checkpointer.running();
        if (running != null) {
            running.exceptionally(e -> LogPosition.START).join();
        }
        map.invalidateAll();
        disk.closed(this, heldSlots(), mark);
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
