package io.cistern.storage.group;

import io.cistern.block.BlockDevice.Extent;
import io.cistern.block.GuardedDevice;
import io.cistern.block.GuardedDevice.SharedRecord;
import io.cistern.storage.Command.AttachMode;
import io.cistern.storage.Command.Limits;
import io.cistern.storage.Usage;
import io.cistern.storage.VolumeState;
import io.cistern.storage.VolumeState.Attachment;
import io.cistern.storage.VolumeState.Snapshot;
import io.cistern.storage.group.VolumeGroup.FileReceipt;
import io.cistern.storage.group.VolumeGroup.Range;
import io.cistern.storage.group.VolumeGroup.Receipt;
import io.cistern.storage.group.VolumeGroup.VolumeUsage;
import io.cistern.storage.group.VolumeGroup.VolumeUsage.SnapshotUsage;
import io.netty.buffer.ByteBuf;
import java.nio.ByteBuffer;
import java.util.List;

/// How the answers to volume clients are written.
final class WireAnswer {
    static final int RECEIPT_BYTES = 24;

    private static final int MAX_VOLUMES = 1 << 20;
    private static final AttachMode[] MODES = AttachMode.values();
    private static final Extent.Kind[] KINDS = Extent.Kind.values();

    private WireAnswer() {}

    static void putReceipt(ByteBuf out, Receipt receipt) {
        out.writeLong(receipt.index()).writeLong(receipt.version()).writeLong(receipt.value());
    }

    static Receipt receipt(ByteBuf in) {
        return new Receipt(in.readLong(), in.readLong(), in.readLong());
    }

    static void putFileReceipt(ByteBuf out, FileReceipt receipt) {
        out.writeLong(receipt.index()).writeLong(receipt.version());
        out.writeBytes(receipt.reply().duplicate());
    }

    static FileReceipt fileReceipt(ByteBuf in) {
        long index = in.readLong();
        long version = in.readLong();
        ByteBuffer reply = ByteBuffer.allocate(in.readableBytes());
        in.readBytes(reply);
        return new FileReceipt(index, version, reply.flip());
    }

    static void putExtents(ByteBuf out, List<Extent> extents) {
        Wire.putList(
                out, extents, (to, e) -> to.writeLong(e.length()).writeByte(e.kind().ordinal()));
    }

    static List<Extent> extents(ByteBuf in) {
        return Wire.list(
                in,
                Wire.MAX_EXTENTS,
                9,
                from -> new Extent(positive(from.readLong()), Wire.constant(from, KINDS)));
    }

    static void putRanges(ByteBuf out, List<Range> ranges) {
        Wire.putList(out, ranges, (to, r) -> to.writeLong(r.offset()).writeLong(r.length()));
    }

    static List<Range> ranges(ByteBuf in) {
        return Wire.list(
                in,
                Wire.MAX_EXTENTS,
                16,
                from -> new Range(from.readLong(), positive(from.readLong())));
    }

    static void putUsage(ByteBuf out, Usage usage) {
        out.writeLong(usage.diskBytes()).writeLong(usage.freeBytes());
        out.writeLong(usage.usedBytes()).writeLong(usage.appliedIndex());
    }

    static Usage usage(ByteBuf in) {
        return new Usage(in.readLong(), in.readLong(), in.readLong(), in.readLong());
    }

    static void putVolumeUsages(ByteBuf out, List<VolumeUsage> usages) {
        Wire.putList(
                out,
                usages,
                (to, usage) -> {
                    to.writeLong(usage.volume()).writeLong(usage.usedBytes());
                    Wire.putList(
                            to,
                            usage.snapshots(),
                            (deeper, snapshot) -> {
                                deeper.writeLong(snapshot.uniqueBytes());
                                Wire.putText(deeper, snapshot.snapshot());
                            });
                });
    }

