package io.cistern.storage;

import java.util.List;
import java.util.UUID;

/// A directory given to the pool: `cistern.disk` (what it is and whose), `data/` (slots), `map/`
/// (the block map and the tables of all groups on it). The groups' logs live beside in `raft/`.
public final class Disk implements AutoCloseable {
    private Disk() {}

    /// Makes `config.directory()` a disk and opens it.
    ///
    /// @throws io.cistern.block.CisternException INVALID if the directory holds anything but
    ///   `raft/` or is a disk already; IO
    public static Disk format(DiskConfig config) {
        throw new UnsupportedOperationException(config.toString());
    }

    /// Opens a disk that was formatted before.
    ///
    /// @throws io.cistern.block.CisternException NOT_FOUND: no disk there; INVALID: another
    ///   cluster's or node's disk, or a format too old or too new; CORRUPT: superblock, extents or
    ///   map are damaged; BUSY: another process has it
    public static Disk open(DiskConfig config) {
        throw new UnsupportedOperationException(config.toString());
    }

    /// True where the directory holds a superblock, sound or not.
    public static boolean isDisk(java.nio.file.Path directory) {
        return java.nio.file.Files.exists(directory.resolve("cistern.disk"));
    }

    public UUID id() {
        throw new UnsupportedOperationException();
    }

    /// Opens the replica of a group, empty where this disk has none yet.
    ///
    /// @throws io.cistern.block.CisternException CORRUPT: its map is damaged; BUSY: it is open
    public Store openStore(long group) {
        throw new UnsupportedOperationException("" + group);
    }

    /// Groups with anything on this disk, damaged ones included.
    public List<Long> groups() {
        throw new UnsupportedOperationException();
    }

    /// Forgets everything a closed (or damaged) replica has here and frees its slots. Durable on
    /// return.
    public void dropStore(long group) {
        throw new UnsupportedOperationException("" + group);
    }

    /// Bytes of slots this disk can hold.
    public long capacityBytes() {
        throw new UnsupportedOperationException();
    }

    /// Bytes of slots that could be allocated now, all groups together.
    public long freeBytes() {
        throw new UnsupportedOperationException();
    }

    @Override
    public void close() {}
}
