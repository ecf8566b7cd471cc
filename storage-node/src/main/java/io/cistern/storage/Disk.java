package io.cistern.storage;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import io.cistern.block.CisternException;
import io.cistern.block.DurableFiles;
import io.cistern.block.ErrorCode;
import io.cistern.raft.Halt;
import io.cistern.raft.LogPosition;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.LongConsumer;
import java.util.function.LongPredicate;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.rocksdb.RocksIterator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A directory given to the pool: `cistern.disk` (what it is and whose), `data/` (slots), `map/`
/// (the block map and the tables of all groups on it), `marks/` (how far each group's map must have
/// come). The groups' logs live beside in `raft/`.
///
/// Thread-safe.
public final class Disk implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Disk.class);

    private final DiskConfig config;
    private final Superblock superblock;
    private final FileChannel locked;
    private final SlotArea area;
    private final MapDb db;
    private final Probe probe;
    private final Cache<BlockMap.HeadKey, Resolved> cache;
    private final DiskThreads threads;
    private final @Nullable Housekeeping housekeeping;
    private final Path marks;
    private final AllowedSources sources;
    private final AtomicBoolean checking = new AtomicBoolean();

    // Guarded by this.
    private final Map<Long, StoreParts> loaded = new HashMap<>();
    private final Map<Long, Damage> damaged = new TreeMap<>();
    private final Map<Long, GroupStore> open = new TreeMap<>();
    private boolean closing;
    private long changes;
    private Runnable beforeClose = () -> {};

    /// @param threads null for real ones
    private Disk(
            DiskConfig config,
            DataFile.Factory files,
            Probe probe,
            @Nullable DiskThreads threads,
            DiskFiles.Found found) {
        this.config = config;
        this.probe = probe;
        this.superblock = found.superblock();
        this.locked = found.locked();
        this.marks = config.directory().resolve(DiskFiles.MARKS);
        this.sources = new AllowedSources(marks);
        cache =
                Caffeine.newBuilder()
                        .maximumWeight(config.cacheBytes())
                        .weigher((BlockMap.HeadKey k, Resolved r) -> r.weight())
                        .executor(Runnable::run)
                        .build();
        area =
                new SlotArea(
                        files,
                        config.directory().resolve(DiskFiles.DATA),
                        superblock.extentBytes(),
                        config.capacityBytes(),
                        config.halt());
        MapDb opened = null;
        try {
            area.open();
            DurableFiles.createDirectories(marks);
            opened = MapDb.open(config.directory().resolve(DiskFiles.MAP), config.halt());
            db = opened;
            load();
        } catch (IOException e) {
            closeAll(opened);
            throw DiskFiles.unusable(config.directory(), e);
        } catch (CisternException e) {
            closeAll(opened);
            throw e;
        }
        String name = "cistern-disk-" + superblock.disk().toString().substring(0, 8);
        this.threads = threads == null ? DiskThreads.named(name) : threads;
        housekeeping = config.background() ? new Housekeeping(this, area, name) : null;
    }

    private void closeAll(@Nullable MapDb opened) {
        if (opened != null) {
            opened.close();
        }
        area.close();
        DiskFiles.close(locked);
    }

    /// Makes `config.directory()` a disk and opens it.
    ///
    /// @throws CisternException INVALID if the directory holds anything but `raft/` or is a disk
    ///   already; IO
    public static Disk format(DiskConfig config) {
        DiskFiles.format(config);
        return open(config);
    }

    /// Makes a damaged disk an empty one and opens it; its contents go to `damaged/` beside. The
    /// replicas that were on it are lost: they must be rebuilt under new identities, since they may
    /// have acknowledged what is gone.
    ///
    /// @throws CisternException IO
    public static Disk replace(DiskConfig config) {
        DiskFiles.replace(config);
        return open(config);
    }

    /// Opens a disk that was formatted before. Reads the whole map.
    ///
    /// @throws CisternException NOT_FOUND: no disk there; INVALID: another cluster's or node's
    ///   disk, or a format too old or too new; CORRUPT: superblock, extents or map are damaged;
    ///   BUSY: another process has it
    public static Disk open(DiskConfig config) {
        return open(config, NativeFile.FACTORY, Probe.NONE);
    }

    static Disk open(DiskConfig config, DataFile.Factory files, Probe probe) {
        return new Disk(config, files, probe, null, DiskFiles.open(config));
    }

    static Disk open(DiskConfig config, DataFile.Factory files, Probe probe, DiskThreads threads) {
        return new Disk(config, files, probe, threads, DiskFiles.open(config));
    }

    /// True where the directory holds a superblock, sound or not.
    public static boolean isDisk(Path directory) {
        return Files.exists(directory.resolve(Superblock.FILE));
    }

    /// @throws CisternException BUSY where a process has the disk open, NOT_FOUND, CORRUPT, IO
    public static void requireUnused(Path directory) {
        DiskFiles.change(directory, found -> found);
    }

    /// Hands a closed disk over to another cluster. No effect where it is that cluster's.
    ///
    /// @throws CisternException INVALID where it is neither's, BUSY, NOT_FOUND, CORRUPT, IO
    public static void adopt(Path directory, UUID from, UUID to) {
        DiskFiles.change(
                directory,
                found -> {
                    if (!found.cluster().equals(from) && !found.cluster().equals(to)) {
                        throw new CisternException(
                                ErrorCode.INVALID,
                                "disk " + directory + " belongs to cluster " + found.cluster());
                    }
                    return new Superblock(
                            to,
                            found.disk(),
                            found.node(),
                            found.extentBytes(),
                            found.createdMillis());
                });
    }

    public UUID id() {
        return superblock.disk();
    }

    DiskThreads threads() {
        return threads;
    }

    Halt halt() {
        return config.halt();
    }

    Probe probe() {
        return probe;
    }

    // ---- groups

    private void load() {
        TreeSet<Long> stored = storedGroups();
        TreeSet<Long> groups = markedGroups();
        groups.addAll(stored);
        for (long group : groups) {
            BlockMap map = newMap(group);
            try {
                if (stored.contains(group)) {
                    StoreParts parts = StoreParts.load(group, map, area::markUsed);
                    requireReached(group, parts.header.position());
                    loaded.put(group, parts);
                } else {
                    requireReached(group, LogPosition.START);
                }
            } catch (CisternException e) {
                LOG.error("disk {}: group {} is damaged", config.directory(), group, e);
                damaged.put(group, new Damage(e, map.slots(), false));
            }
        }
        if (damaged.isEmpty()) {
            db.mergeFiles();
        } else {
            db.suspect();
            long withheld = area.withhold();
            LOG.error(
                    "disk {}: which slots {} hold is not known: {} that seem free are withheld until"
                            + " they have been rebuilt",
                    config.directory(),
                    damaged.keySet(),
                    withheld);
        }
    }

    /// @throws CisternException CORRUPT: the map has lost checkpoints
    private void requireReached(long group, LogPosition reached) {
        LogPosition marked;
        try {
            marked = Mark.read(marks.resolve("" + group));
        } catch (IOException e) {
            throw StoreParts.corrupt(group, "has a mark that cannot be read (" + e + ")");
        }
        if (marked.index() > reached.index()) {
            throw StoreParts.corrupt(
                    group,
                    "stands at " + reached.index() + " but was checkpointed at " + marked.index());
        }
    }

    /// Groups that have a mark: all that were ever opened here and not dropped.
    ///
    /// @throws CisternException IO
    private TreeSet<Long> markedGroups() {
        TreeSet<Long> groups = new TreeSet<>();
        if (!Files.isDirectory(marks)) {
            return groups;
        }
        try (Stream<Path> files = Files.list(marks)) {
            for (Path file : files.toList()) {
                String name = file.getFileName().toString();
                if (name.matches("[0-9]{1,18}")) {
                    groups.add(Long.parseLong(name));
                }
            }
        } catch (IOException e) {
            throw new CisternException(ErrorCode.IO, "cannot list " + marks + ": " + e, e);
        }
        return groups;
    }

    /// Why a group cannot be opened, and the slots it is known to hold.
    ///
    /// @param all it holds no others. Else any slot may be its own that no other group names: such
    ///   slots are withheld, since the rows that name them may be all there is of somebody's data
    private record Damage(CisternException why, BitSet slots, boolean all) {}

    private BlockMap newMap(long group) {
        return new BlockMap(db, group, area, cache);
    }

    /// Groups that have rows in the map.
    private TreeSet<Long> storedGroups() {
        TreeSet<Long> groups = new TreeSet<>();
        try (RocksIterator it = db.iterator(true)) {
            it.seekToFirst();
            while (it.isValid()) {
                long group = Keys.group(it.key());
                groups.add(group);
                it.seek(Keys.of(group + 1, (char) 0));
            }
            db.verify(it);
        }
        return groups;
    }

    /// Opens the replica of a group, empty where this disk has none yet.
    ///
    /// @throws CisternException CORRUPT: its map is damaged; BUSY: it is open
    public synchronized Store openStore(long group) {
        if (open.containsKey(group)) {
            throw new CisternException(ErrorCode.BUSY, "group " + group + " is open already");
        }
        Damage damage = damaged.get(group);
        if (damage != null) {
            throw damage.why;
        }
        StoreParts parts = loaded.get(group);
        if (parts == null) {
            parts = StoreParts.empty(group, newMap(group));
        }
        Mark mark = mark(group);
        loaded.remove(group);
        changes++;
        GroupStore store = new GroupStore(this, group, parts, mark);
        open.put(group, store);
        return store;
    }

    private Mark mark(long group) {
        try {
            return Mark.open(marks.resolve("" + group));
        } catch (IOException e) {
            config.halt().halt("mark of group " + group + " on " + config.directory(), e);
            throw new IllegalStateException(e);
        }
    }

    private static void close(Mark mark) {
        try {
            mark.close();
        } catch (IOException e) {
            LOG.warn("closing a mark", e);
        }
    }

    /// A store was closed: goes back to what the map holds of it.
    ///
    /// @param held every slot it held
    synchronized void closed(GroupStore store, BitSet held, Mark mark) {
        close(mark);
        changes++;
        open.remove(store.group());
        if (closing) {
            return;
        }
        BitSet stored = new BitSet();
        LongPredicate keep =
                slot -> {
                    boolean known = held.get(Math.toIntExact(slot)) && !stored.get((int) slot);
                    stored.set((int) slot, known || stored.get((int) slot));
                    return known;
                };
        long group = store.group();
        try {
            if (storedGroups().contains(group)) {
                loaded.put(group, StoreParts.load(group, newMap(group), keep));
            }
        } catch (CisternException e) {
            damaged.put(group, new Damage(e, held, true));
            return;
        }
        held.andNot(stored);
        held.stream().forEach(area::release);
    }

    synchronized List<GroupStore> stores() {
        return List.copyOf(open.values());
    }

    /// Groups with anything on this disk, damaged ones included.
    public synchronized List<Long> groups() {
        TreeSet<Long> groups = storedGroups();
        groups.addAll(open.keySet());
        groups.addAll(damaged.keySet());
        return List.copyOf(groups);
    }

    /// Forgets everything a closed (or damaged) replica has here and frees its slots. Durable on
    /// return.
    ///
    /// @throws CisternException BUSY: it is open
    public synchronized void dropStore(long group) {
        if (open.containsKey(group)) {
            throw new CisternException(ErrorCode.BUSY, "group " + group + " is open: close it");
        }
        changes++;
        Damage damage = damaged.remove(group);
        StoreParts parts = loaded.remove(group);
        BitSet slots = damage != null ? damage.slots : new BitSet();
        if (parts != null) {
            slots = parts.slots();
        }
        db.dropGroup(group, () -> probe.at(Probe.Step.GROUP_HALF_DROPPED));
        try {
            sources.forget(group);
            Files.deleteIfExists(marks.resolve("" + group));
            DurableFiles.sync(marks);
        } catch (IOException e) {
            config.halt().halt("mark of group " + group + " on " + config.directory(), e);
            throw new IllegalStateException(e);
        }
        if (damage != null && damaged.isEmpty()) {
            mergeFiles();
        }
        slots.stream().forEach(area::release);
        if (damaged.values().stream().allMatch(Damage::all)) {
            area.releaseWithheld();
        }
    }

    /// What was damaged has been dropped. Where the files still are, the next start finds that, and
    /// the disk is set aside.
    private void mergeFiles() {
        try {
            db.mergeFiles();
        } catch (CisternException e) {
            config.halt().halt("map of " + config.directory(), e);
            throw e;
        }
    }

    // ---- copies

    /// Notes from which nodes alone a group may be copied here. Durable on return.
    ///
    /// @throws CisternException IO
    public void allowSources(long group, List<String> nodes) {
        sources.allow(group, nodes);
    }

    /// See [#allowSources]; empty where any will do.
    ///
    /// @throws CisternException CORRUPT, IO
    public List<String> allowedSources(long group) {
        return sources.allowed(group);
    }

    /// Lets a group be copied from any node.
    public void allowAllSources(long group) {
        try {
            sources.forget(group);
        } catch (IOException e) {
            config.halt().halt("sources of group " + group + " on " + config.directory(), e);
            throw new IllegalStateException(e);
        }
    }

    // ---- books

    /// Compares the slots that were given out with those that rows name, and gives back what was
    /// lost. Blocks, and reads the whole map; one call at a time.
    ///
    /// @param rest called now and then with the nanoseconds of work since the last call: to sleep
    /// @throws CisternException CORRUPT: a map is damaged; BUSY: another call is under way
    public BooksReport checkBooks(LongConsumer rest) {
        if (!checking.compareAndSet(false, true)) {
            throw new CisternException(
                    ErrorCode.BUSY, "the books of " + config.directory() + " are being compared");
        }
        try {
            return new SlotBooks(this, area, rest).check();
        } finally {
            checking.set(false);
        }
    }

    /// Grows whenever a group is opened, closed or dropped.
    synchronized long changes() {
        return changes;
    }

    /// Adds the slots of groups that are damaged. False where there are groups whose slots are not
    /// known without reading them: those that wait to be opened.
    synchronized boolean closedSlots(BitSet slots) {
        damaged.values().forEach(damage -> slots.or(damage.slots));
        slots.or(area.withheld());
        return loaded.isEmpty() && !closing;
    }

    /// What was written here since it was opened.
    public DiskCounters counters() {
        return area.counters();
    }

    /// Bytes of slots this disk can hold.
    public long capacityBytes() {
        return area.capacityBytes();
    }

    /// Bytes of slots that could be allocated now, all groups together.
    public long freeBytes() {
        return area.freeBytes();
    }

    /// Runs `action` when [#close] has stopped all work, before it closes the files.
    void beforeClose(Runnable action) {
        beforeClose = action;
    }

    /// Closes what is open on it. Does not checkpoint.
    @Override
    public void close() {
        List<GroupStore> stores;
        synchronized (this) {
            if (closing) {
                return;
            }
            closing = true;
            stores = stores();
        }
        if (housekeeping != null) {
            housekeeping.close();
        }
        stores.forEach(GroupStore::close);
        threads.close();
        beforeClose.run();
        closeAll(db);
    }
}
