package io.cistern.nas.state;

/// A file that state is held of. Files in snapshots have keys of their own.
public record FileKey(long share, long snapshot, long inode) {}
