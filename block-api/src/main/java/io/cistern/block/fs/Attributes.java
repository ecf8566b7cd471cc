package io.cistern.block.fs;

/// What is known of a file besides its contents. Times are nanoseconds since 1970-01-01T00:00Z, as
/// the group's leader stamped them; they never go back within a file by the file system's own
/// stamping. Reading does not change `atimeNanos`.
///
/// @param parent of a directory: the inode number of the directory it is in (its own for the root);
///   else 0
/// @param mode permission bits, set-user-ID, set-group-ID and sticky bit: `07777`
/// @param links how many names it has; of a directory 2 and one more per subdirectory
/// @param uid unsigned, as is `gid`
/// @param size bytes; of a symbolic link the length of its text; of a directory a figure that grows
///   with its entries
/// @param usedBytes what counts towards the quota
/// @param deviceMajor of devices, else 0; as is `deviceMinor`
/// @param change differs after every change of the file's contents or attributes, and only grows,
///   except where the share is rolled back to a snapshot: a value is never used twice for different
///   states
/// @param btimeNanos when the file was created
public record Attributes(
        FileId id,
        FileType type,
        long parent,
        int mode,
        int links,
        int uid,
        int gid,
        long size,
        long usedBytes,
        int deviceMajor,
        int deviceMinor,
        long atimeNanos,
        long mtimeNanos,
        long ctimeNanos,
        long btimeNanos,
        long change) {

    public boolean isDirectory() {
        return type == FileType.DIRECTORY;
    }
}
