package io.cistern.nas.v4;

import static io.cistern.nas.share.Futures.await;

import io.cistern.block.fs.FileError;
import io.cistern.block.fs.FileException;
import io.cistern.nas.share.Access;
import org.jspecify.annotations.Nullable;

/// Where data and holes are.
final class Extents4 {
    private Extents4() {}

    /// The next data or hole from an offset on; null where there is none.
    static @Nullable Long next(Access a, long offset, boolean data) {
        try {
            return await(a.files().seek(a.who(), a.file(), offset, data));
        } catch (FileException e) {
            if (e.error() == FileError.NO_DATA) {
                return null;
            }
            throw e;
        }
    }
}
