package io.cistern.block.fs.engine;

import io.cistern.block.BlockDevice;
import io.cistern.block.fs.Attributes;
import io.cistern.block.fs.ByteString;
import io.cistern.block.fs.Call;
import io.cistern.block.fs.Credentials;
import io.cistern.block.fs.FileError;
import io.cistern.block.fs.FileException;
import io.cistern.block.fs.FileId;
import io.cistern.block.fs.FileResults.Entry;
import io.cistern.block.fs.FileResults.SnapshotView;
import io.cistern.block.fs.FileSystem;
import io.cistern.block.fs.FileType;
import io.cistern.block.fs.engine.Rows.RowCursor;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Answers reads. May block where the rows or blocks do.
public final class Queries {
    /// About where a list of entries or of state ends.
    private static final int MAX_REPLY_BYTES = 512 << 10;

    private static final int LISTED_BYTES = 192;
    private static final int SNAPSHOTS_MODE = 0555;

    private final Views views;

    public Queries(Views views) {
        this.views = views;
    }

    /// The answer; a refusal is an answer too.
    public Reply answer(FileQuery query) {
        return answer(query, null);
    }

    /// As [#answer(FileQuery)].
    ///
    /// @param into where a read's bytes go, if it is large enough: then it is the reply's data
    public Reply answer(FileQuery query, @Nullable ByteBuffer into) {
        try {
            return query instanceof FileQuery.Read read
                    ? new FileReads(views).read(read, into)
                    : views.still(() -> found(query));
        } catch (FileException refused) {
            return Reply.refused(refused);
        }
    }

    private Reply found(FileQuery query) {
        return switch (query) {
            case FileQuery.Lookup q -> lookup(q);
            case FileQuery.ListEntries q -> list(q);
            case FileQuery.Attrs q -> Reply.of(attributes(q.file()));
            case FileQuery.Access q -> access(q);
            case FileQuery.Readlink q -> readlink(q);
            case FileQuery.Xattr q -> xattr(q);
            case FileQuery.Xattrs q -> xattrs(q);
            case FileQuery.Seek q -> new FileReads(views).seek(q);
            case FileQuery.Space q -> space();
            case FileQuery.Snapshots q -> Reply.DONE.with(snapshotEntries());
            case FileQuery.State q -> state(q);
            case FileQuery.States q -> states(q);
            case FileQuery.Once q -> once(q);
            case FileQuery.Read q -> throw new IllegalStateException("read apart");
        };
    }

    static FileException noAttribute(ByteString name) {
        return new FileException(FileError.NO_ATTRIBUTE, "there is no attribute '" + name + "'");
    }

    // ---- names

    private static boolean isSnapshots(FileId file) {
        return file.equals(FileId.SNAPSHOTS);
    }

    private Inode inode(FileId file) {
        return Lookups.load(views.rows(file.snapshot()), file);
    }

    private Attributes attributes(FileId file) {
        return isSnapshots(file) ? snapshotsDirectory() : inode(file).attributes(file.snapshot());
    }

    private Reply lookup(FileQuery.Lookup q) {
        if (isSnapshots(q.directory())) {
            return Reply.of(inSnapshots(q.name()), snapshotsDirectory());
        }
        Rows rows = views.rows(q.directory().snapshot());
        Inode directory = Lookups.load(rows, q.directory());
        Lookups.checkDirectory(directory);
        Permissions.check(directory, q.who(), Permissions.EXECUTE);
        Attributes of = directory.attributes(q.directory().snapshot());
        if (Lookups.isDot(q.name())) {
            return Reply.of(of, of);
        }
        boolean root = directory.number == FileId.ROOT_INODE;
        if (Lookups.isDotDot(q.name())) {
            if (root && q.directory().inSnapshot()) {
                return Reply.of(snapshotsDirectory(), of);
            }
            return Reply.of(parent(rows, directory).attributes(q.directory().snapshot()), of);
        }
        if (root && !q.directory().inSnapshot() && q.name().equals(FileSystem.SNAPSHOT_DIRECTORY)) {
            return Reply.of(snapshotsDirectory(), of);
        }
        Change.checkName(q.name());
        Dirent entry = Lookups.find(rows, directory.number, q.name());
        if (entry == null) {
            throw Lookups.notFound(q.name());
        }
        return Reply.of(Lookups.inode(rows, entry).attributes(q.directory().snapshot()), of);
    }

