package io.cistern.block.fs.engine;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.fs.Attributes;
import io.cistern.block.fs.ByteString;
import io.cistern.block.fs.Call;
import io.cistern.block.fs.Call.OnceId;
import io.cistern.block.fs.CreateMode;
import io.cistern.block.fs.Credentials;
import io.cistern.block.fs.FileError;
import io.cistern.block.fs.FileException;
import io.cistern.block.fs.FileId;
import io.cistern.block.fs.FileResults.Changed;
import io.cistern.block.fs.FileResults.Copied;
import io.cistern.block.fs.FileResults.Created;
import io.cistern.block.fs.FileResults.Data;
import io.cistern.block.fs.FileResults.Entry;
import io.cistern.block.fs.FileResults.Found;
import io.cistern.block.fs.FileResults.Linked;
import io.cistern.block.fs.FileResults.Listing;
import io.cistern.block.fs.FileResults.Removed;
import io.cistern.block.fs.FileResults.Renamed;
import io.cistern.block.fs.FileResults.Rights;
import io.cistern.block.fs.FileResults.SnapshotView;
import io.cistern.block.fs.FileResults.Space;
import io.cistern.block.fs.FileResults.StateEntry;
import io.cistern.block.fs.FileResults.Written;
import io.cistern.block.fs.FileSystem;
import io.cistern.block.fs.FileType;
import io.cistern.block.fs.SetAttributes;
import io.cistern.block.fs.WouldBlockException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// The [FileSystem] that asks an engine, wherever that is: turns calls into requests and queries,
/// and replies into results.
public abstract class EngineFileSystem implements FileSystem {
    /// Indexes of changes that callers use end here; those above are for the second half of a call
    /// that takes two.
    private static final int SECOND_HALF = 32;

    /// Has the engine make a change.
    ///
    /// @param data of a write, else null; belongs to the engine until the future completes
    protected abstract CompletableFuture<Reply> change(
            FileRequest request, @Nullable ByteBuffer data);

    /// Has the engine answer a query.
    protected abstract CompletableFuture<Reply> ask(FileQuery query);

    /// As [#ask] where that needs no network, no disk access and no waiting; null otherwise.
    ///
    /// @param into for the bytes that a read finds, see [Queries#answer]
    protected @Nullable Reply tryAsk(FileQuery query, @Nullable ByteBuffer into) {
        return null;
    }

    @Override
    public FileSystem atOnce() {
        return new AtOnce(this);
    }

    /// What needs no waiting.
    private static final class AtOnce extends EngineFileSystem {
        private final EngineFileSystem whole;

        AtOnce(EngineFileSystem whole) {
            this.whole = whole;
        }

        @Override
        protected CompletableFuture<Reply> change(FileRequest request, @Nullable ByteBuffer data) {
            throw WouldBlockException.INSTANCE;
        }

        @Override
        protected CompletableFuture<Reply> ask(FileQuery query) {
            throw WouldBlockException.INSTANCE;
        }

        @Override
        protected @Nullable Reply tryAsk(FileQuery query, @Nullable ByteBuffer into) {
            return whole.tryAsk(query, into);
        }

        @Override
        public FileSystem atOnce() {
            return this;
        }

        @Override
        public long owner() {
            return whole.owner();
        }

        @Override
        public boolean readOnly() {
            return whole.readOnly();
        }

        @Override
        public CompletableFuture<Space> space() {
            throw WouldBlockException.INSTANCE;
        }

        @Override
        public void close() {}
    }

    private CompletableFuture<Reply> request(Call call, FileOp op) {
        return request(call, op, null);
    }

    private CompletableFuture<Reply> request(Call call, FileOp op, @Nullable ByteBuffer data) {
        OnceId once = call.once();
        if (once != null && (once.index() < 0 || once.index() > MAX_ONCE_INDEX)) {
            return refused(FileError.INVALID, "change " + once.index() + " of one request");
        }
        return change(new FileRequest(op, call), data)
                .handle((reply, failed) -> {
                    if (reply == null) {
                        throw full(failed);
                    }
                    return reply.accepted();
                });
    }

