package io.cistern.volume.image;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/// A file with failures that name it.
final class ImageFile implements AutoCloseable {
    private final Path path;
    private final FileChannel channel;
    private final long length;

    private ImageFile(Path path, FileChannel channel, long length) {
        this.path = path;
        this.channel = channel;
        this.length = length;
    }

    /// @throws CisternException NOT_FOUND, INVALID (a directory or device), IO
    static ImageFile open(Path path) {
        try {
            if (Files.exists(path) && !Files.isRegularFile(path)) {
                throw new CisternException(ErrorCode.INVALID, path + " is not a regular file");
            }
            FileChannel channel = FileChannel.open(path, StandardOpenOption.READ);
            return new ImageFile(path, channel, channel.size());
        } catch (NoSuchFileException e) {
            throw new CisternException(ErrorCode.NOT_FOUND, "there is no file " + path, e);
        } catch (IOException e) {
            throw new CisternException(ErrorCode.IO, "cannot open " + path + ": " + e, e);
        }
    }

    /// @throws CisternException ALREADY_EXISTS, IO
    static ImageFile create(Path path) {
        try {
            return new ImageFile(
                    path,
                    FileChannel.open(
                            path,
                            StandardOpenOption.CREATE_NEW,
                            StandardOpenOption.SPARSE,
                            StandardOpenOption.WRITE),
                    0);
        } catch (java.nio.file.FileAlreadyExistsException e) {
            throw new CisternException(
                    ErrorCode.ALREADY_EXISTS,
                    path + " exists already; remove it or choose another name",
                    e);
        } catch (NoSuchFileException e) {
            throw new CisternException(
                    ErrorCode.NOT_FOUND,
                    "cannot create " + path + ": there is no directory " + path.getParent(),
                    e);
        } catch (IOException e) {
            throw new CisternException(ErrorCode.IO, "cannot create " + path + ": " + e, e);
        }
    }

    Path path() {
        return path;
    }

    /// At the time of opening.
    long length() {
        return length;
    }

    /// Fills `dst`.
    ///
    /// @throws CisternException CORRUPT where the file ends early, IO
    void read(long offset, ByteBuffer dst) {
        long at = offset;
        try {
            while (dst.hasRemaining()) {
                int got = channel.read(dst, at);
                if (got < 0) {
                    throw new CisternException(
                            ErrorCode.CORRUPT,
                            path
                                    + " is truncated: it ends at byte "
                                    + at
                                    + " of what it should hold");
                }
                at += got;
            }
        } catch (IOException e) {
            throw new CisternException(ErrorCode.IO, "cannot read " + path + ": " + e, e);
        }
    }

    ByteBuffer read(long offset, int bytes) {
        ByteBuffer buffer = ByteBuffer.allocate(bytes).order(ByteOrder.BIG_ENDIAN);
        read(offset, buffer);
        return buffer.flip();
    }

    /// @throws CisternException NO_SPACE, IO
    void write(long offset, ByteBuffer data) {
        long at = offset;
        try {
            while (data.hasRemaining()) {
                at += channel.write(data, at);
            }
        } catch (IOException e) {
            throw failed(e);
        }
    }

    /// Makes the file durable.
    void force() {
        try {
            channel.force(true);
        } catch (IOException e) {
            throw failed(e);
        }
    }

    private CisternException failed(IOException e) {
        boolean full = String.valueOf(e.getMessage()).contains("No space left");
        return new CisternException(
                full ? ErrorCode.NO_SPACE : ErrorCode.IO,
                "cannot write " + path + ": " + e.getMessage(),
                e);
    }

    @Override
    public void close() {
        try {
            channel.close();
        } catch (IOException e) {
            throw new CisternException(ErrorCode.IO, "cannot close " + path + ": " + e, e);
        }
    }
}
