package io.cistern.storage;

import io.cistern.block.BlockDevice;
import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.GuardedDevice;
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
import io.cistern.storage.Command.IfUnchanged.Seen;
import io.cistern.storage.Command.Limits;
import io.cistern.storage.Command.ReplaceRecord;
import io.cistern.storage.Command.Resize;
import io.cistern.storage.Command.Resume;
import io.cistern.storage.Command.Rollback;
import io.cistern.storage.Command.SetLimits;
import io.cistern.storage.Command.Settle;
import io.cistern.storage.Command.Write;
import io.cistern.storage.Command.Zero;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

/// Commands as they stand in log entries.
///
/// ```
/// command  := version:u8 (1 to 3) type:u8 body     big-endian, no padding, fills the buffer
/// origin   := attachment:i64 seq:i64 doneBelow:i64
/// limits   := iops:i64 bytesPerSecond:i64
/// string   := length:u16 utf8[length]              at most 255 bytes
/// 1 Write           := volume:i64 origin evaluatedTerm:i64 offset:i64 blocks:u32 crc:u32[blocks]
///                      data[blocks * 4096]
/// 2 Zero            := volume:i64 origin offset:i64 length:i64 unmap:u8
/// 3 CreateVolume    := volume:i64 size:i64 limits time:i64
/// 4 CloneVolume     := volume:i64 parent:i64 snapshot:string limits time:i64
/// 5 DeleteVolume    := volume:i64
/// 6 Resize          := volume:i64 size:i64
/// 7 SetLimits       := volume:i64 limits
/// 8 CreateSnapshots := count:u16 (volume:i64 snapshot:string)[count] time:i64
/// 9 DeleteSnapshot  := volume:i64 snapshot:string
/// 10 Rollback       := volume:i64 snapshot:string safety:string time:i64
/// 11 Attach         := volume:i64 mode:u8 nonce:u128 holder:string time:i64
/// 12 Detach         := volume:i64 attachment:i64
/// 20 Resume         := volume:i64 attachment:i64 nonce:u128 holder:string time:i64
/// 32 FileChange     := volume:i64 origin evaluatedTerm:i64 length:u32 request[length]
///                      parts:u8 (offset:i64 blocks:u32 crc:u32[blocks] data[blocks * 4096])[parts]
/// ```
///
/// Version 2 has what version 1 cannot say; everything else is still written as version 1:
///
/// ```
/// guarded  := attachment:i64 seq:i64 doneBelow:i64 guard:i64      guard -1: none
/// 1 Write           := volume:i64 guarded flags:u8 (1: atomic) evaluatedTerm:i64 offset:i64
///                      blocks:u32 crc:u32[blocks] data[blocks * 4096]      guarded or atomic
/// 2 Zero            := volume:i64 guarded offset:i64 length:i64 unmap:u8          guarded
/// 13 ReplaceRecord  := volume:i64 guarded length:u32 (<= 65536) bytes[length]
/// 14 Settle         := volume:i64 guarded evaluatedTerm:i64 value:i64
/// 11 Attach, 12 Detach, 20 Resume: as in version 1, and the attachments that end are remembered
/// ```
///
/// Version 3 has what version 2 cannot say:
///
/// ```
/// 11 Attach         := as in version 1, since:i64 (>= 0)
/// 15 IfUnchanged    := count:u16 (1 to 1024) (volume:i64 version:i64)[count] command
///                      of version 1 and type 5 to 10 or 32
/// ```
///
/// The log's own checksum covers the command; each block of a Write also carries its own. The same
/// grammar is in docs/formats/command.md.
public final class CommandCodec {
    /// Newest version.
    public static final int VERSION = 3;

    /// Most volumes that one command is about.
    public static final int MAX_TARGETS = 1024;

    private static final int WRITE_HEAD = 2 + 8 + 24 + 8 + 8 + 4;
    private static final int GUARD = 8;

    private CommandCodec() {}