    /// A full pool is a refusal like others.
    private static RuntimeException full(@Nullable Throwable failed) {
        CisternException known = CisternException.of(Objects.requireNonNull(failed));
        return known.code() == ErrorCode.NO_SPACE
                ? new FileException(FileError.NO_SPACE, String.valueOf(known.getMessage()))
                : known;
    }

    private CompletableFuture<Reply> query(FileQuery query) {
        return query(query, null);
    }

    private CompletableFuture<Reply> query(FileQuery query, @Nullable ByteBuffer into) {
        Reply now = tryAsk(query, into);
        if (now == null) {
            return ask(query).thenApply(Reply::accepted);
        }
        FileError refusal = now.error();
        return refusal == null
                ? CompletableFuture.completedFuture(now)
                : refused(refusal, now.message());
    }

    private static <T> CompletableFuture<T> refused(FileError error, String message) {
        return CompletableFuture.failedFuture(new FileException(error, message));
    }

    /// Runs `task` unless a name is too long to be sent.
    private static <T> CompletableFuture<T> named(
            Supplier<CompletableFuture<T>> task, ByteString... names) {
        for (ByteString name : names) {
            if (name.length() > MAX_NAME_BYTES) {
                return refused(
                        FileError.NAME_TOO_LONG, "a name has at most " + MAX_NAME_BYTES + " bytes");
            }
        }
        return task.get();
    }

    private static Changed changed(Reply reply, int at) {
        return new Changed(reply.attributes(at), reply.attributes(at + 1));
    }

    // ---- names

    @Override
    public CompletableFuture<Found> lookup(Credentials who, FileId directory, ByteString name) {
        return named(
                () ->
                        query(new FileQuery.Lookup(who, directory, name))
                                .thenApply(r -> new Found(r.attributes(0), r.attributes(1))),
                name);
    }

    @Override
    public CompletableFuture<Listing> list(
            Credentials who,
            FileId directory,
            long cookie,
            long verifier,
            int max,
            boolean attributes) {
        int most = Math.clamp(max, 1, MAX_LISTED);
        return query(new FileQuery.ListEntries(who, directory, cookie, verifier, most, attributes))
                .thenApply(r ->
                        new Listing(r.entries(), r.value(0) == 1, r.value(1), r.attributes(0)));
    }

    @Override
    public CompletableFuture<Created> create(
            Call call, FileId directory, ByteString name, CreateMode mode, SetAttributes set) {
        return make(
                        call,
                        new FileOp.Make(
                                directory,
                                name,
                                FileType.REGULAR,
                                mode,
                                set,
                                ByteString.EMPTY,
                                0,
                                0))
                .thenCompose(made -> cut(call, made, mode, set));
    }

    /// Gives a file that existed the size that was asked for.
    private CompletableFuture<Created> cut(
            Call call, Created made, CreateMode mode, SetAttributes set) {
        Long size = set.size();
        if (made.isNew() || size == null || !(mode instanceof CreateMode.Unchecked)) {
            return CompletableFuture.completedFuture(made);
        }
        OnceId once = call.once();
        OnceId second =
                once == null
                        ? null
                        : new OnceId(
                                once.client(),
                                once.slot(),
                                once.sequence(),
                                once.index() | SECOND_HALF);
        Call again = new Call(call.who(), second, List.of(), List.of());
        return resize(again, made.file().id(), SetAttributes.ofSize(size), null)
                .thenApply(c -> new Created(c.after(), false, made.directory()));
    }

    private CompletableFuture<Created> make(Call call, FileOp.Make op) {
        if (op.target().length() > MAX_SYMLINK_BYTES) {
            return refused(
                    FileError.NAME_TOO_LONG,
                    "a symbolic link has at most " + MAX_SYMLINK_BYTES + " bytes");
        }
        return named(
                () ->
                        request(call, op)
                                .thenApply(r ->
                                        new Created(
                                                r.attributes(0), r.value(0) == 1, changed(r, 1))),
                op.name());
    }

