package io.cistern.nas.share;

import io.cistern.block.fs.Credentials;
import io.cistern.block.fs.FileId;
import io.cistern.block.fs.FileSystem;

/// A file of a share together with what the caller may do there.
///
/// @param who after root squash
public record Access(OpenShare share, FileId file, Credentials who, boolean readOnly) {
    public FileSystem files() {
        return share.files();
    }

    /// @throws NfsException ROFS
    public Access forChange() {
        if (readOnly) {
            throw new NfsException(NfsStatus.ROFS, "read only for this client");
        }
        return this;
    }

    public Access at(FileId other) {
        return new Access(share, other, who, readOnly);
    }

    public Access asOpened() {
        return new Access(share, file, who.asOpened(), readOnly);
    }
}
