package io.cistern.block.fs.engine;

import io.cistern.block.fs.Credentials;
import io.cistern.block.fs.FileError;
import io.cistern.block.fs.FileException;

/// POSIX's permission rules, see [io.cistern.block.fs.FileSystem].
final class Permissions {
    static final int READ = 4;
    static final int WRITE = 2;
    static final int EXECUTE = 1;

    static final int SET_UID = 04000;
    static final int SET_GID = 02000;
    static final int STICKY = 01000;
    static final int ALL_BITS = 07777;
    private static final int GROUP_EXECUTE = 010;
    private static final int ANY_EXECUTE = 0111;

    private Permissions() {}

    /// Whether the mode's bits give all of `wanted`.
    static boolean allowed(Inode inode, Credentials who, int wanted) {
        if (who.superuser()) {
            return (wanted & EXECUTE) == 0
                    || inode.isDirectory()
                    || (inode.mode & ANY_EXECUTE) != 0;
        }
        int shift = who.uid() == inode.uid ? 6 : who.inGroup(inode.gid) ? 3 : 0;
        return (inode.mode >> shift & wanted) == wanted;
    }

    static void check(Inode inode, Credentials who, int wanted) {
        if (!allowed(inode, who, wanted)) {
            throw new FileException(
                    FileError.ACCESS,
                    "user "
                            + Integer.toUnsignedString(who.uid())
                            + " may not do this with inode "
                            + inode.number);
        }
    }

    /// The right to read or write a file's data.
    static void checkData(Inode inode, Credentials who, int wanted) {
        boolean free = who.opened() || who.uid() == inode.uid;
        boolean executes = wanted == READ && allowed(inode, who, EXECUTE);
        if (!free && !executes) {
            check(inode, who, wanted);
        }
    }

    static boolean owns(Inode inode, Credentials who) {
        return who.superuser() || who.uid() == inode.uid;
    }

    static void checkOwner(Inode inode, Credentials who) {
        if (!owns(inode, who)) {
            throw new FileException(
                    FileError.NOT_PERMITTED, "only its owner may do this with " + inode.number);
        }
    }

    /// The right to take `victim`'s name out of a directory.
    static void checkRemove(Inode directory, Inode victim, Credentials who) {
        check(directory, who, WRITE | EXECUTE);
        if ((directory.mode & STICKY) != 0 && !owns(directory, who) && !owns(victim, who)) {
            throw new FileException(
                    FileError.NOT_PERMITTED,
                    "directory " + directory.number + " is sticky: only the owner may do this");
        }
    }

    /// The mode of a file whose data someone other than the superuser changed.
    static int afterWrite(int mode) {
        int cleared = mode & ~SET_UID;
        return (mode & GROUP_EXECUTE) != 0 ? cleared & ~SET_GID : cleared;
    }
}