    /// Exact length of the encoded command in bytes.
    public static int size(Command command) {
        return switch (command) {
            case Write w ->
                    WRITE_HEAD
                            + (conditional(w) ? GUARD + 1 : 0)
                            + 4 * w.crcs().length
                            + w.data().remaining();
            case Zero z -> 2 + 8 + 24 + (z.origin().guarded() ? GUARD : 0) + 17;
            case CreateVolume c -> 2 + 8 + 8 + 16 + 8;
            case CloneVolume c -> 2 + 16 + Bytes.size(c.snapshot()) + 16 + 8;
            case DeleteVolume c -> 2 + 8;
            case Resize c -> 2 + 16;
            case SetLimits c -> 2 + 8 + 16;
            case CreateSnapshots c -> {
                int bytes = 2 + 2 + 8;
                for (Target t : c.targets()) {
                    bytes += 8 + Bytes.size(t.snapshot());
                }
                yield bytes;
            }
            case DeleteSnapshot c -> 2 + 8 + Bytes.size(c.snapshot());
            case Rollback c -> 2 + 8 + Bytes.size(c.snapshot()) + Bytes.size(c.safetyName()) + 8;
            case Attach c ->
                    2
                            + 8
                            + 1
                            + 16
                            + Bytes.size(c.holder())
                            + 8
                            + (c.since() == Attach.UNSEEN ? 0 : 8);
            case Detach c -> 2 + 16;
            case Resume c -> 2 + 16 + 16 + Bytes.size(c.holder()) + 8;
            case ReplaceRecord c -> 2 + 8 + 24 + GUARD + 4 + c.bytes().remaining();
            case Settle c -> 2 + 8 + 24 + GUARD + 16;
            case FileChange c -> FileChangeCodec.size(c);
            case IfUnchanged c -> 2 + 2 + 16 * c.seen().size() + size(c.command());
        };
    }

    private static boolean conditional(Write w) {
        return w.atomic() || w.origin().guarded();
    }

    /// The oldest version that can say it.
    private static int version(Command command) {
        return switch (command) {
            case IfUnchanged c -> 3;
            case Attach c when c.since() != Attach.UNSEEN -> 3;
            case Attach c -> secondIf(c.remember());
            case Detach c -> secondIf(c.remember());
            case Resume c -> secondIf(c.remember());
            case Write w -> secondIf(conditional(w));
            case Zero z -> secondIf(z.origin().guarded());
            case ReplaceRecord c -> 2;
            case Settle c -> 2;
            default -> 1;
        };
    }

    private static int secondIf(boolean needed) {
        return needed ? 2 : 1;
    }

    /// Appends the command at `dst`'s position.
    ///
    /// @throws CisternException INVALID: more targets or a longer string than the format holds
    public static void encode(Command command, ByteBuffer dst) {
        dst.put((byte) version(command)).put((byte) type(command));
        switch (command) {
            case Write w -> encodeWrite(w, dst);
            case Zero z -> {
                dst.putLong(z.volume());
                putOrigin(dst, z.origin());
                if (z.origin().guarded()) {
                    dst.putLong(z.origin().guard());
                }
                dst.putLong(z.offset()).putLong(z.length()).put((byte) (z.unmap() ? 1 : 0));
            }
            case CreateVolume c -> {
                dst.putLong(c.volume()).putLong(c.sizeBytes());
                putLimits(dst, c.limits()).putLong(c.timeMillis());
            }
            case CloneVolume c -> {
                dst.putLong(c.volume()).putLong(c.parent());
                Bytes.putString(dst, c.snapshot());
                putLimits(dst, c.limits()).putLong(c.timeMillis());
            }
            case DeleteVolume c -> dst.putLong(c.volume());
            case Resize c -> dst.putLong(c.volume()).putLong(c.sizeBytes());
            case SetLimits c -> putLimits(dst.putLong(c.volume()), c.limits());
            case CreateSnapshots c -> encodeSnapshots(c, dst);
            case DeleteSnapshot c -> Bytes.putString(dst.putLong(c.volume()), c.snapshot());
            case Rollback c -> {
                Bytes.putString(dst.putLong(c.volume()), c.snapshot());
                Bytes.putString(dst, c.safetyName());
                dst.putLong(c.timeMillis());
            }
            case Attach c -> {
                dst.putLong(c.volume()).put((byte) c.mode().ordinal());
                dst.putLong(c.nonceHigh()).putLong(c.nonceLow());
                Bytes.putString(dst, c.holder());
                dst.putLong(c.timeMillis());
                if (c.since() != Attach.UNSEEN) {
                    dst.putLong(c.since());
                }
            }
            case Detach c -> dst.putLong(c.volume()).putLong(c.attachment());
            case Resume c -> {
                dst.putLong(c.volume()).putLong(c.attachment());
                dst.putLong(c.nonceHigh()).putLong(c.nonceLow());
                Bytes.putString(dst, c.holder());
                dst.putLong(c.timeMillis());
            }
            case ReplaceRecord c -> {
                putOrigin(dst.putLong(c.volume()), c.origin());
                dst.putLong(c.origin().guard()).putInt(c.bytes().remaining());
                dst.put(c.bytes().duplicate());
            }
            case Settle c -> {
                putOrigin(dst.putLong(c.volume()), c.origin());
                dst.putLong(c.origin().guard()).putLong(c.evaluatedTerm()).putLong(c.value());
            }
            case FileChange c -> FileChangeCodec.encode(c, dst);
            case IfUnchanged c -> encodeIfUnchanged(c, dst);
        }
    }