    private static Inode parent(Rows rows, Inode directory) {
        byte[] row = rows.get(RowKeys.inode(directory.parent));
        if (row == null) {
            throw new FileException(
                    FileError.NOT_FOUND, "directory " + directory.number + " was removed");
        }
        return Inode.decode(directory.parent, row);
    }

    private Reply list(FileQuery.ListEntries q) {
        if (isSnapshots(q.directory())) {
            return listSnapshots(q);
        }
        long snapshot = q.directory().snapshot();
        Rows rows = views.rows(snapshot);
        Inode directory = Lookups.load(rows, q.directory());
        Lookups.checkDirectory(directory);
        Permissions.check(directory, q.who(), Permissions.READ);
        long verifier = directory.btime | 1;
        if (q.cookie() < 0 || (q.cookie() >= FileSystem.FIRST_COOKIE && q.verifier() != verifier)) {
            throw badCookie();
        }
        byte[] after = RowKeys.cookie(directory.number, Math.max(q.cookie(), 0));
        List<Entry> entries = new ArrayList<>();
        boolean end = true;
        int bytes = 0;
        try (RowCursor cursor = rows.scan(RowKeys.cookies(directory.number), after)) {
            while (cursor.next()) {
                if (entries.size() >= q.max() || bytes >= MAX_REPLY_BYTES) {
                    end = false;
                    break;
                }
                Dirent d = Dirent.byCookie(RowKeys.cookie(cursor.key()), cursor.value());
                Attributes found =
                        q.attributes() ? Lookups.inode(rows, d).attributes(snapshot) : null;
                FileId file = new FileId(snapshot, d.inode(), d.generation());
                entries.add(new Entry(d.name(), file, d.cookie(), found));
                bytes += LISTED_BYTES + d.name().length();
            }
        }
        return Reply.of(List.of(end ? 1L : 0L, verifier), directory.attributes(snapshot))
                .with(entries);
    }

    private static FileException badCookie() {
        return new FileException(
                FileError.BAD_COOKIE, "the cookie is not of this directory; list it anew");
    }

    // ---- snapshots

    private List<Entry> snapshotEntries() {
        List<Entry> entries = new ArrayList<>();
        for (SnapshotView s : views.snapshots()) {
            entries.add(new Entry(s.name(), FileId.snapshotRoot(s.id()), s.createdNanos(), null));
        }
        return entries;
    }

    private Attributes snapshotsDirectory() {
        Inode root = inode(FileId.ROOT);
        List<SnapshotView> all = views.snapshots();
        long changed = root.btime;
        for (SnapshotView s : all) {
            changed = Math.max(changed, s.createdNanos());
        }
        Inode made = new Inode(FileId.SNAPSHOTS_INODE, FileType.DIRECTORY, 0);
        made.mode = SNAPSHOTS_MODE;
        made.links = 2 + all.size();
        made.entries = all.size();
        made.parent = FileId.ROOT_INODE;
        made.atime = changed;
        made.mtime = changed;
        made.ctime = changed;
        made.btime = root.btime;
        made.change = changed + all.size();
        return made.attributes(0);
    }

    private Attributes inSnapshots(ByteString name) {
        if (Lookups.isDot(name)) {
            return snapshotsDirectory();
        }
        if (Lookups.isDotDot(name)) {
            return attributes(FileId.ROOT);
        }
        Change.checkName(name);
        for (SnapshotView s : views.snapshots()) {
            if (s.name().equals(name)) {
                return attributes(FileId.snapshotRoot(s.id()));
            }
        }
        throw Lookups.notFound(name);
    }

    /// Cookies number the snapshots by age: one that goes moves those behind it, so the verifier
    /// tells their number.
    private Reply listSnapshots(FileQuery.ListEntries q) {
        List<SnapshotView> all = views.snapshots();
        Attributes directory = snapshotsDirectory();
        long verifier = directory.change() | 1;
        if (q.cookie() < 0 || (q.cookie() >= FileSystem.FIRST_COOKIE && q.verifier() != verifier)) {
            throw badCookie();
        }
        int from =
                (int) Math.min(all.size(), Math.max(0, q.cookie() - FileSystem.FIRST_COOKIE + 1));
        int to = (int) Math.min(all.size(), (long) from + q.max());
        List<Entry> entries = new ArrayList<>();
        for (int i = from; i < to; i++) {
            SnapshotView s = all.get(i);
            FileId file = FileId.snapshotRoot(s.id());
            entries.add(
                    new Entry(
                            s.name(),
                            file,
                            FileSystem.FIRST_COOKIE + i,
                            q.attributes() ? attributes(file) : null));
        }
        return Reply.of(List.of(to == all.size() ? 1L : 0L, verifier), directory).with(entries);
    }

