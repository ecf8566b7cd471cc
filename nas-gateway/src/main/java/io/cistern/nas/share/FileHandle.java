package io.cistern.nas.share;

import io.cistern.block.fs.FileId;

/// What a file handle means.
public sealed interface FileHandle {
    /// The directory above all shares, which NFSv4 clients begin at (RFC 8881 section 7.3).
    record PseudoRoot() implements FileHandle {}

    record InShare(long share, FileId file) implements FileHandle {}

    FileHandle PSEUDO_ROOT = new PseudoRoot();
}
