package io.cistern.block.fs.engine;

import io.cistern.block.ErrorCode;
import io.cistern.block.fs.ByteString;
import io.cistern.block.fs.Call;
import io.cistern.block.fs.Call.Hold;
import io.cistern.block.fs.Call.OnceId;
import io.cistern.block.fs.Call.StateChange;
import io.cistern.block.fs.CreateMode;
import io.cistern.block.fs.Credentials;
import io.cistern.block.fs.FileId;
import io.cistern.block.fs.FileSystem;
import io.cistern.block.fs.FileType;
import io.cistern.block.fs.SetAttributes;
import io.cistern.block.fs.SetAttributes.SetTime;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// A change with its call, as it stands in messages and log entries.
///
/// ```
/// request     := version:u8 (1) op:u8 time:i64 credentials once state holds body
/// credentials := uid:u32 gid:u32 opened:u8 groups:u32 (gid:u32)[groups]
/// once        := present:u8 [client:i64 slot:u32 sequence:u32 index:u8]
/// state       := count:u32 (key:bytes value:optional bytes)[count]
/// holds       := count:u32 (hasFile:u8 [file] client:i64 open:i64 begin:u8)[count]
/// file        := snapshot:i64 inode:i64 generation:u32
/// bytes       := length:u32 byte[length]               optional T := present:u8 [T]
/// set         := optional mode:u32, uid:u32, gid:u32, optional size:i64, time, time
/// time        := 0:u8 | 1:u8 nanos:i64 | 2:u8          unchanged, that time, the leader's
/// 1 Make       := directory:file name:bytes type:u8 how:u8 [verifier:i64 where how is 2] set
///                 target:bytes major:u32 minor:u32
/// 2 Link       := file directory:file name:bytes
/// 3 Remove     := directory:file name:bytes isDirectory:u8
/// 4 Rename     := from:file name:bytes to:file name:bytes
/// 5 SetAttr    := file set guardCtime:optional i64
/// 6 SetXattr   := file name:bytes value:optional bytes mustExist:u8 (0 no, 1 yes, 2 either)
/// 7 Write      := file offset:i64 length:u32
/// 8 Allocate   := file offset:i64 length:i64
/// 9 Deallocate := file offset:i64 length:i64
/// 10 Touch     :=
/// 11 Forget    := client:i64
/// 12 Clean     :=
/// 13 Format    := quota:i64
/// 14 Configure := quota:optional i64 settings:optional bytes
/// ```
///
/// @param timeNanos stamped by the leader
public record FileRequest(FileOp op, Call call, long timeNanos) {
    private static final int VERSION = 1;
    private static final int TIME_AT = 2;

    public FileRequest(FileOp op, Call call) {
        this(op, call, 0);
    }

    /// Puts a time into an encoded request.
    public static void stamp(ByteBuffer encoded, long timeNanos) {
        encoded.putLong(encoded.position() + TIME_AT, timeNanos);
    }

    public ByteBuffer encode() {
        ByteWriter out = new ByteWriter();
        out.u8(VERSION).u8(code()).i64(timeNanos);
        put(out, call.who());
        OnceId once = call.once();
        out.flag(once != null);
        if (once != null) {
            out.i64(once.client()).i32(once.slot()).i32(once.sequence()).u8(once.index());
        }
        out.i32(call.state().size());
        for (StateChange s : call.state()) {
            out.bytes(s.key()).optional(s.value());
        }
        out.i32(call.holds().size());
        for (Hold h : call.holds()) {
            FileId file = h.file();
            out.flag(file != null);
            if (file != null) {
                out.id(file);
            }
            out.i64(h.client()).i64(h.open()).flag(h.begin());
        }
        body(out);
        return out.buffer();
    }

    static void put(ByteWriter out, Credentials who) {
        out.i32(who.uid()).i32(who.gid()).flag(who.opened()).i32(who.groups().size());
        who.groups().forEach(out::i32);
    }

