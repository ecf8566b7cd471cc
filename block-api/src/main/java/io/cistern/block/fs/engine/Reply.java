package io.cistern.block.fs.engine;

import io.cistern.block.ErrorCode;
import io.cistern.block.fs.Attributes;
import io.cistern.block.fs.ByteString;
import io.cistern.block.fs.FileError;
import io.cistern.block.fs.FileException;
import io.cistern.block.fs.FileId;
import io.cistern.block.fs.FileResults.Entry;
import io.cistern.block.fs.FileSystem;
import io.cistern.block.fs.FileType;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// What came of a request, in one form for all of them: what the places in the lists mean is with
/// each request.
///
/// ```
/// reply      := version:u8 (1) error:u8 (0: done, else FileError's ordinal + 1) message:bytes
///               values:u32 (i64)[values] attributes:u32 (optional attributes)[attributes]
///               entries:u32 (name:bytes file cookie:i64 optional attributes)[entries]
///               data (the rest)
/// attributes := file type:u8 parent:i64 mode:u16 links:u32 uid:u32 gid:u32 size:i64 used:i64
///               major:u32 minor:u32 atime:i64 mtime:i64 ctime:i64 btime:i64 change:i64
/// ```
public record Reply(
        @Nullable FileError error,
        String message,
        List<Long> values,
        List<@Nullable Attributes> attributes,
        List<Entry> entries,
        ByteBuffer data) {
    private static final int VERSION = 1;
    private static final int MAX_MESSAGE = 1024;
    private static final int MAX_ATTRIBUTES = 16;
    private static final ByteBuffer NO_DATA = ByteBuffer.allocate(0);

    static final Reply DONE = of(List.of());

    static Reply of(List<Long> values, @Nullable Attributes... attributes) {
        return new Reply(null, "", values, Arrays.asList(attributes.clone()), List.of(), NO_DATA);
    }

    static Reply of(@Nullable Attributes... attributes) {
        return of(List.of(), attributes);
    }

    static Reply refused(FileException e) {
        return new Reply(
                e.error(),
                String.valueOf(e.getMessage()),
                List.of(),
                List.of(),
                List.of(),
                NO_DATA);
    }

    /// The reply with more values behind those it has.
    public Reply append(Long... more) {
        List<Long> all = new ArrayList<>(values);
        all.addAll(Arrays.asList(more));
        return new Reply(error, message, List.copyOf(all), attributes, entries, data);
    }

    Reply with(ByteBuffer bytes) {
        return new Reply(error, message, values, attributes, entries, bytes);
    }

    Reply with(List<Entry> listed) {
        return new Reply(error, message, values, attributes, listed, data);
    }

    /// @throws FileException where it was refused
    Reply accepted() {
        FileError refusal = error;
        if (refusal != null) {
            throw new FileException(refusal, message);
        }
        return this;
    }

    long value(int at) {
        return values.get(at);
    }

    @Nullable Attributes maybe(int at) {
        return attributes.get(at);
    }

    Attributes attributes(int at) {
        Attributes found = attributes.get(at);
        if (found == null) {
            throw new IllegalStateException("reply without attributes " + at);
        }
        return found;
    }

    public ByteBuffer encode() {
        ByteWriter out = new ByteWriter();
        out.u8(VERSION).u8(error == null ? 0 : error.ordinal() + 1);
        out.bytes(ByteString.utf8(clip(message))).i32(values.size());
        values.forEach(out::i64);
        out.i32(attributes.size());
        attributes.forEach(a -> put(out, a));
        out.i32(entries.size());
        for (Entry e : entries) {
            out.bytes(e.name()).id(e.file()).i64(e.cookie());
            put(out, e.attributes());
        }
        return out.raw(data).buffer();
    }

    private static String clip(String text) {
        return text.length() > MAX_MESSAGE / 4 ? text.substring(0, MAX_MESSAGE / 4) : text;
    }

    private static void put(ByteWriter out, @Nullable Attributes a) {
        out.flag(a != null);
        if (a != null) {
            out.id(a.id()).u8(a.type().ordinal()).i64(a.parent()).u16(a.mode()).i32(a.links());
            out.i32(a.uid()).i32(a.gid()).i64(a.size()).i64(a.usedBytes());
            out.i32(a.deviceMajor()).i32(a.deviceMinor());
            out.i64(a.atimeNanos()).i64(a.mtimeNanos()).i64(a.ctimeNanos()).i64(a.btimeNanos());
            out.i64(a.change());
        }
    }

    private static @Nullable Attributes attributes(ByteReader in) {
        if (!in.flag()) {
            return null;
        }
        FileId id = in.id();
        FileType type = in.choice(FileType.values());
        return new Attributes(
                id, type, in.i64(), in.u16(), in.i32(), in.i32(), in.i32(), in.i64(), in.i64(),
                in.i32(), in.i32(), in.i64(), in.i64(), in.i64(), in.i64(), in.i64());
    }

    /// `data` is a slice of `src`, not a copy.
    ///
    /// @throws io.cistern.block.CisternException INVALID: not a reply
    public static Reply decode(ByteBuffer src) {
        ByteReader in = new ByteReader(src, "file system reply", ErrorCode.INVALID);
        in.version(VERSION);
        int code = in.u8();
        if (code > FileError.values().length) {
            throw in.bad("error " + code);
        }
        FileError error = code == 0 ? null : FileError.values()[code - 1];
        String message = in.bytes(MAX_MESSAGE).toString();
        int count = in.count(MAX_ATTRIBUTES);
        List<Long> values = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            values.add(in.i64());
        }
        count = in.count(MAX_ATTRIBUTES);
        List<@Nullable Attributes> attributes = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            attributes.add(attributes(in));
        }
        count = in.count(FileSystem.MAX_LISTED);
        List<Entry> entries = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            entries.add(
                    new Entry(
                            in.bytes(FileSystem.MAX_STATE_VALUE_BYTES),
                            in.id(),
                            in.i64(),
                            attributes(in)));
        }
        return new Reply(error, message, values, attributes, entries, in.rest());
    }
}
