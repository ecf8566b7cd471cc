package io.cistern.block.fs;

/// What an inode is. The ordinals are part of the stored format: append only.
public enum FileType {
    REGULAR,
    DIRECTORY,
    SYMLINK,
    BLOCK_DEVICE,
    CHARACTER_DEVICE,
    FIFO,
    SOCKET
}