    @Override
    public CompletableFuture<Created> mkdir(
            Call call, FileId directory, ByteString name, SetAttributes set) {
        return mknod(call, directory, name, FileType.DIRECTORY, 0, 0, set);
    }

    @Override
    public CompletableFuture<Created> symlink(
            Call call, FileId directory, ByteString name, ByteString target, SetAttributes set) {
        return make(
                call,
                new FileOp.Make(
                        directory, name, FileType.SYMLINK, CreateMode.GUARDED, set, target, 0, 0));
    }

    @Override
    public CompletableFuture<Created> mknod(
            Call call,
            FileId directory,
            ByteString name,
            FileType type,
            int deviceMajor,
            int deviceMinor,
            SetAttributes set) {
        return make(
                call,
                new FileOp.Make(
                        directory,
                        name,
                        type,
                        CreateMode.GUARDED,
                        set,
                        ByteString.EMPTY,
                        deviceMajor,
                        deviceMinor));
    }

    @Override
    public CompletableFuture<Linked> link(
            Call call, FileId file, FileId directory, ByteString name) {
        return named(
                () ->
                        request(call, new FileOp.Link(file, directory, name))
                                .thenApply(r -> new Linked(r.attributes(0), changed(r, 1))),
                name);
    }

    @Override
    public CompletableFuture<Removed> remove(Call call, FileId directory, ByteString name) {
        return remove(call, new FileOp.Remove(directory, name, false));
    }

    @Override
    public CompletableFuture<Removed> rmdir(Call call, FileId directory, ByteString name) {
        return remove(call, new FileOp.Remove(directory, name, true));
    }

    private CompletableFuture<Removed> remove(Call call, FileOp.Remove op) {
        return named(
                () -> request(call, op).thenApply(r -> new Removed(r.attributes(0), changed(r, 1))),
                op.name());
    }

    @Override
    public CompletableFuture<Renamed> rename(
            Call call,
            FileId fromDirectory,
            ByteString fromName,
            FileId toDirectory,
            ByteString toName) {
        if (fromDirectory.snapshot() != toDirectory.snapshot()) {
            return refused(FileError.CROSS_DEVICE, "a snapshot cannot be moved out of or into");
        }
        return named(
                () ->
                        request(
                                        call,
                                        new FileOp.Rename(
                                                fromDirectory, fromName, toDirectory, toName))
                                .thenApply(r ->
                                        new Renamed(
                                                r.attributes(0),
                                                r.maybe(1),
                                                changed(r, 2),
                                                changed(r, 4))),
                fromName,
                toName);
    }

    // ---- attributes

    @Override
    public CompletableFuture<Attributes> attributes(FileId file) {
        return query(new FileQuery.Attrs(Credentials.ROOT, file)).thenApply(r -> r.attributes(0));
    }

    @Override
    public CompletableFuture<Changed> setAttributes(
            Call call, FileId file, SetAttributes set, @Nullable Long guardCtimeNanos) {
        return resize(call, file, set, guardCtimeNanos);
    }

    /// Sets attributes; a size in as many steps as it takes.
    private CompletableFuture<Changed> resize(
            Call call, FileId file, SetAttributes set, @Nullable Long guard) {
        return request(call, new FileOp.SetAttr(file, set, guard))
                .thenCompose(r -> {
                    Changed first = changed(r, 0);
                    Long size = set.size();
                    if (r.value(0) == 0 || size == null) {
                        return CompletableFuture.completedFuture(first);
                    }
                    return resize(
                                    Call.of(call.who().asOpened()),
                                    file,
                                    SetAttributes.ofSize(size),
                                    null)
                            .thenApply(last -> new Changed(first.before(), last.after()));
                });
    }

    @Override
    public CompletableFuture<Rights> access(Credentials who, FileId file) {
        return query(new FileQuery.Access(who, file))
                .thenApply(r -> new Rights(r.value(0) == 1, r.value(1) == 1, r.value(2) == 1));
    }

