package io.cistern.nas.share;

import io.cistern.block.fs.ByteString;
import io.cistern.block.fs.Call;
import io.cistern.block.fs.FileResults.Removed;
import io.cistern.block.fs.FileResults.Renamed;

/// Takes names away with regard to who has files open, for all protocol versions.
public interface OpenFiles {
    /// Removes a name that is not a directory's. A file that a client has open stays until it is
    /// closed.
    ///
    /// @throws NfsException DELAY while clients of an earlier owner reclaim what they had open
    Removed remove(Access directory, ByteString name, Call call);

    /// Renames; of a file that is replaced and open, the same holds.
    ///
    /// @throws NfsException as [#remove]
    Renamed rename(Access from, ByteString fromName, Access to, ByteString toName, Call call);
}
