package io.cistern.nas.v4;

import io.cistern.block.fs.FileType;
import io.cistern.nas.share.NfsException;
import io.cistern.nas.share.NfsStatus;
import io.cistern.nas.state.Status4;

/// Failures that depend on what a file is.
final class Types {
    private Types() {}

    /// @throws NfsException ISDIR, SYMLINK, WRONG_TYPE
    static void requireRegular(FileType type) {
        switch (type) {
            case REGULAR -> {}
            case DIRECTORY -> throw new NfsException(NfsStatus.ISDIR, "a directory");
            case SYMLINK -> throw new NfsException(Status4.SYMLINK, "a symbolic link");
            default -> throw new NfsException(Status4.WRONG_TYPE, "not a regular file");
        }
    }
}