    static List<VolumeUsage> volumeUsages(ByteBuf in) {
        return Wire.list(
                in,
                MAX_VOLUMES,
                20,
                from -> {
                    long volume = from.readLong();
                    long used = from.readLong();
                    List<SnapshotUsage> snapshots =
                            Wire.list(
                                    from,
                                    VolumeState.MAX_SNAPSHOTS + 1,
                                    10,
                                    deeper -> {
                                        long unique = deeper.readLong();
                                        return new SnapshotUsage(Wire.text(deeper), unique);
                                    });
                    return new VolumeUsage(volume, used, snapshots);
                });
    }

    static void putVolume(ByteBuf out, VolumeState state) {
        out.writeLong(state.volume()).writeLong(state.sizeBytes());
        out.writeLong(state.branch()).writeInt(state.epoch()).writeLong(state.version());
        out.writeLong(state.limits().iops()).writeLong(state.limits().bytesPerSecond());
        out.writeLong(state.createdMillis()).writeLong(state.recordVersion());
        VolumeState.Parent parent = state.parent();
        out.writeBoolean(parent != null);
        if (parent != null) {
            out.writeLong(parent.volume());
            Wire.putText(out, parent.snapshot());
        }
        Wire.putList(out, state.snapshots(), WireAnswer::putSnapshot);
        Wire.putList(out, state.attachments(), WireAnswer::putAttachment);
    }

    static VolumeState volume(ByteBuf in) {
        long volume = in.readLong();
        long size = in.readLong();
        long branch = in.readLong();
        int epoch = in.readInt();
        long version = in.readLong();
        Limits limits = new Limits(in.readLong(), in.readLong());
        long created = in.readLong();
        long recordVersion = in.readLong();
        VolumeState.Parent parent = null;
        if (Wire.bool(in)) {
            long parentVolume = in.readLong();
            parent = new VolumeState.Parent(parentVolume, Wire.text(in));
        }
        List<Snapshot> snapshots =
                Wire.list(in, VolumeState.MAX_SNAPSHOTS, 30, WireAnswer::snapshot);
        List<Attachment> attachments =
                Wire.list(in, VolumeState.MAX_ATTACHMENTS, 35, WireAnswer::attachment);
        return new VolumeState(
                volume,
                size,
                branch,
                epoch,
                version,
                limits,
                parent,
                snapshots,
                attachments,
                created,
                recordVersion);
    }

    static void putRecord(ByteBuf out, SharedRecord record) {
        out.writeLong(record.version()).writeBytes(record.bytes().duplicate());
    }

    static SharedRecord record(ByteBuf in) {
        long version = in.readLong();
        if (version < 0 || in.readableBytes() > GuardedDevice.MAX_RECORD_BYTES) {
            throw Wire.malformed(
                    "a record of version " + version + " and " + in.readableBytes() + " bytes");
        }
        ByteBuffer copy = ByteBuffer.allocate(in.readableBytes());
        in.readBytes(copy);
        return new SharedRecord(version, copy.flip().asReadOnlyBuffer());
    }

    private static void putSnapshot(ByteBuf out, Snapshot snapshot) {
        Wire.putText(out, snapshot.name());
        out.writeLong(snapshot.branch()).writeInt(snapshot.epoch());
        out.writeLong(snapshot.sizeBytes()).writeLong(snapshot.createdMillis());
    }

    private static Snapshot snapshot(ByteBuf in) {
        return new Snapshot(
                Wire.text(in), in.readLong(), in.readInt(), in.readLong(), in.readLong());
    }

    private static void putAttachment(ByteBuf out, Attachment attachment) {
        out.writeLong(attachment.id()).writeByte(attachment.mode().ordinal());
        out.writeLong(attachment.nonceHigh()).writeLong(attachment.nonceLow());
        Wire.putText(out, attachment.holder());
        out.writeLong(attachment.sinceMillis());
    }

    private static Attachment attachment(ByteBuf in) {
        return new Attachment(
                in.readLong(),
                Wire.constant(in, MODES),
                in.readLong(),
                in.readLong(),
                Wire.text(in),
                in.readLong());
    }

    private static long positive(long length) {
        if (length <= 0) {
            throw Wire.malformed("a length of " + length);
        }
        return length;
    }
}
