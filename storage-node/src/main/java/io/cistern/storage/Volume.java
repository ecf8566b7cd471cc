package io.cistern.storage;

import io.cistern.block.ErrorCode;
import io.cistern.block.GuardedDevice;
import io.cistern.block.GuardedDevice.SharedRecord;
import io.cistern.storage.Command.AttachMode;
import io.cistern.storage.Command.Limits;
import io.cistern.storage.VolumeState.Attachment;
import io.cistern.storage.VolumeState.Parent;
import io.cistern.storage.VolumeState.Snapshot;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// A volume in a store. Changed under the store's lock; [#state] is for everyone.
///
/// ```
/// volume     := version:u8 (1 to 3) size:i64 branch:i64 epoch:u32 recordVersion:i64 limits
///               hasParent:u8 [parent:i64 snapshot:string] created:i64
///               count:u8 (id:i64 mode:u8 nonce:u128 holder:string since:i64)[count]
///               [sharedVersion:i64 length:u32 shared[length]]          from version 2 on
///               [count:u8 nonce:u128[count]]                           in version 3
/// snapshot   := version:u8 (1) name:string size:i64 created:i64        branch, epoch: in the key
/// ```
///
/// Version 2 has a shared record; a volume whose record was never replaced is written as version 1.
/// Version 3 has, too, which attachments have ended lately; without any it is not written.
final class Volume {
    private static final int VERSION = 1;
    private static final int VERSION_SHARED = 2;
    private static final int VERSION_ENDED = 3;

    final long id;
    final @Nullable Parent parent;
    final long createdMillis;
    long sizeBytes;
    Branch branch;
    int epoch;
    long version;
    Limits limits;
    SnapshotList snapshots = SnapshotList.EMPTY;
    final Map<String, Snapshot> byName = new HashMap<>();
    final List<Holder> holders = new ArrayList<>();
    final EndedAttachments ended = new EndedAttachments();
    volatile SharedRecord record = SharedRecord.EMPTY;
    volatile VolumeState state;

    /// An attachment and what it has executed.
    static final class Holder {
        final Attachment attachment;
        final Window window;

        /// Executed something since the last checkpoint began.
        boolean dirty = true;

        Holder(Attachment attachment, Window window) {
            this.attachment = attachment;
            this.window = window;
        }
    }

    Volume(
            long id,
            long sizeBytes,
            Branch branch,
            Limits limits,
            @Nullable Parent parent,
            long createdMillis) {
        this.id = id;
        this.sizeBytes = sizeBytes;
        this.branch = branch;
        this.epoch = Branch.FIRST_EPOCH;
        this.limits = limits;
        this.parent = parent;
        this.createdMillis = createdMillis;
        this.state = snapshotState();
    }

    @Nullable Holder holder(long attachment) {
        for (int i = 0; i < holders.size(); i++) {
            if (holders.get(i).attachment.id() == attachment) {
                return holders.get(i);
            }
        }
        return null;
    }

    boolean attachedForWriting() {
        return holders.stream().anyMatch(h -> h.attachment.mode() != AttachMode.READ_ONLY);
    }

    void add(Snapshot snapshot) {
        snapshots = snapshots.append(snapshot);
        byName.put(snapshot.name(), snapshot);
    }

    void remove(Snapshot snapshot) {
        snapshots = snapshots.without(snapshot);
        byName.remove(snapshot.name());
    }

    /// Publishes what the fields say now.
    void publish() {
        state = snapshotState();
    }

    private VolumeState snapshotState() {
        return new VolumeState(
                id,
                sizeBytes,
                branch.id,
                epoch,
                version,
                limits,
                parent,
                snapshots,
                holders.stream().map(h -> h.attachment).toList(),
                createdMillis,
                record.version());
    }