    @Override
    public CompletableFuture<ByteString> readlink(FileId file) {
        return query(new FileQuery.Readlink(Credentials.ROOT, file))
                .thenApply(r -> ByteString.copyOf(r.data()));
    }

    @Override
    public CompletableFuture<ByteString> xattr(Credentials who, FileId file, ByteString name) {
        return named(
                () ->
                        query(new FileQuery.Xattr(who, file, name))
                                .thenApply(r -> ByteString.copyOf(r.data())),
                name);
    }

    @Override
    public CompletableFuture<List<ByteString>> xattrs(
            Credentials who, FileId file, ByteString after, int max) {
        int most = Math.clamp(max, 1, MAX_LISTED);
        return named(
                () ->
                        query(new FileQuery.Xattrs(who, file, after, most))
                                .thenApply(r -> r.entries().stream().map(Entry::name).toList()),
                after);
    }

    @Override
    public CompletableFuture<Changed> setXattr(
            Call call,
            FileId file,
            ByteString name,
            ByteString value,
            @Nullable Boolean mustExist) {
        if (value.length() > MAX_XATTR_BYTES) {
            return refused(
                    FileError.ATTRIBUTE_TOO_LARGE,
                    "an attribute has at most " + MAX_XATTR_BYTES + " bytes");
        }
        return xattr(call, new FileOp.SetXattr(file, name, value, mustExist));
    }

    @Override
    public CompletableFuture<Changed> removeXattr(Call call, FileId file, ByteString name) {
        return xattr(call, new FileOp.SetXattr(file, name, null, null));
    }

    private CompletableFuture<Changed> xattr(Call call, FileOp.SetXattr op) {
        return named(() -> request(call, op).thenApply(r -> changed(r, 0)), op.name());
    }

    // ---- data

    @Override
    public CompletableFuture<Data> read(Credentials who, FileId file, long offset, int length) {
        int most = Math.clamp(length, 0, MAX_IO_BYTES);
        return read(new FileQuery.Read(who, file, offset, most), null);
    }

    @Override
    public CompletableFuture<Data> read(
            Credentials who, FileId file, long offset, ByteBuffer into) {
        int most = Math.min(into.remaining(), MAX_IO_BYTES);
        return read(new FileQuery.Read(who, file, offset, most), into);
    }

    private CompletableFuture<Data> read(FileQuery.Read query, @Nullable ByteBuffer into) {
        return query(query, into)
                .thenApply(r -> new Data(r.data(), r.value(0) == 1, r.attributes(0)));
    }

    @Override
    public CompletableFuture<Written> write(Call call, FileId file, long offset, ByteBuffer data) {
        int length = data.remaining();
        if (length > MAX_IO_BYTES) {
            return refused(
                    FileError.INVALID, "a write of " + length + " bytes: at most " + MAX_IO_BYTES);
        }
        return request(call, new FileOp.Write(file, offset, length), data.slice())
                .thenApply(r -> new Written((int) r.value(0), changed(r, 0)));
    }

    @Override
    public CompletableFuture<Attributes> commit(FileId file) {
        return attributes(file);
    }

    @Override
    public CompletableFuture<Changed> allocate(Call call, FileId file, long offset, long length) {
        long part = Math.min(length, DataOps.MAX_ALLOCATED);
        return request(call, new FileOp.Allocate(file, offset, part))
                .thenCompose(r -> {
                    Changed first = changed(r, 0);
                    if (part == length) {
                        return CompletableFuture.completedFuture(first);
                    }
                    Call next = Call.of(call.who());
                    return allocate(next, file, offset + part, length - part)
                            .thenApply(last -> new Changed(first.before(), last.after()));
                });
    }

    @Override
    public CompletableFuture<Changed> deallocate(Call call, FileId file, long offset, long length) {
        return request(call, new FileOp.Deallocate(file, offset, length))
                .thenCompose(r -> {
                    Changed first = changed(r, 0);
                    long reached = r.value(0);
                    if (reached >= offset + length) {
                        return CompletableFuture.completedFuture(first);
                    }
                    Call next = Call.of(call.who());
                    return deallocate(next, file, reached, offset + length - reached)
                            .thenApply(last -> new Changed(first.before(), last.after()));
                });
    }