    /// Reads the command that fills `src`'s remaining bytes. Block data is a slice of `src`, not a
    /// copy. `src`'s position is not changed.
    ///
    /// @throws CisternException INVALID: not a command, or of another version
    public static Command decode(ByteBuffer src) {
        Bytes in = new Bytes(src.duplicate(), "command", ErrorCode.INVALID);
        int version = in.u8();
        if (version < 1 || version > VERSION) {
            throw new CisternException(
                    ErrorCode.INVALID,
                    version > VERSION
                            ? "command format "
                                    + version
                                    + " is too new: this program reads formats up to "
                                    + VERSION
                                    + "; upgrade it"
                            : "command format " + version + " is too old or not a command");
        }
        Command command =
                switch (version) {
                    case 1 -> body(in.u8(), in);
                    case 2 -> second(in.u8(), in);
                    default -> third(in.u8(), in);
                };
        in.end();
        return command;
    }

    private static Command body(int type, Bytes in) {
        return switch (type) {
            case 1 -> decodeWrite(in);
            case 2 ->
                    new Zero(in.i64(), origin(in), blocks(in, true), blocks(in, false), in.flag());
            case 3 -> new CreateVolume(in.i64(), in.i64(), limits(in), in.i64());
            case 4 -> new CloneVolume(in.i64(), in.i64(), in.string(), limits(in), in.i64());
            case 5 -> new DeleteVolume(in.i64());
            case 6 -> new Resize(in.i64(), in.i64());
            case 7 -> new SetLimits(in.i64(), limits(in));
            case 8 -> decodeSnapshots(in);
            case 9 -> new DeleteSnapshot(in.i64(), in.string());
            case 10 -> new Rollback(in.i64(), in.string(), in.string(), in.i64());
            case 11, 12, 20 -> attachment(type, in);
            case 32 -> FileChangeCodec.decode(in);
            default -> throw in.bad("type " + type);
        };
    }

    private static Command attachment(int type, Bytes in) {
        return switch (type) {
            case 11 -> new Attach(in.i64(), mode(in), in.i64(), in.i64(), in.string(), in.i64());
            case 12 -> new Detach(in.i64(), in.i64());
            default -> new Resume(in.i64(), in.i64(), in.i64(), in.i64(), in.string(), in.i64());
        };
    }

    private static Command second(int type, Bytes in) {
        return switch (type) {
            case 11, 12, 20 -> attachment(type, in).remembering(true);
            case 1 -> decodeConditionalWrite(in);
            case 2 ->
                    new Zero(in.i64(), guarded(in), blocks(in, true), blocks(in, false), in.flag());
            case 13 -> {
                long volume = in.i64();
                Origin origin = guarded(in);
                int length = in.i32();
                if (length < 0 || length > GuardedDevice.MAX_RECORD_BYTES) {
                    throw in.bad("a record of " + length + " bytes");
                }
                yield new ReplaceRecord(volume, origin, in.slice(length));
            }
            case 14 -> new Settle(in.i64(), anyGuard(in), in.i64(), in.i64());
            default -> throw in.bad("type " + type);
        };
    }

    private static Command third(int type, Bytes in) {
        return switch (type) {
            case 11 -> {
                Command attach = attachment(type, in);
                long since = in.i64();
                if (since < 0) {
                    throw in.bad("an attach since " + since);
                }
                yield ((Attach) attach).seen(since);
            }
            case 15 -> {
                int count = in.u16();
                if (count < 1 || count > MAX_TARGETS) {
                    throw in.bad(count + " volumes");
                }
                List<Seen> seen = new ArrayList<>(count);
                for (int i = 0; i < count; i++) {
                    seen.add(new Seen(in.i64(), in.i64()));
                }
                int version = in.u8();
                int of = in.u8();
                if (version != 1 || !administrative(of)) {
                    throw in.bad("a condition for type " + of + " of version " + version);
                }
                yield new IfUnchanged(List.copyOf(seen), body(of, in));
            }
            default -> throw in.bad("type " + type);
        };
    }

    /// Types that may stand in an IfUnchanged.
    private static boolean administrative(int type) {
        return (type >= 5 && type <= 10) || type == 32;
    }

    private static void encodeIfUnchanged(IfUnchanged c, ByteBuffer dst) {
        if (c.seen().isEmpty()
                || c.seen().size() > MAX_TARGETS
                || !administrative(type(c.command()))) {
            throw new CisternException(
                    ErrorCode.INVALID,
                    "a condition on " + c.seen().size() + " volumes for type " + type(c.command()));
        }
        dst.putShort((short) c.seen().size());
        c.seen().forEach(seen -> dst.putLong(seen.volume()).putLong(seen.version()));
        encode(c.command(), dst);
    }

