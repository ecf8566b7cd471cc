package io.cistern.storage.group;

import io.cistern.block.BlockDevice.Extent;
import io.cistern.block.GuardedDevice;
import io.cistern.block.GuardedDevice.SharedRecord;
import io.cistern.block.fs.engine.FileQuery;
import io.cistern.block.fs.engine.Reply;
import io.cistern.raft.GroupId;
import io.cistern.storage.Command;
import io.cistern.storage.Origin;
import io.cistern.storage.VolumeState;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/// What a group's replica does for volume clients. Two implementations: the replica on this node,
/// and a stub that asks a replica on another node over the node wire. No method blocks; futures may
/// complete on an event loop or the apply thread. Failures are CisternException; NOT_LEADER,
/// UNAVAILABLE and STALE may be retried here or elsewhere.
public interface VolumeGroup {
    GroupId id();

    /// Writes bytes of any alignment, each 512-byte sector atomically. Leader only. `data` is not
    /// read after the future completes, its position is not changed.
    CompletableFuture<Receipt> write(long volume, Origin origin, long offset, ByteBuffer data);

    /// Zeroes a range of any alignment and length.
    CompletableFuture<Receipt> zero(
            long volume, Origin origin, long offset, long length, boolean unmap);

    /// Changes a range at once. Leader only.
    CompletableFuture<Receipt> writeAtomic(long volume, Origin origin, AtomicWrite write);

    /// The volume's shared record, as new as any acknowledged replacement. NOT_FOUND.
    CompletableFuture<SharedRecord> record(long volume);

    /// Proposes a command other than Write, Zero and Settle. Leader only. The receipt's value is
    /// the outcome's. The origin of a ReplaceRecord is numbered like a request's.
    CompletableFuture<Receipt> execute(Command command);

    /// Reads into `dst` (its remaining bytes).
    CompletableFuture<Receipt> read(ReadRequest request, long offset, ByteBuffer dst);

    /// As [#read] where that needs no network, no disk access and no waiting; false and `dst`
    /// unchanged otherwise.
    boolean tryRead(ReadRequest request, long offset, ByteBuffer dst);

    CompletableFuture<List<Extent>> extents(
            ReadRequest request, long offset, long length, int maxExtents);

    /// Changes a share. Leader only; exactly once by its origin, as a write.
    ///
    /// @param request an encoded [io.cistern.block.fs.engine.FileRequest]
    /// @param data of a write, else empty; not read after the future completes
    CompletableFuture<FileReceipt> change(
            long volume, Origin origin, ByteBuffer request, ByteBuffer data);

    /// Asks a share.
    ///
    /// @param request without a snapshot: the query names it
    /// @param query an encoded [io.cistern.block.fs.engine.FileQuery]
    CompletableFuture<FileReceipt> query(ReadRequest request, ByteBuffer query);

    /// As [#query] where that needs no network, no disk access and no waiting; null otherwise, what
    /// `into` holds is undefined then.
    ///
    /// @param into for the bytes that a read finds, see [io.cistern.block.fs.engine.Queries#answer]
    @Nullable Reply tryQuery(ReadRequest request, FileQuery query, @Nullable ByteBuffer into);

    /// The volume's state, as new as any acknowledged change. NOT_FOUND.
    CompletableFuture<VolumeState> describe(long volume);

    /// Space used by each volume of the group and by its snapshots; may scan, not for hot paths.
    CompletableFuture<List<VolumeUsage>> usage();

    /// Ranges whose contents differ between two snapshots (or a snapshot and the head, null), at
    /// least 4 KiB exact, from `offset` on, at most `max`.
    CompletableFuture<List<Range>> diff(
            long volume, @Nullable String from, @Nullable String to, long offset, int max);

    /// @param index the log index at which the answer held; the client's next exclusive read passes
    ///   the largest seen
    /// @param version the volume's [VolumeState#version] then
    /// @param value see [Command]
    record Receipt(long index, long version, long value) {}

    /// @param index as in [Receipt], as is `version`
    /// @param reply an encoded [io.cistern.block.fs.engine.Reply]
    record FileReceipt(long index, long version, ByteBuffer reply) {}

    /// @param snapshot name, or null for the head
    /// @param attachment 0 for reads without one (snapshots, export)
    /// @param minIndex serve only once this index is applied (exclusive attachments: the largest
    ///   index seen); [#LEADER_LEASE] for reads that must see every acknowledged write of anyone
    /// @param guard the version that the volume's shared record must have when the bytes have been
    ///   read, else CHANGED; [GuardedDevice#NO_GUARD]. Only for reads under the lease: another
    ///   replica may not know of the newest record yet
    record ReadRequest(
            long volume, @Nullable String snapshot, long attachment, long minIndex, long guard) {
        public static final long LEADER_LEASE = -1;

        public ReadRequest(long volume, @Nullable String snapshot, long attachment, long minIndex) {
            this(volume, snapshot, attachment, minIndex, GuardedDevice.NO_GUARD);
        }
    }

    record Range(long offset, long length) {}

    /// @param usedBytes slots reachable from the volume's head or a snapshot, those of its parent
    ///   not counted
    /// @param uniqueBytes what deleting the snapshot alone would free (empty name: the head)
    record VolumeUsage(long volume, long usedBytes, List<SnapshotUsage> snapshots) {
        public record SnapshotUsage(String snapshot, long uniqueBytes) {}
    }
}
