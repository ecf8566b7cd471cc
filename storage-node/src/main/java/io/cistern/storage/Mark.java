package io.cistern.storage;

import io.cistern.block.Crc32c;
import io.cistern.raft.LogPosition;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/// A group's last checkpoint, told twice: a file outside the map that says how far the map must at
/// least have come. A map that has lost its last checkpoints (a damaged manifest may hide them) is
/// found out by it, instead of being taken for a replica that merely stopped earlier.
///
/// ```
/// file := copy copy                      each at a multiple of 512, written in turn
/// copy := "CISTMARK" version:u32 (1) term:i64 index:i64 count:i64 crc32c:u32
/// ```
final class Mark implements AutoCloseable {
    private static final long MAGIC = 0x434953544D41524BL;
    private static final int VERSION = 1;
    private static final int BYTES = 8 + 4 + 24 + 4;
    private static final int STRIDE = 512;

    private final FileChannel channel;
    private LogPosition position = LogPosition.START;
    private long count;

    private Mark(FileChannel channel) {
        this.channel = channel;
    }

    /// The newest position in a file that is readable; START if there is none, or no file.
    static LogPosition read(Path path) throws IOException {
        if (!Files.exists(path)) {
            return LogPosition.START;
        }
        try (Mark mark = new Mark(FileChannel.open(path, StandardOpenOption.READ))) {
            mark.readCopy(0);
            mark.readCopy(1);
            return mark.position;
        }
    }

    static Mark open(Path path) throws IOException {
        boolean fresh = !Files.exists(path);
        Mark mark =
                new Mark(
                        FileChannel.open(
                                path,
                                StandardOpenOption.READ,
                                StandardOpenOption.WRITE,
                                StandardOpenOption.CREATE));
        if (fresh) {
            NativeFile.syncName(path);
        }
        mark.readCopy(0);
        mark.readCopy(1);
        return mark;
    }

    private void readCopy(int copy) throws IOException {
        ByteBuffer in = ByteBuffer.allocate(BYTES);
        while (in.hasRemaining()) {
            if (channel.read(in, (long) copy * STRIDE + in.position()) < 0) {
                return;
            }
        }
        in.flip();
        boolean sound =
                in.getInt(BYTES - 4) == Crc32c.of(in.slice(0, BYTES - 4))
                        && in.getLong() == MAGIC
                        && in.getInt() == VERSION;
        if (sound) {
            LogPosition found = new LogPosition(in.getLong(), in.getLong());
            long number = in.getLong();
            if (number > count) {
                count = number;
                position = found;
            }
        }
    }

    /// The newest position written and readable; START if there is none.
    LogPosition position() {
        return position;
    }

    /// Durable on return.
    void write(LogPosition reached) throws IOException {
        count++;
        position = reached;
        ByteBuffer out = ByteBuffer.allocate(BYTES);
        out.putLong(MAGIC).putInt(VERSION).putLong(reached.term()).putLong(reached.index());
        out.putLong(count).putInt(Crc32c.of(out.slice(0, BYTES - 4)));
        out.flip();
        long at = count % 2 * STRIDE;
        while (out.hasRemaining()) {
            channel.write(out, at + out.position());
        }
        channel.force(false);
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
