package io.cistern.storage;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import io.cistern.block.CisternException;
import io.cistern.block.DurableFiles;
import io.cistern.block.ErrorCode;
import io.cistern.raft.Halt;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/// A directory given to the pool: `cistern.disk` (what it is and whose), `data/` (slots), `map/`
/// (the block map and the tables of all groups on it), `marks/` (how far each group's map must have
/// come). The groups' logs live beside in `raft/`.
///
/// Thread-safe.
public final class Disk implements AutoCloseable {
    private final DiskConfig config;
    private final Superblock superblock;
    private final FileChannel locked;
    private final SlotArea area;
    private final MapDb db;
    private final Probe probe;
    private final DiskThreads threads;
    private final @Nullable Housekeeping housekeeping;
    private final DiskGroups groups;
    private final AtomicBoolean checking = new AtomicBoolean();

    private volatile Runnable beforeClose = () -> {};

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
        Cache<BlockMap.HeadKey, Resolved> cache =
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
            DurableFiles.createDirectories(config.directory().resolve(DiskFiles.MARKS));
            opened = MapDb.open(config.directory().resolve(DiskFiles.MAP), config.halt());
            db = opened;
            groups = new DiskGroups(config, area, db, cache, probe);
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

    /// Opens the replica of a group, empty where this disk has none yet.
    ///
    /// @throws CisternException CORRUPT: its map is damaged; BUSY: it is open
    public Store openStore(long group) {
        return groups.open(this, group);
    }

    /// Groups with anything on this disk, damaged ones included.
    public List<Long> groups() {
        return groups.groups();
    }

    /// Forgets everything a closed (or damaged) replica has here and frees its slots. Durable on
    /// return.
    ///
    /// @throws CisternException BUSY: it is open
    public void dropStore(long group) {
        groups.drop(group);
    }

    DiskGroups contents() {
        return groups;
    }

    // ---- copies

    /// Notes from which nodes alone a group may be copied here. Durable on return.
    ///
    /// @throws CisternException IO
    public void allowSources(long group, List<String> nodes) {
        groups.sources().allow(group, nodes);
    }

    /// See [#allowSources]; empty where any will do.
    ///
    /// @throws CisternException CORRUPT, IO
    public List<String> allowedSources(long group) {
        return groups.sources().allowed(group);
    }

    /// Lets a group be copied from any node.
    public void allowAllSources(long group) {
        try {
            groups.sources().forget(group);
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
        List<GroupStore> stores = groups.close();
        if (stores == null) {
            return;
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