    @Override
    public CompletableFuture<Long> seek(Credentials who, FileId file, long offset, boolean data) {
        return query(new FileQuery.Seek(who, file, offset, data)).thenApply(r -> r.value(0));
    }

    @Override
    public CompletableFuture<Copied> copy(
            Call call, FileId from, long fromOffset, FileId to, long toOffset, long length) {
        if (from.snapshot() == to.snapshot()
                && from.inode() == to.inode()
                && fromOffset < toOffset + length
                && toOffset < fromOffset + length) {
            return refused(FileError.INVALID, "the ranges overlap");
        }
        int part = (int) Math.clamp(length, 0, MAX_IO_BYTES);
        return read(call.who(), from, fromOffset, part)
                .thenCompose(data ->
                        write(call, to, toOffset, data.bytes())
                                .thenApply(w -> new Copied(w.count(), w.file())));
    }

    // ---- the share

    @Override
    public CompletableFuture<List<SnapshotView>> snapshots() {
        return query(new FileQuery.Snapshots(Credentials.ROOT))
                .thenApply(r ->
                        r.entries().stream()
                                .map(e ->
                                        new SnapshotView(e.name(), e.file().snapshot(), e.cookie()))
                                .toList());
    }

    /// The values of a [FileQuery.Space]'s reply.
    protected CompletableFuture<List<Long>> shareSpace() {
        return query(new FileQuery.Space(Credentials.ROOT)).thenApply(Reply::values);
    }

    /// Frees some of what files that have ended left behind. True if there is more.
    public CompletableFuture<Boolean> clean() {
        return request(Call.of(Credentials.ROOT), new FileOp.Clean())
                .thenApply(r -> r.value(0) == 1);
    }

    // ---- state

    @Override
    public CompletableFuture<Void> change(Call call) {
        return request(call, new FileOp.Touch()).thenApply(r -> null);
    }

    @Override
    public CompletableFuture<@Nullable ByteString> state(ByteString key) {
        if (key.length() > MAX_STATE_KEY_BYTES) {
            return refused(FileError.LIMIT, "a key has at most " + MAX_STATE_KEY_BYTES + " bytes");
        }
        return query(new FileQuery.State(Credentials.ROOT, key))
                .thenApply(r -> r.value(0) == 1 ? ByteString.copyOf(r.data()) : null);
    }

    @Override
    public CompletableFuture<List<StateEntry>> states(
            ByteString prefix, ByteString after, int max) {
        int most = Math.clamp(max, 1, MAX_LISTED);
        return query(new FileQuery.States(Credentials.ROOT, prefix, after, most))
                .thenApply(r -> entries(r.data()));
    }

    @Override
    public CompletableFuture<Boolean> remembered(OnceId once) {
        return query(new FileQuery.Once(Credentials.ROOT, once)).thenApply(r -> r.value(0) == 1);
    }

    private static List<StateEntry> entries(ByteBuffer data) {
        ByteReader in = new ByteReader(data, "list of state", ErrorCode.INVALID);
        List<StateEntry> entries = new ArrayList<>();
        int end = data.remaining();
        int at = 0;
        while (at < end) {
            ByteString key = in.bytes(MAX_STATE_KEY_BYTES);
            ByteString value = in.bytes(MAX_STATE_VALUE_BYTES);
            entries.add(new StateEntry(key, value));
            at += 8 + key.length() + value.length();
        }
        return entries;
    }

    @Override
    public CompletableFuture<Void> forgetClient(Call call, long client) {
        return request(call, new FileOp.Forget(client))
                .thenCompose(r ->
                        r.value(0) == 1
                                ? forgetClient(Call.of(call.who()), client)
                                : CompletableFuture.completedFuture(null));
    }

    /// For requests on a file system that was closed.
    protected static CisternException closed() {
        return new CisternException(ErrorCode.UNAVAILABLE, "the share was closed here");
    }
}
