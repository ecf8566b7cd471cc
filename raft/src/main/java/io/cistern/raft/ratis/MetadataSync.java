package io.cistern.raft.ratis;

import io.cistern.block.DurableFiles;
import java.io.IOException;
import java.nio.file.Path;
import java.util.function.BiConsumer;

/// Makes the renaming of a vote file durable.
///
/// Ratis writes term and vote to a temporary file, fsyncs it and renames it over `raft-meta`, but
/// does not fsync the directory: a power cut may bring the old file back, and with it a second vote
/// in the same term. The transport therefore calls this before a vote, or the first answer in a new
/// term, leaves the process.
@FunctionalInterface
public interface MetadataSync {
    /// Fsyncs `directory`. Returns only if it is durable. May block; never called on an event loop.
    ///
    /// @param term that the vote file must hold, or a later one
    void sync(Path directory, long term);

    /// Fsyncs for real, and calls `halt` with what failed and why if it cannot: it must not return.
    static MetadataSync fsync(BiConsumer<String, Throwable> halt) {
        return (directory, term) -> {
            try {
                DurableFiles.sync(directory);
            } catch (IOException e) {
                halt.accept("cannot fsync the directory " + directory, e);
                throw new IllegalStateException("not durable: " + directory, e);
            }
        };
    }
}
