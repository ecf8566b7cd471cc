package org.apache.ratis.server.raftlog.segmented;

import java.io.Closeable;
import java.io.File;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import org.apache.ratis.util.function.CheckedBiFunction;
import org.apache.ratis.util.function.CheckedConsumer;

/// Writes an open log segment, in the place of the class of this name in Ratis. See docs/adr/0074.
///
/// - Little writes are preceded by a stretch of zeroes, as in Ratis: then one sync of many has to
///   wait for the file system's journal.
/// - Great ones, for which that wait is little and the zeroes would be as much again to write, make
///   the file longer themselves.
///
/// In both cases what is behind the last entry is zero, or there is nothing: by that a write that
/// was cut off is told from damage. Where this class does not stand before Ratis' on the class
/// path, the log is the same, only slower.
///
/// Not safe for several threads; the log has one.
class BufferedWriteChannel implements Closeable {
    /// So much at once is written behind the end of the file.
    private static final long GREAT_BYTES = 128 << 10;

    private final String name;
    private final FileChannel file;
    private final ByteBuffer buffer;

    /// Where the file ends, or where what is about to be put into the buffer will end it.
    private long end;

    private long position;
    private boolean synced = true;

    private BufferedWriteChannel(String name, FileChannel file, ByteBuffer buffer)
            throws IOException {
        this.name = name;
        this.file = file;
        this.buffer = buffer;
        this.position = file.position();
        this.end = file.size();
    }

    static BufferedWriteChannel open(File path, boolean append, ByteBuffer buffer)
            throws IOException {
        FileChannel channel =
                FileChannel.open(
                        path.toPath(),
                        StandardOpenOption.CREATE,
                        StandardOpenOption.READ,
                        StandardOpenOption.WRITE);
        if (append) {
            channel.position(channel.size());
        } else {
            channel.truncate(0);
        }
        return new BufferedWriteChannel(path.getName(), channel, buffer);
    }

    /// @param writeMethod puts exactly `writeSize` bytes into the buffer
    void writeToBuffer(int writeSize, CheckedConsumer<ByteBuffer, IOException> writeMethod)
            throws IOException {
        if (writeSize > buffer.capacity()) {
            throw new IOException(
                    writeSize + " bytes do not fit into a buffer of " + buffer.capacity());
        }
        if (writeSize > buffer.remaining()) {
            writeBuffered();
        }
        int before = buffer.position();
        writeMethod.accept(buffer);
        if (buffer.position() != before + writeSize) {
            throw new IllegalStateException(
                    buffer.position() - before + " bytes instead of " + writeSize);
        }
    }

    void writeToChannel(ByteBuffer content) throws IOException {
        while (content.hasRemaining()) {
            position += file.write(content);
        }
        end = Math.max(end, position);
        synced = false;
    }

    /// @param size of what is written next
    /// @param preallocate makes the file longer by zeroes, at least by so many
    void preallocateIfNecessary(
            long size, CheckedBiFunction<FileChannel, Long, Long, IOException> preallocate)
            throws IOException {
        long outstanding = buffer.position() + size;
        if (position + outstanding <= end) {
            return;
        }
        if (outstanding >= GREAT_BYTES) {
            end = position + outstanding;
        } else {
            preallocate.apply(file, outstanding);
            end = file.size();
        }
    }

    /// Makes all that was written durable.
    void flush() throws IOException {
        writeBuffered();
        if (!synced) {
            file.force(false);
            synced = true;
        }
    }

    /// Ratis' settings for this are off.
    CompletableFuture<Void> asyncFlush(ExecutorService executor) throws IOException {
        flush();
        return CompletableFuture.completedFuture(null);
    }

    private void writeBuffered() throws IOException {
        if (buffer.position() > 0) {
            buffer.flip();
            writeToChannel(buffer);
            buffer.clear();
        }
    }

    boolean isOpen() {
        return file.isOpen();
    }

    @Override
    public void close() throws IOException {
        if (!isOpen()) {
            return;
        }
        try {
            file.truncate(position);
        } finally {
            file.close();
        }
    }

    @Override
    public String toString() {
        return name;
    }
}
