package io.cistern.storage;

import io.cistern.block.BlockDevice;
import io.cistern.block.ErrorCode;
import io.cistern.block.GuardedDevice;
import io.cistern.block.GuardedDevice.SharedRecord;
import io.cistern.storage.Branch.Point;
import io.cistern.storage.Command.Attach;
import io.cistern.storage.Command.AttachMode;
import io.cistern.storage.Command.CloneVolume;
import io.cistern.storage.Command.CreateSnapshots;
import io.cistern.storage.Command.CreateSnapshots.Target;
import io.cistern.storage.Command.CreateVolume;
import io.cistern.storage.Command.DeleteSnapshot;
import io.cistern.storage.Command.DeleteVolume;
import io.cistern.storage.Command.Detach;
import io.cistern.storage.Command.FileChange;
import io.cistern.storage.Command.IfUnchanged;
import io.cistern.storage.Command.ReplaceRecord;
import io.cistern.storage.Command.Resize;
import io.cistern.storage.Command.Resume;
import io.cistern.storage.Command.Rollback;
import io.cistern.storage.Command.SetLimits;
import io.cistern.storage.Command.Settle;
import io.cistern.storage.Command.Write;
import io.cistern.storage.Command.Zero;
import io.cistern.storage.Volume.Holder;
import io.cistern.storage.VolumeState.Parent;
import io.cistern.storage.VolumeState.Snapshot;
import java.nio.ByteBuffer;
import java.util.HashSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// What each command does to the table and the block map. Called with the store's lock held.
/// Deterministic: looks at nothing but the command, its position and the table.
final class Commands {
    /// Largest volume, 1 EiB.
    static final long MAX_SIZE_BYTES = 1L << 60;

    private final Table table;
    private final BlockWriter writer;
    private final AtomicRanges atomics;
    private final ShareCommands shares;

    /// Called when a head moves to another epoch.
    private final Runnable epochMoved;

    Commands(
            Table table,
            BlockWriter writer,
            ShareCommands shares,
            AtomicRanges atomics,
            Runnable epochMoved) {
        this.table = table;
        this.writer = writer;
        this.shares = shares;
        this.atomics = atomics;
        this.epochMoved = epochMoved;
    }

    Outcome apply(long index, long term, Command command) {
        return switch (command) {
            case Write w -> write(index, term, w);
            case Zero z -> zero(index, z);
            case CreateVolume c -> create(c);
            case CloneVolume c -> cloneVolume(c);
            case DeleteVolume c -> delete(c);
            case Resize c -> resize(c);
            case SetLimits c -> setLimits(c);
            case CreateSnapshots c -> createSnapshots(c);
            case DeleteSnapshot c -> deleteSnapshot(c);
            case Rollback c -> rollback(c);
            case Attach c -> Attachments.attach(table, index, c);
            case Detach c -> Attachments.detach(table, c);
            case Resume c -> Attachments.resume(table, index, c);
            case ReplaceRecord c -> replaceRecord(c);
            case Settle c -> settle(term, c);
            case FileChange c -> fileChange(index, term, c);
            case IfUnchanged c -> ifUnchanged(index, term, c);
        };
    }

    private Outcome ifUnchanged(long index, long term, IfUnchanged c) {
        for (IfUnchanged.Seen seen : c.seen()) {
            Volume volume = table.volumes.get(seen.volume());
            if (volume == null) {
                return noVolume(seen.volume());
            }
            if (volume.version != seen.version()) {
                return Outcome.refused(
                        ErrorCode.CHANGED,
                        "volume " + volume.id + " was changed by another request: try again");
            }
        }
        Outcome outcome = apply(index, term, c.command());
        for (IfUnchanged.Seen seen : c.seen()) {
            Volume volume = table.volumes.get(seen.volume());
            if (volume != null) {
                table.changed(volume);
            }
        }
        return outcome;
    }

    // ---- shares

    private Outcome fileChange(long index, long term, FileChange c) {
        Volume volume = table.volumes.get(c.volume());
        if (volume == null) {
            return noVolume(c.volume());
        }
        if (c.origin().attachment() == 0 && ShareCommands.administrative(c)) {
            return shares.apply(volume, index, c);
        }
        Holder holder = volume.holder(c.origin().attachment());
        Outcome early = admit(volume, c.volume(), holder, c.origin());
        if (early != null || holder == null) {
            return early == null ? noVolume(c.volume()) : early;
        }
        if (c.evaluatedTerm() != 0 && c.evaluatedTerm() != term) {
            return Outcome.refused(
                    ErrorCode.UNAVAILABLE,
                    "leadership changed between preparing the change and logging it");
        }
        Outcome outcome = shares.apply(volume, index, c);
        return outcome.error() == ErrorCode.UNAVAILABLE
                ? outcome
                : executed(holder, c.origin(), outcome);
    }

