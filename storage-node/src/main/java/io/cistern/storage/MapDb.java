package io.cistern.storage;

import io.cistern.block.CisternException;
import io.cistern.block.DurableFiles;
import io.cistern.block.ErrorCode;
import io.cistern.block.Surroundings;
import io.cistern.raft.Halt;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.rocksdb.BlockBasedTableConfig;
import org.rocksdb.CompressionType;
import org.rocksdb.FlushOptions;
import org.rocksdb.InfoLogLevel;
import org.rocksdb.LRUCache;
import org.rocksdb.Options;
import org.rocksdb.Range;
import org.rocksdb.ReadOptions;
import org.rocksdb.RocksDB;
import org.rocksdb.RocksDBException;
import org.rocksdb.RocksIterator;
import org.rocksdb.SizeApproximationFlag;
import org.rocksdb.Slice;
import org.rocksdb.Snapshot;
import org.rocksdb.Status;
import org.rocksdb.WriteBatch;
import org.rocksdb.WriteOptions;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The map of one disk in RocksDB: one column family, no write-ahead log. What [#flush] has not
/// made durable is lost by a crash, whole batches at a time; the groups' logs have it.
///
/// Damage that RocksDB's checksums find is a CisternException CORRUPT; any other failure halts.
///
/// RocksDB reads its files in the background, to merge them, and takes no writes any more once it
/// has come upon damage there: not even those that would remove what is damaged. So files are
/// merged only while the map is taken for sound, see [#mergeFiles]; and where a write has failed in
/// that way this is noted beside them, since the rows of no group need to be concerned.
final class MapDb implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(MapDb.class);
    private static final long BLOCK_CACHE_BYTES = 32L << 20;
    private static final long WRITE_BUFFER_BYTES = 32L << 20;

    /// Beside the map's files: RocksDB has refused a write because of damage.
    private static final String SUSPECT = "SUSPECT";

    private final List<AutoCloseable> owned = new ArrayList<>();
    private final Path path;
    private final Halt halt;
    private final RocksDB db;
    private final WriteOptions writeOptions;
    private final FlushOptions flushOptions;
    private final ReadOptions pointOptions;
    private final ReadOptions scanOptions;

    static {
        RocksDB.loadLibrary();
    }

    private MapDb(Path path, boolean create, Halt halt) {
        this.path = path;
        this.halt = halt;
        LRUCache cache = own(new LRUCache(BLOCK_CACHE_BYTES));
        Options options =
                own(new Options())
                        .setCreateIfMissing(create)
                        .setErrorIfExists(create)
                        .setParanoidChecks(true)
                        .setAvoidFlushDuringShutdown(true)
                        .setWriteBufferSize(WRITE_BUFFER_BYTES)
                        .setCompressionType(CompressionType.NO_COMPRESSION)
                        .setMaxBackgroundJobs(2)
                        .setDisableAutoCompactions(true)
                        .setMaxOpenFiles(512)
                        .setStatsDumpPeriodSec(0)
                        .setInfoLogLevel(InfoLogLevel.WARN_LEVEL)
                        .setKeepLogFileNum(2)
                        .setMaxLogFileSize(1 << 20)
                        .setTableFormatConfig(
                                new BlockBasedTableConfig()
                                        .setBlockCache(cache)
                                        .setBlockSize(8 << 10)
                                        .setCacheIndexAndFilterBlocks(false));
        writeOptions = own(new WriteOptions()).setDisableWAL(true);
        flushOptions = own(new FlushOptions()).setWaitForFlush(true).setAllowWriteStall(true);
        pointOptions = own(new ReadOptions()).setVerifyChecksums(true);
        scanOptions =
                own(new ReadOptions())
                        .setVerifyChecksums(true)
                        .setFillCache(false)
                        .setReadaheadSize(1 << 20);
        try {
            db = own(RocksDB.open(options, path.toString()));
        } catch (RocksDBException e) {
            closeOwned();
            throw failure("cannot be opened", e);
        }
    }

    static MapDb create(Path path, Halt halt) {
        return new MapDb(path, true, halt);
    }

    /// @throws CisternException CORRUPT
    static MapDb open(Path path, Halt halt) {
        Manifest.check(path);
        return new MapDb(path, false, halt);
    }

    private <T extends AutoCloseable> T own(T resource) {
        owned.add(resource);
        return resource;
    }

    byte @Nullable [] get(byte[] key) {
        try {
            return db.get(pointOptions, key);
        } catch (RocksDBException e) {
            throw failure("cannot be read", e);
        }
    }

    /// An iterator; check it with [#verify] when it ends.
    ///
    /// @param scan true for long runs that should not push others out of the cache
    RocksIterator iterator(boolean scan) {
        return db.newIterator(scan ? scanOptions : pointOptions);
    }

    /// Throws if the iterator ended because of damage.
    void verify(RocksIterator iterator) {
        try {
            iterator.status();
        } catch (RocksDBException e) {
            throw failure("cannot be read", e);
        }
    }

    /// Applies a batch, whole or not at all. Not durable before [#flush].
    void write(WriteBatch batch) {
        try {
            db.write(writeOptions, batch);
        } catch (RocksDBException e) {
            throw halted("write to", e);
        }
    }

    /// Makes everything written durable.
    void flush() {
        try {
            db.flush(flushOptions);
        } catch (RocksDBException e) {
            throw halted("flush of", e);
        }
    }

    /// Lets RocksDB merge files from now on, where no write has been refused because of damage;
    /// else once all of them have been read and found sound.
    ///
    /// @throws CisternException CORRUPT
    void mergeFiles() {
        try {
            if (Files.exists(path.resolve(SUSPECT))) {
                db.verifyChecksum();
                Files.delete(path.resolve(SUSPECT));
            }
            db.enableAutoCompaction(List.of(db.getDefaultColumnFamily()));
        } catch (RocksDBException e) {
            throw failure("is damaged", e);
        } catch (IOException e) {
            throw new CisternException(ErrorCode.IO, "map " + path + ": " + e, e);
        }
    }

    /// Has [#mergeFiles] read all files first, and the next start as well.
    void suspect() {
        try {
            Files.write(path.resolve(SUSPECT), new byte[0]);
            DurableFiles.sync(path);
        } catch (IOException e) {
            // The next start finds what it finds without.
            LOG.error("cannot note that map {} is damaged", path, e);
        }
    }

    /// The map as it is now, flushed or not, whatever is written later.
    Frozen freeze() {
        return new Frozen();
    }

    /// See [#freeze]. Close it.
    final class Frozen implements AutoCloseable {
        private final Snapshot snapshot = db.getSnapshot();
        private final ReadOptions options =
                new ReadOptions()
                        .setVerifyChecksums(true)
                        .setFillCache(false)
                        .setReadaheadSize(1 << 20)
                        .setSnapshot(snapshot);

        RocksIterator iterator() {
            return db.newIterator(options);
        }

        void verify(RocksIterator iterator) {
            MapDb.this.verify(iterator);
        }

        /// About how many bytes the rows take whose keys begin with `prefix`.
        long approximateBytes(byte[] prefix) {
            byte[] to = Arrays.copyOf(prefix, prefix.length + 1);
            Arrays.fill(to, prefix.length, to.length, (byte) 0xff);
            try (Slice from = new Slice(prefix);
                    Slice end = new Slice(to)) {
                long[] found =
                        db.getApproximateSizes(
                                List.of(new Range(from, end)),
                                SizeApproximationFlag.INCLUDE_FILES,
                                SizeApproximationFlag.INCLUDE_MEMTABLES);
                return found[0];
            }
        }

        @Override
        public void close() {
            options.close();
            db.releaseSnapshot(snapshot);
        }
    }

    /// Removes all rows of a group, durably, even where files that hold them are damaged. Files of
    /// RocksDB's level 0 stay until they are merged: where one is damaged the map stays so. First
    /// the rows, all in one, then the files with nothing else: the other way round a crash in
    /// between would leave some of the rows, which nothing tells from a replica.
    ///
    /// @param half run when the first half is done
    void dropGroup(long group, Runnable half) {
        byte[] from = Keys.of(group, (char) 0);
        byte[] to = Keys.of(group + 1, (char) 0);
        try {
            db.deleteRange(writeOptions, from, to);
            flush();
            half.run();
            db.deleteFilesInRanges(db.getDefaultColumnFamily(), List.of(from, to), false);
            // The file with the range itself may have been among them.
            db.deleteRange(writeOptions, from, to);
        } catch (RocksDBException e) {
            throw halted("deletion from", e);
        }
        flush();
    }

    private RuntimeException halted(String what, RocksDBException e) {
        Status status = e.getStatus();
        if (status != null && status.getCode() == Status.Code.Corruption) {
            suspect();
        }
        halt.halt(what + " map " + path + " failed", e);
        return new IllegalStateException(e);
    }

    private CisternException failure(String what, RocksDBException e) {
        return new CisternException(code(e), "map " + path + " " + what + ": " + e.getMessage(), e);
    }

    /// A disk whose map is damaged is set aside, see [Surroundings].
    static ErrorCode code(RocksDBException e) {
        Status status = e.getStatus();
        String message = String.valueOf(e.getMessage());
        if (status == null || status.getCode() != Status.Code.IOError) {
            return ErrorCode.CORRUPT;
        }
        if (message.contains("lock file") || message.contains("lock hold by")) {
            return ErrorCode.BUSY;
        }
        return Surroundings.ail(message) ? ErrorCode.IO : ErrorCode.CORRUPT;
    }

    private void closeOwned() {
        for (int i = owned.size() - 1; i >= 0; i--) {
            try {
                owned.get(i).close();
            } catch (Exception e) {
                throw new IllegalStateException("closing map " + path, e);
            }
        }
        owned.clear();
    }

    @Override
    public void close() {
        closeOwned();
    }
}
