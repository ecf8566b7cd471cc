package io.cistern.storage;

import io.cistern.block.fs.engine.Blocks;
import java.nio.ByteBuffer;
import java.util.List;

/// One change of a group's volumes, as it stands in the log. Blind and deterministic: times, ids
/// and whole blocks are fixed by the leader before it proposes; applying reads no clock and no old
/// data. Ranges are in whole 4 KiB blocks.
///
/// `evaluatedTerm`: where the leader derived the bytes from present contents (a read-modify-write
/// of part of a block, a compare), the term it led when it did so. An entry that ends up in the log
/// under another term is refused with UNAVAILABLE and has no effect: others may have written in
/// between. 0 for bytes that depend on nothing.
public sealed interface Command {
    /// The same command, with [Attach#remember] as given where it has that.
    default Command remembering(boolean on) {
        return this;
    }

    /// Replaces whole blocks.
    ///
    /// @param offset bytes, multiple of 4096
    /// @param crcs CRC32C of each block
    /// @param data the blocks; read only
    /// @param atomic no reader sees a part of it
    record Write(
            long volume,
            Origin origin,
            long evaluatedTerm,
            long offset,
            int[] crcs,
            ByteBuffer data,
            boolean atomic)
            implements Command {
        public Write(
                long volume,
                Origin origin,
                long evaluatedTerm,
                long offset,
                int[] crcs,
                ByteBuffer data) {
            this(volume, origin, evaluatedTerm, offset, crcs, data, false);
        }
    }

    /// Makes whole blocks read as zeroes. `unmap`: frees whole slots; else keeps what is allocated.
    record Zero(long volume, Origin origin, long offset, long length, boolean unmap)
            implements Command {}

    /// @param volume never used before in this cluster
    record CreateVolume(long volume, long sizeBytes, Limits limits, long timeMillis)
            implements Command {}

    /// A writable volume whose contents are a snapshot of `parent`.
    record CloneVolume(long volume, long parent, String snapshot, Limits limits, long timeMillis)
            implements Command {}

    /// Deletes the volume and its snapshots. BUSY while a clone depends on it. Space is freed in
    /// the background.
    record DeleteVolume(long volume) implements Command {}

    /// Grows a volume. INVALID if smaller than now.
    record Resize(long volume, long sizeBytes) implements Command {}

    record SetLimits(long volume, Limits limits) implements Command {}

    /// Snapshots of several volumes of this group in one instant. All or none.
    record CreateSnapshots(List<Target> targets, long timeMillis) implements Command {
        public record Target(long volume, String snapshot) {}
    }

    /// BUSY while a clone depends on it.
    record DeleteSnapshot(long volume, String snapshot) implements Command {}

    /// The head becomes what the snapshot was; the present head is kept as snapshot `safetyName`.
    /// BUSY while attached for writing.
    record Rollback(long volume, String snapshot, String safetyName, long timeMillis)
            implements Command {}

    /// Grants the right to use the volume. Result: the attachment's id (this entry's index, or that
    /// of the attachment with the same nonce). EXCLUSIVE ends every other writing attachment;
    /// SHARED ends an exclusive one.
    ///
    /// @param nonce random, chosen by the client, so that a repeated Attach is one attachment
    /// @param holder who: host and process, for people
    /// @param remember the nonces of attachments that it ends are kept for a while, and it is
    ///   refused (FENCED) where its own is among them; Resume and Detach likewise. The leader sets
    ///   it where all nodes of the cluster know it.
    /// @param since a version of the volume ([VolumeState#version]) that the client had seen before
    ///   it sent the request for the first time, or [#UNSEEN]. Refused (FENCED) where the volume
    ///   has changed more often since then than ended attachments are kept: it may have been
    ///   carried out and forgotten. Given, `remember` is on, and each attachment that it ends
    ///   counts as a change.
    record Attach(
            long volume,
            AttachMode mode,
            long nonceHigh,
            long nonceLow,
            String holder,
            long timeMillis,
            boolean remember,
            long since)
            implements Command {
        public static final long UNSEEN = -1;

        public Attach {
            since = Math.max(UNSEEN, since);
            remember |= since != UNSEEN;
        }

        public Attach(
                long volume,
                AttachMode mode,
                long nonceHigh,
                long nonceLow,
                String holder,
                long timeMillis,
                boolean remember) {
            this(volume, mode, nonceHigh, nonceLow, holder, timeMillis, remember, UNSEEN);
        }

        public Attach(
                long volume,
                AttachMode mode,
                long nonceHigh,
                long nonceLow,
                String holder,
                long timeMillis) {
            this(volume, mode, nonceHigh, nonceLow, holder, timeMillis, false);
        }

        @Override
        public Attach remembering(boolean on) {
            return new Attach(volume, mode, nonceHigh, nonceLow, holder, timeMillis, on, since);
        }

        /// The same with a version of the volume, where it names none.
        public Attach seen(long version) {
            return since == UNSEEN
                    ? new Attach(
                            volume, mode, nonceHigh, nonceLow, holder, timeMillis, true, version)
                    : this;
        }
    }

