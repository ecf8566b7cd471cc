package io.cistern.nas.share;

import io.cistern.block.fs.FileSystem;
import java.util.concurrent.atomic.AtomicLong;

/// A share that this node owns.
///
/// @param owned changes with every change of owner: the write verifier
/// @param used when it was last used, by the nanosecond clock
public record OpenShare(ShareEntry entry, FileSystem files, long owned, AtomicLong used) {
    static OpenShare of(ShareEntry entry, FileSystem files) {
        return new OpenShare(entry, files, files.owner(), new AtomicLong(System.nanoTime()));
    }

    /// The same with another entry.
    OpenShare with(ShareEntry renewed) {
        return new OpenShare(renewed, files, owned, used);
    }

    /// The same for a thread that may not wait.
    OpenShare atOnce() {
        return new OpenShare(entry, files.atOnce(), owned, used);
    }
}
