package io.cistern.block.fs;

/// Which file of a share, for ever: an inode number is not used again in the same share, and where
/// it nevertheless means another file (a share that was rolled back) the generation differs.
///
/// @param snapshot 0: the file as it is; else the snapshot in which it is seen (see
///   [FileSystem#snapshots]). A snapshot is a file system of its own as far as clients are
///   concerned: its files keep the inode numbers they had.
/// @param inode unsigned; [#ROOT_INODE] is the root
/// @param generation unsigned
public record FileId(long snapshot, long inode, int generation) {
    public static final long ROOT_INODE = 1;

    /// Inode number of `.snapshot`, the directory of the root in which snapshots are seen.
    public static final long SNAPSHOTS_INODE = 2;

    public static final FileId ROOT = new FileId(0, ROOT_INODE, 0);
    public static final FileId SNAPSHOTS = new FileId(0, SNAPSHOTS_INODE, 0);

    /// The root of a snapshot, as `.snapshot/NAME` shows it.
    public static FileId snapshotRoot(long snapshot) {
        return new FileId(snapshot, ROOT_INODE, 0);
    }

    public boolean inSnapshot() {
        return snapshot != 0;
    }
}
