package io.cistern.block.fs.engine;

import io.cistern.block.fs.Attributes;
import io.cistern.block.fs.ByteString;
import io.cistern.block.fs.Credentials;
import io.cistern.block.fs.FileError;
import io.cistern.block.fs.FileException;
import io.cistern.block.fs.FileId;
import io.cistern.block.fs.FileSystem;
import io.cistern.block.fs.FileType;
import io.cistern.block.fs.engine.Rows.RowCursor;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// One change being worked out: what its parts share.
final class Change {
    final Transaction tx;
    final ShareRecord share;
    final StateRecord totals;
    final Credentials who;
    final List<Blocks> blocks;

    /// The time of this change.
    final long now;

    /// The change counter of everything this change touches.
    final long stamp;

    Change(
            Transaction tx,
            ShareRecord share,
            StateRecord totals,
            FileRequest request,
            List<Blocks> blocks,
            long index) {
        this.tx = tx;
        this.share = share;
        this.totals = totals;
        this.who = request.call().who();
        this.blocks = blocks;
        share.time = Math.max(share.time, request.timeNanos());
        share.stamp = Math.max(share.stamp + 1, index);
        now = share.time;
        stamp = share.stamp;
    }

    // ---- inodes

    Inode load(FileId file) {
        if (file.inSnapshot() || file.inode() == FileId.SNAPSHOTS_INODE) {
            throw new FileException(FileError.READ_ONLY, "a snapshot cannot be changed");
        }
        return Lookups.load(tx, file);
    }

    /// A directory that still has a name.
    Inode directory(FileId file) {
        Inode directory = load(file);
        if (!directory.isDirectory()) {
            throw new FileException(
                    FileError.NOT_DIRECTORY, "inode " + directory.number + " is not a directory");
        }
        if (directory.links == 0) {
            throw new FileException(
                    FileError.NOT_FOUND, "directory " + directory.number + " was removed");
        }
        return directory;
    }

    Inode regular(FileId file) {
        Inode inode = load(file);
        Lookups.checkRegular(inode);
        return inode;
    }

    void save(Inode inode) {
        tx.put(RowKeys.inode(inode.number), inode.encode());
    }

    /// Marks attributes as changed.
    void touched(Inode inode) {
        inode.ctime = now;
        inode.change = stamp;
    }

    /// Marks contents as changed.
    void modified(Inode inode) {
        inode.mtime = now;
        touched(inode);
    }

    static Attributes of(Inode inode) {
        return inode.attributes(0);
    }

    // ---- names

    static void checkName(ByteString name) {
        if (name.isEmpty()) {
            throw new FileException(FileError.INVALID, "a name cannot be empty");
        }
        if (name.length() > FileSystem.MAX_NAME_BYTES) {
            throw new FileException(
                    FileError.NAME_TOO_LONG,
                    "a name has at most " + FileSystem.MAX_NAME_BYTES + " bytes");
        }
        if (name.contains('/') || name.contains(0)) {
            throw new FileException(FileError.INVALID, "a name cannot contain '/' or NUL");
        }
    }

    /// Whether a name always means something in a directory.
    static boolean reserved(Inode directory, ByteString name) {
        return Lookups.isDot(name)
                || Lookups.isDotDot(name)
                || (directory.number == FileId.ROOT_INODE
                        && name.equals(FileSystem.SNAPSHOT_DIRECTORY));
    }

    @Nullable Dirent find(Inode directory, ByteString name) {
        return Lookups.find(tx, directory.number, name);
    }

    Dirent get(Inode directory, ByteString name) {
        Dirent found = find(directory, name);
        if (found == null) {
            throw Lookups.notFound(name);
        }
        return found;
    }

    Inode inode(Dirent entry) {
        return Lookups.inode(tx, entry);
    }

    /// The same object for the same inode.
    Inode inode(Dirent entry, Inode... known) {
        for (Inode k : known) {
            if (k.number == entry.inode()) {
                return k;
            }
        }
        return inode(entry);
    }

    void enter(Inode directory, ByteString name, Inode file) {
        long cookie = directory.nextCookie++;
        Dirent entry = new Dirent(name, file.number, file.generation, cookie);
        tx.put(RowKeys.dirent(directory.number, name), entry.byName());
        tx.put(RowKeys.cookie(directory.number, cookie), entry.byCookie());
        directory.entries++;
        modified(directory);
    }

    void leave(Inode directory, Dirent entry) {
        tx.delete(RowKeys.dirent(directory.number, entry.name()));
        tx.delete(RowKeys.cookie(directory.number, entry.cookie()));
        directory.entries--;
        modified(directory);
    }

    // ---- the end of files

    boolean held(long inode) {
        if (totals.holds == 0) {
            return false;
        }
        try (RowCursor holds = tx.scan(RowKeys.holds(inode), null)) {
            return holds.next();
        }
    }

    /// Saves an inode that has lost a name, or ends it where that was the last.
    void lostName(Inode inode) {
        touched(inode);
        if (inode.links > 0) {
            save(inode);
        } else if (held(inode.number)) {
            tx.put(RowKeys.orphan(inode.number), new byte[0]);
            save(inode);
        } else {
            end(inode);
        }
    }

    /// Forgets a file; its extents are emptied later.
    void end(Inode inode) {
        share.usedBlocks -= inode.usedBlocks;
        share.inodes--;
        Extents.giveUpFrom(tx, inode, 0);
        if (inode.xattrs > 0) {
            deleteAll(RowKeys.xattrs(inode.number));
        }
        if (inode.type == FileType.SYMLINK) {
            tx.delete(RowKeys.symlink(inode.number));
        }
        tx.delete(RowKeys.inode(inode.number));
    }

    /// As [#end], of a file that was an orphan.
    void endOrphan(Inode inode) {
        tx.delete(RowKeys.orphan(inode.number));
        end(inode);
    }

    private void deleteAll(byte[] prefix) {
        List<byte[]> keys = new ArrayList<>();
        try (RowCursor rows = tx.scan(prefix, null)) {
            while (rows.next()) {
                keys.add(rows.key());
            }
        }
        keys.forEach(tx::delete);
    }
}