    /// Continues an attachment under a new id, for a holder that was restarted: what its earlier
    /// life sent and nobody answered can have no effect any more, and the numbers of its writes
    /// begin anew. Mode as before. Result: the new id (this entry's index, or that of the
    /// attachment with the same nonce). FENCED where the attachment is no longer in force: somebody
    /// else has taken the volume over, and keeps it.
    ///
    /// @param attachment the id before
    /// @param nonce random, chosen by the holder and remembered by it before it asks
    record Resume(
            long volume,
            long attachment,
            long nonceHigh,
            long nonceLow,
            String holder,
            long timeMillis,
            boolean remember)
            implements Command {
        public Resume(
                long volume,
                long attachment,
                long nonceHigh,
                long nonceLow,
                String holder,
                long timeMillis) {
            this(volume, attachment, nonceHigh, nonceLow, holder, timeMillis, false);
        }

        @Override
        public Resume remembering(boolean on) {
            return new Resume(volume, attachment, nonceHigh, nonceLow, holder, timeMillis, on);
        }
    }

    /// Ends an attachment; no error if it is gone.
    record Detach(long volume, long attachment, boolean remember) implements Command {
        public Detach(long volume, long attachment) {
            this(volume, attachment, false);
        }

        @Override
        public Detach remembering(boolean on) {
            return new Detach(volume, attachment, on);
        }
    }

    /// Replaces the volume's shared record if its version is the origin's guard, see
    /// [io.cistern.block.GuardedDevice]. Result: the new version.
    ///
    /// @param bytes read only, at most 64 KiB
    record ReplaceRecord(long volume, Origin origin, ByteBuffer bytes) implements Command {}

    /// Changes nothing, and makes `value` the result of a request: a COMPARE AND WRITE that found
    /// something else. That stands in the log like a write so that the answer is final: a copy of
    /// the request that comes late cannot find what it looks for after all, and write.
    record Settle(long volume, Origin origin, long evaluatedTerm, long value) implements Command {}

    /// A change of a share, see [io.cistern.block.fs.engine.Evaluator]. The outcome has a reply.
    ///
    /// @param origin without an attachment (0) for what an administrator does
    /// @param request an encoded [io.cistern.block.fs.engine.FileRequest]; read only
    /// @param blocks whole blocks of the file that the request changes
    record FileChange(
            long volume, Origin origin, long evaluatedTerm, ByteBuffer request, List<Blocks> blocks)
            implements Command {}

    /// What an administrator changes, at most once: carried out where each of `seen` is as it was
    /// when the administrator looked, else refused with CHANGED. Whatever comes of it, refusals by
    /// `command` included, each of the volumes has changed then. So a copy of the request that
    /// comes late has no effect, even where what it names by name is another by now.
    ///
    /// @param seen the volumes that `command` is about, 1 to [CommandCodec#MAX_TARGETS]
    /// @param command a DeleteVolume, Resize, SetLimits, CreateSnapshots, DeleteSnapshot, Rollback,
    ///   or a FileChange without an attachment
    record IfUnchanged(List<Seen> seen, Command command) implements Command {
        /// @param version [VolumeState#version]
        public record Seen(long volume, long version) {}
    }

    enum AttachMode {
        EXCLUSIVE,
        SHARED,
        READ_ONLY
    }

    /// Limits of a volume, enforced where it is attached. 0: unlimited.
    record Limits(long iops, long bytesPerSecond) {
        public static final Limits NONE = new Limits(0, 0);
    }
}