    // ---- writes

    private Outcome write(long index, long term, Write w) {
        Volume volume = table.volumes.get(w.volume());
        Holder holder = volume == null ? null : volume.holder(w.origin().attachment());
        Outcome early = admit(volume, w.volume(), holder, w.origin());
        if (early != null || volume == null || holder == null) {
            return early == null ? noVolume(w.volume()) : early;
        }
        if (w.evaluatedTerm() != 0 && w.evaluatedTerm() != term) {
            return overtaken();
        }
        long length = (long) w.crcs().length * BlockDevice.BLOCK_BYTES;
        Outcome outcome = allowed(volume, w.origin(), w.offset(), length);
        if (outcome == Outcome.DONE && w.atomic()) {
            atomics.begin(volume.branch.id, w.offset(), length);
            try {
                writer.write(volume.branch, w.offset(), w.crcs(), w.data(), index);
            } finally {
                atomics.end();
            }
        } else if (outcome == Outcome.DONE) {
            writer.write(volume.branch, w.offset(), w.crcs(), w.data(), index);
        }
        return executed(holder, w.origin(), outcome);
    }

    private static Outcome overtaken() {
        return Outcome.refused(
                ErrorCode.UNAVAILABLE,
                "leadership changed between evaluating the write and logging it");
    }

    private Outcome settle(long term, Settle c) {
        Volume volume = table.volumes.get(c.volume());
        Holder holder = volume == null ? null : volume.holder(c.origin().attachment());
        Outcome early = admit(volume, c.volume(), holder, c.origin());
        if (early != null || volume == null || holder == null) {
            return early == null ? noVolume(c.volume()) : early;
        }
        if (c.evaluatedTerm() != term) {
            return overtaken();
        }
        Outcome outcome = guard(volume, c.origin());
        return executed(
                holder, c.origin(), outcome == Outcome.DONE ? Outcome.of(c.value()) : outcome);
    }

    private Outcome replaceRecord(ReplaceRecord c) {
        Volume volume = table.volumes.get(c.volume());
        Holder holder = volume == null ? null : volume.holder(c.origin().attachment());
        Outcome early = admit(volume, c.volume(), holder, c.origin());
        if (early != null || volume == null || holder == null) {
            return early == null ? noVolume(c.volume()) : early;
        }
        Outcome outcome = guard(volume, c.origin());
        if (outcome == Outcome.DONE) {
            ByteBuffer copy = ByteBuffer.allocate(c.bytes().remaining());
            copy.put(c.bytes().duplicate()).flip();
            volume.record = new SharedRecord(volume.record.version() + 1, copy.asReadOnlyBuffer());
            table.changed(volume);
            outcome = Outcome.of(volume.record.version());
        }
        return executed(holder, c.origin(), outcome);
    }

    /// Whether the record has the version that the sender acted upon.
    private static Outcome guard(Volume volume, Origin origin) {
        if (origin.guard() == GuardedDevice.NO_GUARD || origin.guard() == volume.record.version()) {
            return Outcome.DONE;
        }
        return Outcome.refused(ErrorCode.CHANGED, changed(volume.id, origin.guard()));
    }

    static String changed(long volume, long guard) {
        return "the shared record of volume " + volume + " is no longer at version " + guard;
    }

    private Outcome zero(long index, Zero z) {
        Volume volume = table.volumes.get(z.volume());
        Holder holder = volume == null ? null : volume.holder(z.origin().attachment());
        Outcome early = admit(volume, z.volume(), holder, z.origin());
        if (early != null || volume == null || holder == null) {
            return early == null ? noVolume(z.volume()) : early;
        }
        Outcome outcome = allowed(volume, z.origin(), z.offset(), z.length());
        if (outcome == Outcome.DONE) {
            writer.zero(volume.branch, z.offset(), z.length(), z.unmap(), index);
        }
        return executed(holder, z.origin(), outcome);
    }