    byte[] encode() {
        int bytes = 1 + 8 + 8 + 4 + 8 + 16 + 1 + 8 + 1;
        Parent from = parent;
        if (from != null) {
            bytes += 8 + Bytes.size(from.snapshot());
        }
        for (Holder h : holders) {
            bytes += 8 + 1 + 16 + Bytes.size(h.attachment.holder()) + 8;
        }
        SharedRecord shared = record;
        boolean withEnded = !ended.isEmpty();
        boolean withShared = withEnded || shared.version() > 0;
        if (withShared) {
            bytes += 8 + 4 + shared.bytes().remaining();
        }
        bytes += withEnded ? ended.bytes() : 0;
        ByteBuffer out = ByteBuffer.allocate(bytes);
        out.put((byte) (withEnded ? VERSION_ENDED : withShared ? VERSION_SHARED : VERSION));
        out.putLong(sizeBytes).putLong(branch.id).putInt(epoch);
        CommandCodec.putLimits(out.putLong(version), limits);
        out.put((byte) (from == null ? 0 : 1));
        if (from != null) {
            Bytes.putString(out.putLong(from.volume()), from.snapshot());
        }
        out.putLong(createdMillis).put((byte) holders.size());
        for (Holder h : holders) {
            Attachment a = h.attachment;
            out.putLong(a.id()).put((byte) a.mode().ordinal());
            out.putLong(a.nonceHigh()).putLong(a.nonceLow());
            Bytes.putString(out, a.holder());
            out.putLong(a.sinceMillis());
        }
        if (withShared) {
            out.putLong(shared.version()).putInt(shared.bytes().remaining());
            out.put(shared.bytes().duplicate());
        }
        if (withEnded) {
            ended.put(out);
        }
        return out.array();
    }

    /// @param branches finds the head's branch by its id
    /// @param windows finds an attachment's window
    static Volume decode(
            long id,
            byte[] bytes,
            java.util.function.LongFunction<Branch> branches,
            java.util.function.LongFunction<Window> windows) {
        Bytes in = new Bytes(ByteBuffer.wrap(bytes), "volume", ErrorCode.CORRUPT);
        int format = in.u8();
        if (format < VERSION || format > VERSION_ENDED) {
            throw in.bad("version");
        }
        long size = in.i64();
        Branch branch = branches.apply(in.i64());
        int epoch = in.i32();
        long version = in.i64();
        Limits limits = CommandCodec.limits(in);
        Parent parent = in.flag() ? new Parent(in.i64(), in.string()) : null;
        Volume volume = new Volume(id, size, branch, limits, parent, in.i64());
        volume.epoch = epoch;
        volume.version = version;
        int count = in.u8();
        for (int i = 0; i < count; i++) {
            Attachment a =
                    new Attachment(
                            in.i64(),
                            CommandCodec.mode(in),
                            in.i64(),
                            in.i64(),
                            in.string(),
                            in.i64());
            Holder holder = new Holder(a, windows.apply(a.id()));
            holder.dirty = false;
            volume.holders.add(holder);
        }
        if (format >= VERSION_SHARED) {
            volume.record = decodeRecord(in, format);
        }
        if (format >= VERSION_ENDED) {
            volume.ended.read(in);
        }
        in.end();
        return volume;
    }

    private static SharedRecord decodeRecord(Bytes in, int format) {
        long version = in.i64();
        int length = in.i32();
        if (format > VERSION_SHARED && version == 0 && length == 0) {
            return SharedRecord.EMPTY;
        }
        if (version < 1 || length < 0 || length > GuardedDevice.MAX_RECORD_BYTES) {
            throw in.bad("a shared record of version " + version + " and " + length + " bytes");
        }
        return new SharedRecord(version, in.slice(length).asReadOnlyBuffer());
    }

    static byte[] encode(Snapshot s) {
        ByteBuffer out = ByteBuffer.allocate(1 + Bytes.size(s.name()) + 16);
        Bytes.putString(out.put((byte) VERSION), s.name());
        return out.putLong(s.sizeBytes()).putLong(s.createdMillis()).array();
    }

    static Snapshot decodeSnapshot(long branch, int epoch, byte[] bytes) {
        Bytes in = new Bytes(ByteBuffer.wrap(bytes), "snapshot", ErrorCode.CORRUPT);
        if (in.u8() != VERSION) {
            throw in.bad("version");
        }
        Snapshot s = new Snapshot(in.string(), branch, epoch, in.i64(), in.i64());
        in.end();
        return s;
    }
}
