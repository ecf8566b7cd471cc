package io.cistern.storage;

import io.cistern.block.BlockDevice.Extent;
import io.cistern.block.GuardedDevice.SharedRecord;
import io.cistern.block.fs.engine.Views;
import io.cistern.raft.LogPosition;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/// One group's replica on one disk: its volumes and their blocks, as of one log index.
///
/// Threading: [#apply], [#advance] and [#checkpoint] are called by the group's one apply thread.
/// Everything else may be called from any thread; what may block on the disk says so.
///
/// Entries: the commands of one log entry are applied one by one with the entry's index, then
/// [#advance] is called with the same index. Only that ends the entry; checkpoints and exports are
/// taken between entries. After a restart the entries behind [#checkpointed] are applied again,
/// over data that may already hold later effects; until the replay has passed the index reached
/// before the crash a read may find a block newer than its row and report it as corrupt.
///
/// Failures: a failed write, fsync or map update halts the process. A damaged map is a
/// CisternException CORRUPT from whatever method met it: the replica is to be quarantined and
/// rebuilt ([Disk#dropStore]).
public interface Store extends AutoCloseable {
    /// Length of the longest Zero that is one command, 64 MiB.
    long MAX_ZERO_BYTES = 64L << 20;

    /// Most writes one attachment may have open (executed and not below its `doneBelow`).
    int MAX_OPEN_WRITES = 4096;

    /// The group this is a replica of.
    long group();

    // ---- applying

    /// Gets ready for an entry: where the disk has fewer slots free than its commands may take,
    /// what was freed before is made usable first. A leader counts on what is free on each member;
    /// but a replica that replays or catches up applies in a moment what took the others a while,
    /// with checkpoints and garbage collection in between. Call between entries. Blocks.
    void makeRoom(List<Command> commands);

    /// Applies one command of the entry at `index`. Deterministic: state, outcome and ids depend on
    /// the entries alone. A refused command has no effect but that its number counts as executed;
    /// UNAVAILABLE and LIMIT do not count, so that it may be sent again.
    ///
    /// An [Origin#seq] of 0 is a part of a larger request whose last part carries the number: it is
    /// fenced like any other but neither looked up nor remembered.
    ///
    /// Space cannot be refused here, since replicas would differ: the leader reserves it before it
    /// proposes. A slot that cannot be had halts the process.
    Outcome apply(long index, long term, Command command);

    /// Ends the entry at `index`, or moves over an entry without commands.
    void advance(long index, long term);

    /// The first result of a write that was executed already; null if it was not, or if that is no
    /// longer known. Lets a leader answer a repeated request without proposing it.
    @Nullable Outcome executed(long volume, Origin origin);

    /// The last entry ended by [#advance], or the checkpoint where there was none yet.
    LogPosition applied();

    /// Reads are refused with STALE while [#applied] is below this index: after an import the map
    /// is newer than the table until the log has been replayed so far. -1 otherwise.
    long readableFrom();

    // ---- checkpoints

    /// The position up to which everything is durable without the log.
    LogPosition checkpointed();

    /// True where enough has changed since the last checkpoint began that the next is due. Cheap.
    boolean checkpointDue();

    /// Starts a checkpoint at [#applied] and returns at once; the slow part runs beside the apply
    /// thread. Completes with the new [#checkpointed]. While one is running its future is returned.
    CompletableFuture<LogPosition> checkpoint();

    // ---- volumes

    /// The volume as it stands now.
    @Nullable VolumeState volume(long volume);

    List<VolumeState> volumes();

    /// The volume's shared record as it stands now; null where there is no such volume.
    @Nullable SharedRecord record(long volume);

    /// @throws io.cistern.block.CisternException NOT_FOUND
    View headView(long volume);

    /// @throws io.cistern.block.CisternException NOT_FOUND
    View snapshotView(long volume, String snapshot);

    // ---- shares

    /// A volume that holds a share, for reading. What it does may block on the disk, and fails with
    /// CorruptBlocksException and STALE as [#read] does; NOT_FOUND where there is no such volume.
    Views share(long volume);

    /// Whether a volume holds a share: its data is found by the share's rows, wherever it is, and
    /// not by the volume's size.
    boolean isShare(long volume);

    /// The first granule from `from` on that may have rows for a reader at `view`; [Long#MAX_VALUE]
    /// if there is none.
    ///
    /// @throws io.cistern.block.CisternException STALE
    long nextGranule(View view, long from);

    // ---- reading

    /// Fills `dst` if all of it is in memory. Does not block. Like [#read] it shows all or nothing
    /// of each atomic write.
    ///
    /// @return false with `dst`'s position unchanged (its bytes are then undefined) where [#read]
    ///   must be used
    /// @throws io.cistern.block.CisternException STALE: see [#read]
    boolean tryRead(View view, long offset, ByteBuffer dst);

