package io.cistern.storage;

import com.github.benmanes.caffeine.cache.Cache;
import io.cistern.block.CisternException;
import io.cistern.block.DurableFiles;
import io.cistern.block.ErrorCode;
import io.cistern.block.Surroundings;
import io.cistern.raft.LogPosition;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.LongPredicate;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.rocksdb.RocksIterator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The groups that a disk holds: open ones, those that wait to be opened, and damaged ones, which
/// cannot be; and whose the slots of each are.
///
/// Thread-safe.
final class DiskGroups {
    private static final Logger LOG = LoggerFactory.getLogger(DiskGroups.class);

    private final DiskConfig config;
    private final SlotArea area;
    private final MapDb db;
    private final Cache<BlockMap.HeadKey, Resolved> cache;
    private final Probe probe;
    private final Path marks;
    private final AllowedSources sources;

    // Guarded by this.
    private final Map<Long, StoreParts> loaded = new HashMap<>();
    private final Map<Long, Damage> damaged = new TreeMap<>();
    private final Map<Long, GroupStore> open = new TreeMap<>();
    private boolean closing;
    private long changes;

    /// Reads what the map holds. The directory of marks is there.
    DiskGroups(
            DiskConfig config,
            SlotArea area,
            MapDb db,
            Cache<BlockMap.HeadKey, Resolved> cache,
            Probe probe) {
        this.config = config;
        this.area = area;
        this.db = db;
        this.cache = cache;
        this.probe = probe;
        this.marks = config.directory().resolve(DiskFiles.MARKS);
        this.sources = new AllowedSources(marks);
        load();
    }

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
            if (Surroundings.ail(e)) {
                throw new CisternException(
                        ErrorCode.IO,
                        "cannot read the mark of group " + group + " on " + marks + ": " + e,
                        e);
            }
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
    synchronized GroupStore open(Disk disk, long group) {
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
        GroupStore store = new GroupStore(disk, group, parts, mark);
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

    /// The open ones.
    synchronized List<GroupStore> stores() {
        return List.copyOf(open.values());
    }

    /// Groups with anything on this disk, damaged ones included.
    synchronized List<Long> groups() {
        TreeSet<Long> groups = storedGroups();
        groups.addAll(open.keySet());
        groups.addAll(damaged.keySet());
        return List.copyOf(groups);
    }

    /// Forgets everything a closed (or damaged) replica has here and frees its slots. Durable on
    /// return.
    ///
    /// @throws CisternException BUSY: it is open
    synchronized void drop(long group) {
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

    /// From which nodes a group may be copied here.
    AllowedSources sources() {
        return sources;
    }

    /// Nothing is looked at again when a store is closed from now on.
    ///
    /// @return those that are open; null where this was called before
    synchronized @Nullable List<GroupStore> close() {
        if (closing) {
            return null;
        }
        closing = true;
        return stores();
    }
}