    // ---- attributes

    private Reply access(FileQuery.Access q) {
        if (isSnapshots(q.file())) {
            return Reply.of(List.of(1L, 0L, 1L));
        }
        Inode inode = inode(q.file());
        Credentials who = q.who();
        boolean write =
                !q.file().inSnapshot() && Permissions.allowed(inode, who, Permissions.WRITE);
        return Reply.of(
                List.of(
                        Permissions.allowed(inode, who, Permissions.READ) ? 1L : 0L,
                        write ? 1L : 0L,
                        Permissions.allowed(inode, who, Permissions.EXECUTE) ? 1L : 0L));
    }

    private Reply readlink(FileQuery.Readlink q) {
        Inode inode = inode(q.file());
        if (inode.type != FileType.SYMLINK) {
            throw new FileException(
                    FileError.WRONG_TYPE, "inode " + inode.number + " is not a symbolic link");
        }
        byte[] target = views.rows(q.file().snapshot()).get(RowKeys.symlink(inode.number));
        return Reply.DONE.with(ByteBuffer.wrap(target == null ? new byte[0] : target));
    }

    private void checkXattrs(Credentials who, FileId file) {
        Permissions.checkData(inode(file), who, Permissions.READ);
    }

    private Reply xattr(FileQuery.Xattr q) {
        AttributeOps.checkXattrName(q.name());
        if (isSnapshots(q.file())) {
            throw noAttribute(q.name());
        }
        checkXattrs(q.who(), q.file());
        byte[] value =
                views.rows(q.file().snapshot()).get(RowKeys.xattr(q.file().inode(), q.name()));
        if (value == null) {
            throw noAttribute(q.name());
        }
        return Reply.DONE.with(ByteBuffer.wrap(value));
    }

    private Reply xattrs(FileQuery.Xattrs q) {
        if (isSnapshots(q.file())) {
            return Reply.DONE;
        }
        checkXattrs(q.who(), q.file());
        long number = q.file().inode();
        byte[] after = q.after().isEmpty() ? null : RowKeys.xattr(number, q.after());
        List<Entry> names = new ArrayList<>();
        try (RowCursor rows = views.rows(q.file().snapshot()).scan(RowKeys.xattrs(number), after)) {
            while (names.size() < q.max() && rows.next()) {
                names.add(new Entry(RowKeys.name(rows.key()), q.file(), 0, null));
            }
        }
        return Reply.DONE.with(names);
    }

    // ---- the share

    private Reply space() {
        Rows rows = views.rows(0);
        byte[] row = rows.get(RowKeys.SHARE);
        if (row == null) {
            throw new FileException(FileError.STALE, "this is not a share");
        }
        ShareRecord share = ShareRecord.decode(row);
        byte[] settings = rows.get(RowKeys.SETTINGS);
        Reply counted =
                Reply.of(
                        List.of(
                                share.quota,
                                share.usedBlocks * BlockDevice.BLOCK_BYTES,
                                share.inodes,
                                CleanOps.needed(rows) ? 1L : 0L));
        return settings == null ? counted : counted.with(ByteBuffer.wrap(settings));
    }

    private Reply state(FileQuery.State q) {
        byte[] value = views.rows(0).get(RowKeys.state(q.key()));
        return value == null
                ? Reply.of(List.of(0L))
                : Reply.of(List.of(1L)).with(ByteBuffer.wrap(value));
    }

    private Reply once(FileQuery.Once q) {
        boolean found = StateOps.first(views.rows(0), Call.of(q.who(), q.id())) != null;
        return Reply.of(List.of(found ? 1L : 0L));
    }

    private Reply states(FileQuery.States q) {
        ByteWriter out = new ByteWriter();
        byte[] after = q.after().compareTo(q.prefix()) < 0 ? null : RowKeys.state(q.after());
        int count = 0;
        int bytes = 0;
        try (RowCursor rows = views.rows(0).scan(RowKeys.state(q.prefix()), after)) {
            while (count < q.max() && bytes < MAX_REPLY_BYTES && rows.next()) {
                ByteString key = RowKeys.stateKey(rows.key());
                out.bytes(key).bytes(ByteString.of(rows.value()));
                bytes += key.length() + rows.value().length;
                count++;
            }
        }
        return Reply.DONE.with(out.buffer());
    }
}
