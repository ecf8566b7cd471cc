package io.cistern.block.fs.engine;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.fs.Attributes;
import io.cistern.block.fs.ByteString;
import io.cistern.block.fs.CreateMode;
import io.cistern.block.fs.Credentials;
import io.cistern.block.fs.FileError;
import io.cistern.block.fs.FileException;
import io.cistern.block.fs.FileId;
import io.cistern.block.fs.FileSystem;
import io.cistern.block.fs.FileType;
import io.cistern.block.fs.SetAttributes;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Changes of directories.
final class NameOps {
    private final Change change;

    NameOps(Change change) {
        this.change = change;
    }

    // ---- making

    /// Reply: [isNew], file, directory before, after. The size of a file that exists is left to a
    /// SetAttr that follows.
    Reply make(FileOp.Make op) {
        Inode directory = change.directory(op.directory());
        Change.checkName(op.name());
        Permissions.check(directory, change.who, Permissions.EXECUTE);
        if (Change.reserved(directory, op.name())) {
            throw exists(op.name().toString());
        }
        Dirent entry = change.find(directory, op.name());
        if (entry != null) {
            return existing(op, directory, change.inode(entry));
        }
        Attributes before = Change.of(directory);
        Permissions.check(directory, change.who, Permissions.WRITE);
        if (op.type() == FileType.SYMLINK
                && (op.target().isEmpty() || op.target().length() > FileSystem.MAX_SYMLINK_BYTES)) {
            throw new FileException(
                    op.target().isEmpty() ? FileError.INVALID : FileError.NAME_TOO_LONG,
                    "a symbolic link has 1 to " + FileSystem.MAX_SYMLINK_BYTES + " bytes");
        }
        Inode made = born(op, directory);
        if (op.type() == FileType.SYMLINK) {
            change.tx.put(RowKeys.symlink(made.number), op.target().toByteArray());
        }
        change.enter(directory, op.name(), made);
        change.save(made);
        change.save(directory);
        return Reply.of(List.of(1L), Change.of(made), before, Change.of(directory));
    }

    private Reply existing(FileOp.Make op, Inode directory, Inode found) {
        boolean same =
                op.type() == FileType.REGULAR
                        && found.isRegular()
                        && switch (op.how()) {
                            case CreateMode.Unchecked m -> true;
                            case CreateMode.Guarded m -> false;
                            case CreateMode.Exclusive m ->
                                    Long.valueOf(m.verifier()).equals(found.verifier);
                        };
        if (!same) {
            throw exists(op.name().toString());
        }
        Attributes unchanged = Change.of(directory);
        return Reply.of(List.of(0L), Change.of(found), unchanged, unchanged);
    }

    private Inode born(FileOp.Make op, Inode directory) {
        Credentials who = change.who;
        ShareRecord share = change.share;
        Inode made = new Inode(share.nextInode++, op.type(), (int) change.stamp);
        SetAttributes set = op.set();
        Integer mode = set.mode();
        Integer uid = set.uid();
        Integer gid = set.gid();
        boolean groupFromDirectory = (directory.mode & Permissions.SET_GID) != 0;
        made.mode = mode == null ? 0 : mode & Permissions.ALL_BITS;
        made.uid = uid == null ? who.uid() : uid;
        made.gid = gid != null ? gid : groupFromDirectory ? directory.gid : who.gid();
        boolean mayGive =
                who.superuser()
                        || (made.uid == who.uid()
                                && (gid == null
                                        || who.inGroup(gid)
                                        || (groupFromDirectory && gid == directory.gid)));
        if (!mayGive) {
            throw new FileException(
                    FileError.NOT_PERMITTED, "only the superuser may give a file to another");
        }
        if (op.type() == FileType.DIRECTORY) {
            made.mode |= groupFromDirectory ? Permissions.SET_GID : 0;
            made.links = 2;
            made.parent = directory.number;
            made.nextCookie = FileSystem.FIRST_COOKIE;
            checkLinks(directory);
            directory.links++;
        } else {
            made.links = 1;
            if (!who.superuser() && !who.inGroup(made.gid)) {
                made.mode &= ~Permissions.SET_GID;
            }
        }
        made.major = op.major();
        made.minor = op.minor();
        made.size = op.type() == FileType.SYMLINK ? op.target().length() : size(op);
        made.btime = change.now;
        change.modified(made);
        made.atime = AttributeOps.time(set.atime(), change.now, change.now);
        made.mtime = AttributeOps.time(set.mtime(), change.now, change.now);
        if (op.how() instanceof CreateMode.Exclusive e) {
            made.verifier = e.verifier();
        }
        share.inodes++;
        return made;
    }

    private static long size(FileOp.Make op) {
        Long size = op.set().size();
        if (size == null || op.type() != FileType.REGULAR) {
            return 0;
        }
        DataOps.checkSize(size);
        return size;
    }

    private static FileException exists(String name) {
        return new FileException(FileError.EXISTS, "'" + name + "' exists already");
    }

    private static void checkLinks(Inode inode) {
        if (inode.links >= FileSystem.MAX_LINKS) {
            throw new FileException(
                    FileError.TOO_MANY_LINKS, "inode " + inode.number + " has the most links");
        }
    }

    // ---- linking and removing