    /// Null where a write may go ahead.
    private static @Nullable Outcome admit(
            @Nullable Volume volume, long id, @Nullable Holder holder, Origin origin) {
        if (volume == null) {
            return noVolume(id);
        }
        if (holder == null) {
            return Outcome.refused(
                    ErrorCode.FENCED,
                    "attachment " + origin.attachment() + " of volume " + id + " has ended");
        }
        if (holder.attachment.mode() == AttachMode.READ_ONLY) {
            return Outcome.refused(ErrorCode.READ_ONLY, "volume " + id + " is attached read-only");
        }
        if (origin.seq() == 0) {
            return null;
        }
        Window window = holder.window;
        if (origin.seq() < 0 || origin.doneBelow() > origin.seq()) {
            return Outcome.refused(
                    ErrorCode.INVALID,
                    "write " + origin.seq() + " done below " + origin.doneBelow());
        }
        Outcome first = window.get(origin.seq());
        if (first != null) {
            return first;
        }
        if (window.forgotten(origin.seq())) {
            // Its sender has the answer and waits for none.
            return Outcome.DONE;
        }
        window.advance(origin.doneBelow());
        holder.dirty = true;
        return window.fits()
                ? null
                : Outcome.refused(
                        ErrorCode.LIMIT,
                        "more than " + Store.MAX_OPEN_WRITES + " writes of one attachment open");
    }

    private static Outcome executed(Holder holder, Origin origin, Outcome outcome) {
        if (origin.seq() != 0) {
            holder.window.record(origin.seq(), outcome);
        }
        return outcome;
    }

    private static Outcome allowed(Volume volume, Origin origin, long offset, long length) {
        Outcome outcome = guard(volume, origin);
        return outcome == Outcome.DONE ? range(volume, offset, length) : outcome;
    }

    /// Whole blocks inside the volume, whose last block may be a part of one.
    private static Outcome range(Volume volume, long offset, long length) {
        long end =
                Math.ceilDiv(volume.sizeBytes, (long) BlockDevice.BLOCK_BYTES)
                        * BlockDevice.BLOCK_BYTES;
        if (offset < 0 || length < 0 || offset > end - length) {
            return Outcome.refused(
                    ErrorCode.OUT_OF_RANGE,
                    length + " bytes at " + offset + " reach beyond the volume's " + end);
        }
        return Outcome.DONE;
    }

    // ---- volumes

    private Outcome create(CreateVolume c) {
        Outcome refused = fresh(c.volume(), c.sizeBytes());
        if (refused == null) {
            Branch branch = table.newBranch(null);
            table.add(
                    new Volume(
                            c.volume(), c.sizeBytes(), branch, c.limits(), null, c.timeMillis()));
        }
        return refused == null ? Outcome.DONE : refused;
    }

    private @Nullable Outcome fresh(long volume, long sizeBytes) {
        if (table.volumes.containsKey(volume)) {
            return Outcome.refused(
                    ErrorCode.ALREADY_EXISTS, "volume " + volume + " exists already");
        }
        if (sizeBytes <= 0 || sizeBytes > MAX_SIZE_BYTES || sizeBytes % 512 != 0) {
            return Outcome.refused(
                    ErrorCode.INVALID,
                    "a volume cannot have "
                            + sizeBytes
                            + " bytes: use a multiple of 512 up to 1 EiB");
        }
        return null;
    }

    private Outcome cloneVolume(CloneVolume c) {
        Volume parent = table.volumes.get(c.parent());
        if (parent == null) {
            return noVolume(c.parent());
        }
        Snapshot s = parent.byName.get(c.snapshot());
        if (s == null) {
            return noSnapshot(parent, c.snapshot());
        }
        Outcome refused = fresh(c.volume(), s.sizeBytes());
        if (refused != null) {
            return refused;
        }
        Branch branch = table.newBranch(new Point(table.branch(s.branch()), s.epoch()));
        table.add(
                new Volume(
                        c.volume(),
                        s.sizeBytes(),
                        branch,
                        c.limits(),
                        new Parent(parent.id, s.name()),
                        c.timeMillis()));
        return Outcome.DONE;
    }

    private Outcome delete(DeleteVolume c) {
        Volume volume = table.volumes.get(c.volume());
        if (volume == null) {
            return noVolume(c.volume());
        }
        for (Snapshot s : volume.snapshots) {
            if (table.hasClones(volume, s)) {
                return Outcome.refused(
                        ErrorCode.BUSY,
                        "volume " + volume.id + " has clones of its snapshot '" + s.name() + "'");
            }
        }
        table.remove(volume);
        shares.deleted(volume.id);
        return Outcome.DONE;
    }

