package io.cistern.block.fs.engine;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.fs.ByteString;
import io.cistern.block.fs.FileError;
import io.cistern.block.fs.FileException;
import io.cistern.block.fs.FileId;
import org.jspecify.annotations.Nullable;

/// Finding inodes and entries in rows.
final class Lookups {
    private Lookups() {}

    /// @throws FileException STALE
    static Inode load(Rows rows, FileId file) {
        byte[] row = rows.get(RowKeys.inode(file.inode()));
        Inode inode = row == null ? null : Inode.decode(file.inode(), row);
        if (inode == null || inode.generation != file.generation()) {
            throw new FileException(
                    FileError.STALE,
                    "inode " + Long.toUnsignedString(file.inode()) + " does not exist any more");
        }
        return inode;
    }

    static void checkDirectory(Inode inode) {
        if (!inode.isDirectory()) {
            throw new FileException(
                    FileError.NOT_DIRECTORY, "inode " + inode.number + " is not a directory");
        }
    }

    static void checkRegular(Inode inode) {
        if (inode.isDirectory()) {
            throw new FileException(
                    FileError.IS_DIRECTORY, "inode " + inode.number + " is a directory");
        }
        if (!inode.isRegular()) {
            throw new FileException(
                    FileError.WRONG_TYPE, "inode " + inode.number + " is not a regular file");
        }
    }

    static boolean isDot(ByteString name) {
        return name.length() == 1 && name.at(0) == '.';
    }

    static boolean isDotDot(ByteString name) {
        return name.length() == 2 && name.at(0) == '.' && name.at(1) == '.';
    }

    static @Nullable Dirent find(Rows rows, long directory, ByteString name) {
        byte[] row = rows.get(RowKeys.dirent(directory, name));
        return row == null ? null : Dirent.byName(name, row);
    }

    static FileException notFound(ByteString name) {
        return new FileException(FileError.NOT_FOUND, "there is no '" + name + "'");
    }

    /// What an entry names.
    static Inode inode(Rows rows, Dirent entry) {
        byte[] row = rows.get(RowKeys.inode(entry.inode()));
        if (row == null) {
            throw new CisternException(
                    ErrorCode.CORRUPT,
                    "directory entry '"
                            + entry.name()
                            + "' names inode "
                            + entry.inode()
                            + ", which is missing");
        }
        return Inode.decode(entry.inode(), row);
    }
}
