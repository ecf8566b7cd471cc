package io.cistern.nas.share;

import io.cistern.block.fs.ByteString;
import io.cistern.block.fs.Call;
import io.cistern.block.fs.FileResults.Removed;
import io.cistern.block.fs.FileResults.Renamed;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// Changes files with regard to who has them open, or delegated, for all protocol versions. Any
/// thread; blocks.
///
/// Where another client has a delegation of the file, it is recalled, and the change waits for a
/// second at most: then the client is told to come back later.
public interface OpenFiles {
    /// The client id of those that have none: NFSv3's.
    long NO_CLIENT = 0;

    /// Removes a name that is not a directory's. A file that a client has open stays until it is
    /// closed.
    ///
    /// @param client id of the NFSv4 client, or [#NO_CLIENT]
    /// @throws NfsException DELAY while clients of an earlier owner who may have delegations have
    ///   not reclaimed, unless this very change was made before; while a delegation is recalled
    Removed remove(Access directory, ByteString name, Call call, long client);

    /// Renames; of a file that is replaced and open, the same holds.
    ///
    /// @throws NfsException as [#remove]
    Renamed rename(
            Access from, ByteString fromName, Access to, ByteString toName, Call call, long client);

    /// Carries out another change of a file.
    ///
    /// @param call what goes with the change; null: it may be made again
    /// @throws NfsException as [#remove]
    <T> T changing(Access file, long client, @Nullable Call call, Supplier<T> action);
}
