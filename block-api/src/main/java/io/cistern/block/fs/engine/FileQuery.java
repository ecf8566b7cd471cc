package io.cistern.block.fs.engine;

import io.cistern.block.ErrorCode;
import io.cistern.block.fs.ByteString;
import io.cistern.block.fs.Call.OnceId;
import io.cistern.block.fs.Credentials;
import io.cistern.block.fs.FileId;
import io.cistern.block.fs.FileSystem;
import java.nio.ByteBuffer;

/// A read; see the method of the same name of [FileSystem]. What the reply's places mean is with
/// each.
///
/// ```
/// query := version:u8 (1) kind:u8 credentials fields       as in the record, see FileRequest
/// ```
public sealed interface FileQuery {
    /// On whose behalf.
    Credentials who();

    /// Reply: file, directory.
    record Lookup(Credentials who, FileId directory, ByteString name) implements FileQuery {}

    /// Reply: [end, verifier], directory, entries.
    record ListEntries(
            Credentials who,
            FileId directory,
            long cookie,
            long verifier,
            int max,
            boolean attributes)
            implements FileQuery {}

    /// Reply: file.
    record Attrs(Credentials who, FileId file) implements FileQuery {}

    /// Reply: [read, write, execute].
    record Access(Credentials who, FileId file) implements FileQuery {}

    /// Reply: data.
    record Readlink(Credentials who, FileId file) implements FileQuery {}

    /// Reply: data.
    record Xattr(Credentials who, FileId file, ByteString name) implements FileQuery {}

    /// Reply: entries (names).
    record Xattrs(Credentials who, FileId file, ByteString after, int max) implements FileQuery {}

    /// Reply: [end], file, data.
    record Read(Credentials who, FileId file, long offset, int length) implements FileQuery {}

    /// Reply: [offset].
    record Seek(Credentials who, FileId file, long offset, boolean data) implements FileQuery {}

    /// Reply: [quota, used bytes, inodes, 1 if there is cleaning to do], data: settings. A replica
    /// appends [bytes of its disk, bytes free there].
    record Space(Credentials who) implements FileQuery {}

    /// Reply: entries (name, snapshot root, created).
    record Snapshots(Credentials who) implements FileQuery {}

    /// Reply: [found], data.
    record State(Credentials who, ByteString key) implements FileQuery {}

    /// Reply: data: (key:bytes value:bytes)*.
    record States(Credentials who, ByteString prefix, ByteString after, int max)
            implements FileQuery {}

    /// Reply: [found].
    record Once(Credentials who, OnceId id) implements FileQuery {}

    int VERSION = 1;

    default ByteBuffer encode() {
        ByteWriter out = new ByteWriter();
        out.u8(VERSION).u8(code());
        FileRequest.put(out, who());
        switch (this) {
            case Lookup q -> out.id(q.directory).bytes(q.name);
            case ListEntries q ->
                    out.id(q.directory).i64(q.cookie).i64(q.verifier).i32(q.max).flag(q.attributes);
            case Attrs q -> out.id(q.file);
            case Access q -> out.id(q.file);
            case Readlink q -> out.id(q.file);
            case Xattr q -> out.id(q.file).bytes(q.name);
            case Xattrs q -> out.id(q.file).bytes(q.after).i32(q.max);
            case Read q -> out.id(q.file).i64(q.offset).i32(q.length);
            case Seek q -> out.id(q.file).i64(q.offset).flag(q.data);
            case Space q -> {}
            case Snapshots q -> {}
            case State q -> out.bytes(q.key);
            case States q -> out.bytes(q.prefix).bytes(q.after).i32(q.max);
            case Once q ->
                    out.i64(q.id.client()).i32(q.id.slot()).i32(q.id.sequence()).i32(q.id.index());
        }
        return out.buffer();
    }

    private int code() {
        return switch (this) {
            case Lookup q -> 1;
            case ListEntries q -> 2;
            case Attrs q -> 3;
            case Access q -> 4;
            case Readlink q -> 5;
            case Xattr q -> 6;
            case Xattrs q -> 7;
            case Read q -> 8;
            case Seek q -> 9;
            case Space q -> 10;
            case Snapshots q -> 11;
            case State q -> 12;
            case States q -> 13;
            case Once q -> 14;
        };
    }

    /// @throws io.cistern.block.CisternException INVALID: not a query
    static FileQuery decode(ByteBuffer src) {
        ByteReader in = new ByteReader(src, "file system query", ErrorCode.INVALID);
        in.version(VERSION);
        int code = in.u8();
        Credentials who = FileRequest.credentials(in);
        FileQuery query = decode(code, who, in);
        in.end();
        return query;
    }

    private static FileQuery decode(int code, Credentials who, ByteReader in) {
        int name = FileSystem.MAX_NAME_BYTES;
        return switch (code) {
            case 1 -> new Lookup(who, in.id(), in.bytes(name));
            case 2 ->
                    new ListEntries(
                            who,
                            in.id(),
                            in.i64(),
                            in.i64(),
                            in.count(FileSystem.MAX_LISTED),
                            in.flag());
            case 3 -> new Attrs(who, in.id());
            case 4 -> new Access(who, in.id());
            case 5 -> new Readlink(who, in.id());
            case 6 -> new Xattr(who, in.id(), in.bytes(name));
            case 7 -> new Xattrs(who, in.id(), in.bytes(name), in.count(FileSystem.MAX_LISTED));
            case 8 -> new Read(who, in.id(), in.i64(), in.count(FileSystem.MAX_IO_BYTES));
            case 9 -> new Seek(who, in.id(), in.i64(), in.flag());
            case 10 -> new Space(who);
            case 11 -> new Snapshots(who);
            case 12 -> new State(who, in.bytes(FileSystem.MAX_STATE_KEY_BYTES));
            case 13 ->
                    new States(
                            who,
                            in.bytes(FileSystem.MAX_STATE_KEY_BYTES),
                            in.bytes(FileSystem.MAX_STATE_KEY_BYTES),
                            in.count(FileSystem.MAX_LISTED));
            case 14 -> new Once(who, new OnceId(in.i64(), in.i32(), in.i32(), in.i32()));
            default -> throw in.bad("kind " + code);
        };
    }
}