    private Outcome resize(Resize c) {
        Volume volume = table.volumes.get(c.volume());
        if (volume == null) {
            return noVolume(c.volume());
        }
        if (c.sizeBytes() < volume.sizeBytes
                || c.sizeBytes() > MAX_SIZE_BYTES
                || c.sizeBytes() % 512 != 0) {
            return Outcome.refused(
                    ErrorCode.INVALID,
                    "volume "
                            + volume.id
                            + " has "
                            + volume.sizeBytes
                            + " bytes and cannot be resized to "
                            + c.sizeBytes()
                            + ": use a larger multiple of 512 up to 1 EiB");
        }
        volume.sizeBytes = c.sizeBytes();
        table.changed(volume);
        return Outcome.DONE;
    }

    private Outcome setLimits(SetLimits c) {
        Volume volume = table.volumes.get(c.volume());
        if (volume == null) {
            return noVolume(c.volume());
        }
        volume.limits = c.limits();
        table.changed(volume);
        return Outcome.DONE;
    }

    // ---- snapshots

    private Outcome createSnapshots(CreateSnapshots c) {
        Set<Target> seen = new HashSet<>();
        for (Target t : c.targets()) {
            Volume volume = table.volumes.get(t.volume());
            if (volume == null) {
                return noVolume(t.volume());
            }
            if (volume.byName.containsKey(t.snapshot()) || !seen.add(t)) {
                return exists(volume, t.snapshot());
            }
            if (volume.snapshots.size() + c.targets().size() > VolumeState.MAX_SNAPSHOTS) {
                return tooMany(volume);
            }
        }
        for (Target t : c.targets()) {
            Volume volume = table.volumes.get(t.volume());
            if (volume != null) {
                table.freeze(volume, t.snapshot(), c.timeMillis());
                volume.epoch++;
                volume.branch.head = volume.epoch;
                table.changed(volume);
            }
        }
        epochMoved.run();
        return Outcome.DONE;
    }

    private Outcome deleteSnapshot(DeleteSnapshot c) {
        Volume volume = table.volumes.get(c.volume());
        if (volume == null) {
            return noVolume(c.volume());
        }
        Snapshot s = volume.byName.get(c.snapshot());
        if (s == null) {
            return noSnapshot(volume, c.snapshot());
        }
        if (table.hasClones(volume, s)) {
            return Outcome.refused(
                    ErrorCode.BUSY,
                    "snapshot '" + s.name() + "' of volume " + volume.id + " has clones");
        }
        table.remove(volume, s);
        table.changed(volume);
        return Outcome.DONE;
    }

    private Outcome rollback(Rollback c) {
        Volume volume = table.volumes.get(c.volume());
        if (volume == null) {
            return noVolume(c.volume());
        }
        Snapshot s = volume.byName.get(c.snapshot());
        if (s == null) {
            return noSnapshot(volume, c.snapshot());
        }
        if (volume.byName.containsKey(c.safetyName())) {
            return exists(volume, c.safetyName());
        }
        if (volume.snapshots.size() >= VolumeState.MAX_SNAPSHOTS) {
            return tooMany(volume);
        }
        if (volume.attachedForWriting()) {
            return Outcome.refused(
                    ErrorCode.BUSY, "volume " + volume.id + " is attached: detach it first");
        }
        table.freeze(volume, c.safetyName(), c.timeMillis());
        volume.branch.head = Branch.NO_HEAD;
        volume.branch = table.newBranch(new Point(table.branch(s.branch()), s.epoch()));
        volume.epoch = Branch.FIRST_EPOCH;
        volume.branch.head = volume.epoch;
        volume.sizeBytes = s.sizeBytes();
        table.changed(volume);
        epochMoved.run();
        return Outcome.DONE;
    }

    // ---- refusals

    static Outcome noVolume(long volume) {
        return Outcome.refused(ErrorCode.NOT_FOUND, "volume " + volume + " does not exist");
    }

    private static Outcome noSnapshot(Volume volume, String name) {
        return Outcome.refused(
                ErrorCode.NOT_FOUND, "volume " + volume.id + " has no snapshot '" + name + "'");
    }

    private static Outcome exists(Volume volume, String name) {
        return Outcome.refused(
                ErrorCode.ALREADY_EXISTS,
                "volume " + volume.id + " has a snapshot '" + name + "' already");
    }

    private static Outcome tooMany(Volume volume) {
        return Outcome.refused(
                ErrorCode.LIMIT,
                "volume "
                        + volume.id
                        + " has the most snapshots there can be, "
                        + VolumeState.MAX_SNAPSHOTS);
    }
}
