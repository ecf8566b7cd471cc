package io.cistern.block.fs.engine;

import io.cistern.block.fs.Attributes;
import io.cistern.block.fs.ByteString;
import io.cistern.block.fs.Credentials;
import io.cistern.block.fs.FileError;
import io.cistern.block.fs.FileException;
import io.cistern.block.fs.FileSystem;
import io.cistern.block.fs.SetAttributes;
import io.cistern.block.fs.SetAttributes.SetTime;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Changes of attributes.
final class AttributeOps {
    /// Most 16 MiB stretches of a file that one entry frees where a file is cut within an extent.
    static final int MAX_CHUNKS = 16;

    /// Most bytes of a file's extended attributes, names included.
    private static final long MAX_ALL_XATTR_BYTES = 1 << 20;

    private final Change change;

    AttributeOps(Change change) {
        this.change = change;
    }

    static long time(@Nullable SetTime set, long unset, long now) {
        Long nanos = set == null ? null : set.nanos();
        return set == null ? unset : nanos == null ? now : nanos;
    }

    /// Reply: [1: not done yet, ask again], before, after.
    Reply set(FileOp.SetAttr op) {
        Inode inode = change.load(op.file());
        Attributes before = Change.of(inode);
        Long guard = op.guardCtime();
        if (guard != null && guard != inode.ctime) {
            throw new FileException(
                    FileError.CHANGED, "inode " + inode.number + " was changed meanwhile");
        }
        SetAttributes set = op.set();
        if (set.isEmpty()) {
            return Reply.of(List.of(0L), before, before);
        }
        Long size = set.size();
        boolean more = false;
        if (size != null) {
            Lookups.checkRegular(inode);
            Permissions.checkData(inode, change.who, Permissions.WRITE);
        }
        owner(inode, set);
        mode(inode, set);
        times(inode, set);
        if (size != null) {
            more = !new DataOps(change).resize(inode, size, MAX_CHUNKS);
            inode.mtime = time(set.mtime(), inode.mtime, change.now);
        }
        inode.verifier = null;
        change.touched(inode);
        change.save(inode);
        return Reply.of(List.of(more ? 1L : 0L), before, Change.of(inode));
    }

    private void owner(Inode inode, SetAttributes set) {
        Credentials who = change.who;
        Integer uid = set.uid();
        Integer gid = set.gid();
        if (uid == null && gid == null) {
            return;
        }
        boolean allowed =
                who.superuser()
                        || (who.uid() == inode.uid
                                && (uid == null || uid == inode.uid)
                                && (gid == null || gid == inode.gid || who.inGroup(gid)));
        if (!allowed) {
            throw new FileException(
                    FileError.NOT_PERMITTED,
                    "the owner or group of inode " + inode.number + " cannot be set so");
        }
        inode.uid = uid == null ? inode.uid : uid;
        inode.gid = gid == null ? inode.gid : gid;
        if (!inode.isDirectory()) {
            inode.mode = Permissions.afterWrite(inode.mode);
        }
    }

    private void mode(Inode inode, SetAttributes set) {
        Integer wanted = set.mode();
        if (wanted == null) {
            return;
        }
        Permissions.checkOwner(inode, change.who);
        int mode = wanted & Permissions.ALL_BITS;
        if (!change.who.superuser() && !change.who.inGroup(inode.gid)) {
            mode &= ~Permissions.SET_GID;
        }
        boolean newOwner = set.uid() != null || set.gid() != null;
        inode.mode = newOwner && !inode.isDirectory() ? Permissions.afterWrite(mode) : mode;
    }

    private void times(Inode inode, SetAttributes set) {
        boolean explicit = given(set.atime()) || given(set.mtime());
        boolean any = set.atime() != null || set.mtime() != null;
        if (explicit) {
            Permissions.checkOwner(inode, change.who);
        } else if (any && !Permissions.owns(inode, change.who)) {
            Permissions.check(inode, change.who, Permissions.WRITE);
        }
        inode.atime = time(set.atime(), inode.atime, change.now);
        inode.mtime = time(set.mtime(), inode.mtime, change.now);
    }

    private static boolean given(@Nullable SetTime time) {
        return time != null && time.nanos() != null;
    }

    // ---- extended attributes

    /// Reply: before, after.
    Reply setXattr(FileOp.SetXattr op) {
        Inode inode = change.load(op.file());
        Attributes before = Change.of(inode);
        checkXattrName(op.name());
        if (!change.who.opened()) {
            Permissions.checkData(inode, change.who, Permissions.WRITE);
        }
        byte[] key = RowKeys.xattr(inode.number, op.name());
        byte[] old = change.tx.get(key);
        ByteString value = op.value();
        Boolean must = op.mustExist();
        if (old == null && (value == null || Boolean.TRUE.equals(must))) {
            throw Queries.noAttribute(op.name());
        }
        if (old != null && Boolean.FALSE.equals(must)) {
            throw new FileException(FileError.EXISTS, "attribute '" + op.name() + "' exists");
        }
        if (old != null) {
            inode.xattrs--;
            inode.xattrBytes -= old.length + op.name().length();
        }
        if (value == null) {
            change.tx.delete(key);
        } else {
            inode.xattrs++;
            inode.xattrBytes += value.length() + op.name().length();
            if (value.length() > FileSystem.MAX_XATTR_BYTES
                    || inode.xattrs > FileSystem.MAX_XATTRS
                    || inode.xattrBytes > MAX_ALL_XATTR_BYTES) {
                throw new FileException(
                        FileError.ATTRIBUTE_TOO_LARGE,
                        "a file has at most "
                                + FileSystem.MAX_XATTRS
                                + " attributes of at most "
                                + FileSystem.MAX_XATTR_BYTES
                                + " bytes, "
                                + MAX_ALL_XATTR_BYTES
                                + " in all");
            }
            change.tx.put(key, value.toByteArray());
        }
        change.touched(inode);
        change.save(inode);
        return Reply.of(before, Change.of(inode));
    }

    static void checkXattrName(ByteString name) {
        if (name.isEmpty() || name.contains(0)) {
            throw new FileException(
                    FileError.INVALID, "an attribute's name is not empty and has no NUL");
        }
        if (name.length() > FileSystem.MAX_XATTR_NAME_BYTES) {
            throw new FileException(
                    FileError.NAME_TOO_LONG,
                    "an attribute's name has at most "
                            + FileSystem.MAX_XATTR_NAME_BYTES
                            + " bytes");
        }
    }
}