    private static int type(Command command) {
        return switch (command) {
            case Write w -> 1;
            case Zero z -> 2;
            case CreateVolume c -> 3;
            case CloneVolume c -> 4;
            case DeleteVolume c -> 5;
            case Resize c -> 6;
            case SetLimits c -> 7;
            case CreateSnapshots c -> 8;
            case DeleteSnapshot c -> 9;
            case Rollback c -> 10;
            case Attach c -> 11;
            case Detach c -> 12;
            case Resume c -> 20;
            case ReplaceRecord c -> 13;
            case Settle c -> 14;
            case IfUnchanged c -> 15;
            case FileChange c -> 32;
        };
    }

    private static void encodeWrite(Write w, ByteBuffer dst) {
        dst.putLong(w.volume());
        putOrigin(dst, w.origin());
        if (conditional(w)) {
            dst.putLong(w.origin().guard()).put((byte) (w.atomic() ? 1 : 0));
        }
        dst.putLong(w.evaluatedTerm()).putLong(w.offset()).putInt(w.crcs().length);
        for (int crc : w.crcs()) {
            dst.putInt(crc);
        }
        dst.put(w.data().duplicate());
    }

    private static Write decodeWrite(Bytes in) {
        return decodeWrite(in.i64(), origin(in), false, in);
    }

    private static Write decodeConditionalWrite(Bytes in) {
        long volume = in.i64();
        Origin origin = anyGuard(in);
        boolean atomic = in.flag();
        if (!atomic && !origin.guarded()) {
            throw in.bad("a plain write in format 2");
        }
        return decodeWrite(volume, origin, atomic, in);
    }

    private static Write decodeWrite(long volume, Origin origin, boolean atomic, Bytes in) {
        long term = in.i64();
        long offset = blocks(in, true);
        int count = in.i32();
        if (count < 1 || count > BlockDevice.MAX_IO_BYTES / BlockDevice.BLOCK_BYTES) {
            throw in.bad(count + " blocks");
        }
        in.need(count * 4);
        int[] crcs = new int[count];
        for (int i = 0; i < count; i++) {
            crcs[i] = in.i32();
        }
        return new Write(
                volume,
                origin,
                term,
                offset,
                crcs,
                in.slice(count * BlockDevice.BLOCK_BYTES),
                atomic);
    }

    private static void encodeSnapshots(CreateSnapshots c, ByteBuffer dst) {
        if (c.targets().size() > MAX_TARGETS) {
            throw new CisternException(
                    ErrorCode.INVALID,
                    c.targets().size() + " snapshots at once: at most " + MAX_TARGETS);
        }
        dst.putShort((short) c.targets().size());
        for (Target t : c.targets()) {
            Bytes.putString(dst.putLong(t.volume()), t.snapshot());
        }
        dst.putLong(c.timeMillis());
    }

    private static CreateSnapshots decodeSnapshots(Bytes in) {
        int count = in.u16();
        if (count > MAX_TARGETS) {
            throw in.bad(count + " targets");
        }
        List<Target> targets = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            targets.add(new Target(in.i64(), in.string()));
        }
        return new CreateSnapshots(List.copyOf(targets), in.i64());
    }

    static void putOrigin(ByteBuffer dst, Origin origin) {
        dst.putLong(origin.attachment()).putLong(origin.seq()).putLong(origin.doneBelow());
    }

    static Origin origin(Bytes in) {
        return new Origin(in.i64(), in.i64(), in.i64());
    }

    private static Origin anyGuard(Bytes in) {
        Origin origin = new Origin(in.i64(), in.i64(), in.i64(), in.i64());
        if (origin.guard() < GuardedDevice.NO_GUARD) {
            throw in.bad("guard " + origin.guard());
        }
        return origin;
    }

    private static Origin guarded(Bytes in) {
        Origin origin = anyGuard(in);
        if (!origin.guarded()) {
            throw in.bad("a guard is missing");
        }
        return origin;
    }

    static ByteBuffer putLimits(ByteBuffer dst, Limits limits) {
        return dst.putLong(limits.iops()).putLong(limits.bytesPerSecond());
    }

    static Limits limits(Bytes in) {
        return new Limits(in.i64(), in.i64());
    }

    static AttachMode mode(Bytes in) {
        int mode = in.u8();
        AttachMode[] all = AttachMode.values();
        if (mode >= all.length) {
            throw in.bad("attach mode " + mode);
        }
        return all[mode];
    }

    /// An offset or a length: whole blocks, not negative, a length not 0.
    private static long blocks(Bytes in, boolean zeroAllowed) {
        long bytes = in.i64();
        if (bytes < (zeroAllowed ? 0 : 1) || bytes % BlockDevice.BLOCK_BYTES != 0) {
            throw in.bad("range of " + bytes);
        }
        return bytes;
    }
}