    static Credentials credentials(ByteReader in) {
        int uid = in.i32();
        int gid = in.i32();
        boolean opened = in.flag();
        int count = in.count(Credentials.MAX_GROUPS);
        List<Integer> groups = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            groups.add(in.i32());
        }
        return new Credentials(uid, gid, groups, opened);
    }

    private int code() {
        return switch (op) {
            case FileOp.Make o -> 1;
            case FileOp.Link o -> 2;
            case FileOp.Remove o -> 3;
            case FileOp.Rename o -> 4;
            case FileOp.SetAttr o -> 5;
            case FileOp.SetXattr o -> 6;
            case FileOp.Write o -> 7;
            case FileOp.Allocate o -> 8;
            case FileOp.Deallocate o -> 9;
            case FileOp.Touch o -> 10;
            case FileOp.Forget o -> 11;
            case FileOp.Clean o -> 12;
            case FileOp.Format o -> 13;
            case FileOp.Configure o -> 14;
        };
    }

    private void body(ByteWriter out) {
        switch (op) {
            case FileOp.Make o -> {
                out.id(o.directory()).bytes(o.name()).u8(o.type().ordinal());
                switch (o.how()) {
                    case CreateMode.Unchecked m -> out.u8(0);
                    case CreateMode.Guarded m -> out.u8(1);
                    case CreateMode.Exclusive m -> out.u8(2).i64(m.verifier());
                }
                put(out, o.set());
                out.bytes(o.target()).i32(o.major()).i32(o.minor());
            }
            case FileOp.Link o -> out.id(o.file()).id(o.directory()).bytes(o.name());
            case FileOp.Remove o -> out.id(o.directory()).bytes(o.name()).flag(o.isDirectory());
            case FileOp.Rename o ->
                    out.id(o.fromDirectory())
                            .bytes(o.fromName())
                            .id(o.toDirectory())
                            .bytes(o.toName());
            case FileOp.SetAttr o -> {
                put(out.id(o.file()), o.set());
                out.optional(o.guardCtime());
            }
            case FileOp.SetXattr o -> {
                Boolean must = o.mustExist();
                out.id(o.file()).bytes(o.name()).optional(o.value());
                out.u8(must == null ? 2 : must ? 1 : 0);
            }
            case FileOp.Write o -> out.id(o.file()).i64(o.offset()).i32(o.length());
            case FileOp.Allocate o -> out.id(o.file()).i64(o.offset()).i64(o.length());
            case FileOp.Deallocate o -> out.id(o.file()).i64(o.offset()).i64(o.length());
            case FileOp.Touch o -> {}
            case FileOp.Forget o -> out.i64(o.client());
            case FileOp.Clean o -> {}
            case FileOp.Format o -> out.i64(o.quotaBytes());
            case FileOp.Configure o -> out.optional(o.quotaBytes()).optional(o.settings());
        }
    }

    private static void put(ByteWriter out, SetAttributes set) {
        out.optional(set.mode()).optional(set.uid()).optional(set.gid()).optional(set.size());
        put(out, set.atime());
        put(out, set.mtime());
    }

    private static void put(ByteWriter out, @Nullable SetTime time) {
        Long nanos = time == null ? null : time.nanos();
        out.u8(time == null ? 0 : nanos == null ? 2 : 1);
        if (nanos != null) {
            out.i64(nanos);
        }
    }

    /// @throws io.cistern.block.CisternException INVALID: not a request
    public static FileRequest decode(ByteBuffer src) {
        ByteReader in = new ByteReader(src, "file system request", ErrorCode.INVALID);
        in.version(VERSION);
        int code = in.u8();
        long time = in.i64();
        Credentials who = credentials(in);
        OnceId once = in.flag() ? new OnceId(in.i64(), in.i32(), in.i32(), in.u8()) : null;
        int states = in.count(FileSystem.MAX_STATE_CHANGE_BYTES);
        List<StateChange> state = new ArrayList<>();
        for (int i = 0; i < states; i++) {
            state.add(
                    new StateChange(
                            in.bytes(FileSystem.MAX_STATE_KEY_BYTES),
                            in.optionalBytes(FileSystem.MAX_STATE_VALUE_BYTES)));
        }
        int count = in.count(FileSystem.MAX_HOLDS_PER_CALL);
        List<Hold> holds = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            FileId file = in.flag() ? in.id() : null;
            holds.add(new Hold(file, in.i64(), in.i64(), in.flag()));
        }
        FileRequest request =
                new FileRequest(body(code, in), new Call(who, once, state, holds), time);
        in.end();
        return request;
    }

    private static FileOp body(int code, ByteReader in) {
        return switch (code) {
            case 1 ->
                    new FileOp.Make(
                            in.id(),
                            name(in),
                            in.choice(FileType.values()),
                            how(in),
                            set(in),
                            in.bytes(FileSystem.MAX_SYMLINK_BYTES),
                            in.i32(),
                            in.i32());
            case 2 -> new FileOp.Link(in.id(), in.id(), name(in));
            case 3 -> new FileOp.Remove(in.id(), name(in), in.flag());
            case 4 -> new FileOp.Rename(in.id(), name(in), in.id(), name(in));
            case 5 -> new FileOp.SetAttr(in.id(), set(in), in.optionalLong());
            case 6 ->
                    new FileOp.SetXattr(
                            in.id(),
                            name(in),
                            in.optionalBytes(FileSystem.MAX_XATTR_BYTES),
                            mustExist(in));
            case 7 -> new FileOp.Write(in.id(), in.i64(), in.count(FileSystem.MAX_IO_BYTES));
            case 8 -> new FileOp.Allocate(in.id(), in.i64(), in.i64());
            case 9 -> new FileOp.Deallocate(in.id(), in.i64(), in.i64());
            case 10 -> new FileOp.Touch();
            case 11 -> new FileOp.Forget(in.i64());
            case 12 -> new FileOp.Clean();
            case 13 -> new FileOp.Format(in.i64());
            case 14 ->
                    new FileOp.Configure(
                            in.optionalLong(), in.optionalBytes(FileOp.MAX_SETTINGS_BYTES));
            default -> throw in.bad("operation " + code);
        };
    }

    private static ByteString name(ByteReader in) {
        return in.bytes(FileSystem.MAX_NAME_BYTES);
    }

    private static @Nullable Boolean mustExist(ByteReader in) {
        int value = in.u8();
        if (value > 2) {
            throw in.bad("choice " + value);
        }
        return value == 2 ? null : (Boolean) (value == 1);
    }

    private static CreateMode how(ByteReader in) {
        int how = in.u8();
        return switch (how) {
            case 0 -> CreateMode.UNCHECKED;
            case 1 -> CreateMode.GUARDED;
            case 2 -> new CreateMode.Exclusive(in.i64());
            default -> throw in.bad("way to create " + how);
        };
    }

    private static SetAttributes set(ByteReader in) {
        return new SetAttributes(
                in.optionalInt(),
                in.optionalInt(),
                in.optionalInt(),
                in.optionalLong(),
                time(in),
                time(in));
    }

    private static @Nullable SetTime time(ByteReader in) {
        int kind = in.u8();
        return switch (kind) {
            case 0 -> null;
            case 1 -> SetTime.to(in.i64());
            case 2 -> SetTime.SERVER;
            default -> throw in.bad("kind of time " + kind);
        };
    }
}
