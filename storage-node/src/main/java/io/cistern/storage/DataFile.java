package io.cistern.storage;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;

/// A file of slots. Any thread may call any method but [#close].
interface DataFile extends AutoCloseable {
    /// Writes `src`'s remaining bytes; its position is not changed. Not durable before [#sync].
    void write(long offset, ByteBuffer src) throws IOException;

    /// Fills `dst`.
    void read(long offset, ByteBuffer dst) throws IOException;

    /// Fills `dst` if that needs no disk access; else false, with its position unchanged.
    boolean tryRead(long offset, ByteBuffer dst) throws IOException;

    /// Makes the file longer, from `from` to `bytes` bytes, all allocated. Not durable before
    /// [#sync]. Where it fails some of it may have been added.
    void extend(long from, long bytes) throws IOException;

    /// Makes completed writes durable.
    void sync() throws IOException;

    @Override
    void close();

    /// Where data files come from.
    interface Factory {
        /// Creates a file whose bytes are all allocated, durably: it exists under `path` with
        /// `bytes` bytes, or not at all.
        DataFile create(Path path, long bytes) throws IOException;

        DataFile open(Path path) throws IOException;
    }
}
