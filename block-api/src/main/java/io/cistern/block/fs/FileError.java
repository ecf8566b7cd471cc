package io.cistern.block.fs;

/// Why a file system request was refused. None of these is worth repeating. Failures of the storage
/// below (no majority, fenced, damaged) are [io.cistern.block.CisternException] instead. The
/// ordinals are part of the stored format: append only.
public enum FileError {
    /// Not the owner, and ownership is what it takes. EPERM.
    NOT_PERMITTED,
    /// The permission bits do not allow it. EACCES.
    ACCESS,
    /// No entry of that name. ENOENT.
    NOT_FOUND,
    /// EEXIST
    EXISTS,
    /// ENOTDIR
    NOT_DIRECTORY,
    /// EISDIR
    IS_DIRECTORY,
    /// ENOTEMPTY
    NOT_EMPTY,
    /// EINVAL
    INVALID,
    /// The file id names no file (any more). ESTALE.
    STALE,
    /// It is neither a regular file nor a directory, or not a symbolic link, and that is what the
    /// request is for.
    WRONG_TYPE,
    /// In a snapshot, or through a read-only attachment. EROFS.
    READ_ONLY,
    /// Offset or size beyond [FileSystem#MAX_FILE_BYTES]. EFBIG.
    TOO_LARGE,
    /// The pool is full. ENOSPC.
    NO_SPACE,
    /// The share's quota is used up. EDQUOT.
    QUOTA,
    /// ENAMETOOLONG
    NAME_TOO_LONG,
    /// [FileSystem#MAX_LINKS] names already. EMLINK.
    TOO_MANY_LINKS,
    /// Between the share and its snapshots, or between snapshots. EXDEV.
    CROSS_DEVICE,
    /// The guard (expected ctime) does not match.
    CHANGED,
    /// The cookie or its verifier does not belong to this directory (any more).
    BAD_COOKIE,
    /// No extended attribute of that name.
    NO_ATTRIBUTE,
    /// An extended attribute, or all of a file's, would exceed the limits. E2BIG, ENOSPC.
    ATTRIBUTE_TOO_LARGE,
    /// A bound on counts that protects the system; the message says which.
    LIMIT,
    /// This cannot be done with this file or share.
    NOT_SUPPORTED,
    /// No more data, or no hole, after the offset. ENXIO.
    NO_DATA
}
