package io.cistern.storage;

import io.cistern.storage.Command.AttachMode;
import io.cistern.storage.Command.Limits;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// A volume as its group knows it, at one log index. Immutable.
///
/// @param branch where the head's rows are; each branch is a line of epochs with at most one parent
///   point
/// @param epoch the head's epoch on that branch; snapshots hold smaller ones
/// @param version grows with every change of this record, so that clients notice a resize or new
///   limits
/// @param recordVersion the shared record's version, see [io.cistern.block.GuardedDevice]
/// @param parent what it was cloned from, null if nothing
public record VolumeState(
        long volume,
        long sizeBytes,
        long branch,
        int epoch,
        long version,
        Limits limits,
        @Nullable Parent parent,
        List<Snapshot> snapshots,
        List<Attachment> attachments,
        long createdMillis,
        long recordVersion) {

    public record Parent(long volume, String snapshot) {}

    /// A frozen epoch of a branch.
    public record Snapshot(
            String name, long branch, int epoch, long sizeBytes, long createdMillis) {}

    /// @param id log index of its Attach
    public record Attachment(
            long id,
            AttachMode mode,
            long nonceHigh,
            long nonceLow,
            String holder,
            long sinceMillis) {}

    /// Longest list of snapshots of one volume.
    public static final int MAX_SNAPSHOTS = 100_000;

    /// Most attachments of one volume at a time.
    public static final int MAX_ATTACHMENTS = 64;
}