    /// Reply: file, directory before, after.
    Reply link(FileOp.Link op) {
        Inode file = change.load(op.file());
        if (file.isDirectory()) {
            throw new FileException(FileError.IS_DIRECTORY, "a directory has one name only");
        }
        Inode directory = change.directory(op.directory());
        Attributes before = Change.of(directory);
        Change.checkName(op.name());
        Permissions.check(directory, change.who, Permissions.EXECUTE);
        if (Change.reserved(directory, op.name()) || change.find(directory, op.name()) != null) {
            throw exists(op.name().toString());
        }
        Permissions.check(directory, change.who, Permissions.WRITE);
        checkLinks(file);
        if (file.links == 0) {
            change.tx.delete(RowKeys.orphan(file.number));
        }
        file.links++;
        change.touched(file);
        change.enter(directory, op.name(), file);
        change.save(file);
        change.save(directory);
        return Reply.of(Change.of(file), before, Change.of(directory));
    }

    /// Reply: file, directory before, after.
    Reply remove(FileOp.Remove op) {
        Inode directory = change.directory(op.directory());
        Attributes before = Change.of(directory);
        Change.checkName(op.name());
        Permissions.check(directory, change.who, Permissions.EXECUTE);
        checkNotReserved(directory, op.name());
        Dirent entry = change.get(directory, op.name());
        Inode victim = change.inode(entry);
        if (op.isDirectory()) {
            Lookups.checkDirectory(victim);
        } else if (victim.isDirectory()) {
            throw new FileException(FileError.IS_DIRECTORY, "'" + op.name() + "' is a directory");
        }
        Permissions.checkRemove(directory, victim, change.who);
        unlink(directory, victim);
        change.leave(directory, entry);
        change.save(directory);
        return Reply.of(Change.of(victim), before, Change.of(directory));
    }

    private static void checkNotReserved(Inode directory, ByteString name) {
        if (Change.reserved(directory, name)) {
            boolean dots = Lookups.isDot(name) || Lookups.isDotDot(name);
            throw new FileException(
                    dots ? FileError.INVALID : FileError.NOT_PERMITTED,
                    "'" + name + "' cannot be removed or renamed");
        }
    }

    /// Takes a name from `victim`, which must be empty if it is a directory.
    private void unlink(Inode directory, Inode victim) {
        if (victim.isDirectory()) {
            if (victim.entries > 0) {
                throw new FileException(
                        FileError.NOT_EMPTY, "directory " + victim.number + " is not empty");
            }
            victim.links = 0;
            directory.links--;
        } else {
            victim.links--;
        }
        change.lostName(victim);
    }

    // ---- renaming

    /// Reply: file, replaced or null, from before, after, to before, after.
    Reply rename(FileOp.Rename op) {
        Inode from = change.directory(op.fromDirectory());
        Inode to =
                op.toDirectory().equals(op.fromDirectory())
                        ? from
                        : change.directory(op.toDirectory());
        Attributes fromBefore = Change.of(from);
        Attributes toBefore = Change.of(to);
        Change.checkName(op.fromName());
        Change.checkName(op.toName());
        Permissions.check(from, change.who, Permissions.EXECUTE);
        Permissions.check(to, change.who, Permissions.EXECUTE);
        checkNotReserved(from, op.fromName());
        checkNotReserved(to, op.toName());
        Dirent entry = change.get(from, op.fromName());
        Inode file = change.inode(entry, from, to);
        Dirent over = change.find(to, op.toName());
        Inode replaced = over == null ? null : change.inode(over, from, to);
        if (replaced != null && replaced.number == file.number) {
            return Reply.of(Change.of(file), null, fromBefore, fromBefore, toBefore, toBefore);
        }
        checkRename(from, to, file, replaced);
        if (replaced != null && over != null) {
            unlink(to, replaced);
            change.leave(to, over);
        }
        change.leave(from, entry);
        if (file.isDirectory() && from != to) {
            checkLinks(to);
            from.links--;
            to.links++;
            file.parent = to.number;
        }
        change.touched(file);
        change.enter(to, op.toName(), file);
        change.save(file);
        change.save(from);
        change.save(to);
        return Reply.of(
                Change.of(file),
                replaced == null ? null : Change.of(replaced),
                fromBefore,
                Change.of(from),
                toBefore,
                Change.of(to));
    }

    private void checkRename(Inode from, Inode to, Inode file, @Nullable Inode replaced) {
        if (file.isDirectory()) {
            checkNotBelow(to, file);
        }
        Permissions.checkRemove(from, file, change.who);
        if (replaced == null) {
            Permissions.check(to, change.who, Permissions.WRITE);
        } else {
            Permissions.checkRemove(to, replaced, change.who);
            if (file.isDirectory() && !replaced.isDirectory()) {
                throw new FileException(
                        FileError.NOT_DIRECTORY, "a directory cannot replace a file");
            }
            if (!file.isDirectory() && replaced.isDirectory()) {
                throw new FileException(
                        FileError.IS_DIRECTORY, "a file cannot replace a directory");
            }
        }
        if (file.isDirectory() && from != to) {
            // Its ".." changes.
            Permissions.check(file, change.who, Permissions.WRITE);
        }
    }

    /// @throws FileException INVALID: `directory` is `file` or below it
    private void checkNotBelow(Inode directory, Inode file) {
        Inode at = directory;
        while (at.number != file.number) {
            if (at.number == FileId.ROOT_INODE) {
                return;
            }
            byte[] row = change.tx.get(RowKeys.inode(at.parent));
            if (row == null) {
                throw new CisternException(
                        ErrorCode.CORRUPT,
                        "directory " + at.number + " is in " + at.parent + ", which is missing");
            }
            at = Inode.decode(at.parent, row);
        }
        throw new FileException(
                FileError.INVALID, "a directory cannot be moved into itself or below");
    }
}