    /// Fills `dst` from `offset` (any alignment; beyond the end of the volume there are zeroes).
    /// May block on the disk. Every byte that leaves was verified.
    ///
    /// @throws CorruptBlocksException something is damaged; `dst` is undefined
    /// @throws io.cistern.block.CisternException STALE: the view is no longer live (look it up
    ///   again), or the store is still catching up
    void read(View view, long offset, ByteBuffer dst);

    /// What is known of `[offset, offset + length)`: adjoining extents from `offset` on, at least
    /// one for a length above 0, at most `max`. May block on the disk.
    List<Extent> extents(View view, long offset, long length, int max);

    /// Ranges within `[offset, offset + length)`, whole blocks, at most `max` and in order, where
    /// the two views are not known to be equal. May block on the disk.
    List<Range> diff(View a, View b, long offset, long length, int max);

    record Range(long offset, long length) {}

    // ---- space

    /// O(1).
    Usage usage();

    /// Bytes of slots held: [#usage] without asking the file system, for every write.
    long usedBytes();

    /// Slots that a write to `[offset, offset + length)` of the volume's head would take now:
    /// granules for which the head's epoch has none. Asked only when space is short; may block on
    /// the disk.
    ///
    /// @param length at least 1
    int slotsNeeded(long volume, long offset, long length);

    /// Reads the whole map; not for hot paths.
    List<VolumeSpace> space();

    /// O(volumes); for metrics.
    StoreActivity activity();

    // ---- repair, scrub, catch-up

    /// The blocks of one granule as `view` shows them, for a peer whose own are damaged.
    ///
    /// @throws CorruptBlocksException they are damaged here too
    GranuleData readGranule(View view, long granule);

    /// Writes good blocks of a peer over damaged ones. Only blocks whose checksum is the one in the
    /// row are written, and only while the row is unchanged since `corrupt` was reported.
    ///
    /// @return the bits of `corrupt` that are good now (0: the row has changed or the peer's blocks
    ///   are others; read again)
    int repair(CorruptBlocksException.Corrupt corrupt, GranuleData good);

    /// Whether the row still is what it was when `corrupt` was reported, so that its damage is
    /// still there unless it was mended.
    boolean unchanged(CorruptBlocksException.Corrupt corrupt);

    /// Reads and verifies up to `maxBytes` of rows behind `cursor`. Blocks on the disk.
    ///
    /// @param cursor null to begin
    ScrubResult scrub(@Nullable RowKey cursor, long maxBytes);

    /// Opens a copy of this store for another replica. Waits for the entry being applied to end.
    StoreExport export();

    /// Holds the store still behind the entry that was applied last, to be compared: by a
    /// checkpoint that begins now. Called between entries by the apply thread, or by any other
    /// while it rests; does not block. Close what it completes with before the store.
    ///
    /// @return null where a checkpoint is under way already, or an entry is half applied
    /// @throws io.cistern.block.CisternException STALE while the store is catching up
    @Nullable CompletableFuture<StoreCut> cut();

    /// No checkpoint is due for so long, so that [#cut] finds none under way.
    ///
    /// @return false while one is under way still
    boolean holdCheckpoints(long nanos);

    /// Starts to replace this store's contents by those of another replica. Nothing may be applied
    /// until [#importEnd]. A crash before that leaves a store whose [#importing] is true: begin
    /// again; rows that have arrived are kept and need not be sent twice.
    void importBegin();

    /// True from [#importBegin] to [#importEnd], also after a restart in between: what is here is
    /// not a replica's state.
    boolean importing();

    /// Installs a page; pages come in order and without gaps. Rows this store has in the page's
    /// stretch and the page does not list are dropped.
    ///
    /// @return rows that were only listed and are different here or missing: fetch them
    ///   ([StoreExport#rows]) and hand them to [#importRows] before [#importEnd]
    List<RowKey> importPage(ExportPage page);

    void importRows(List<RowExport> rows);

    /// Installs a page of rows of shares; pages come in order and without gaps. Rows this store has
    /// in the page's stretch and the page does not have are dropped.
    ///
    /// @return true where the page only tells a digest and what is here is different: ask for the
    ///   same page with its contents
    boolean importFiles(FilePage page);

    /// Completes the import: everything is durable when this returns, and the store stands at the
    /// export's position.
    ///
    /// @param table [StoreExport#table]
    /// @param newest the largest [ExportPage#appliedIndex] seen; becomes [#readableFrom]
    /// @return the position to replay the log from
    LogPosition importEnd(ByteBuffer table, long newest);

    // ---- garbage

    /// Does up to about `maxNanos` of the work left behind by deleted volumes and snapshots.
    ///
    /// @return true if there is more to do
    boolean collect(long maxNanos);

    /// Stops using the store. Does not checkpoint.
    @Override
    void close();
}
