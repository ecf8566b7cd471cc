package io.cistern.nas.share;

import static io.cistern.nas.share.Futures.await;

import io.cistern.block.fs.Call;
import io.cistern.block.fs.Credentials;
import io.cistern.block.fs.FileId;
import io.cistern.block.fs.FileResults.Written;
import io.cistern.block.fs.FileSystem;
import java.nio.ByteBuffer;

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

    /// Writes, and waits until it is on stable storage.
    ///
    /// @param offset not negative
    public Written write(long offset, ByteBuffer data) {
        return await(files().write(Call.of(who), file, offset, data));
    }

    public Access at(FileId other) {
        return new Access(share, other, who, readOnly);
    }

    public Access asOpened() {
        return new Access(share, file, who.asOpened(), readOnly);
    }
}
