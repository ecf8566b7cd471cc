package io.cistern.storage;

import io.cistern.block.DurableFiles;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;

/// A data file on a file system, through the page cache.
final class NativeFile implements DataFile {
    static final DataFile.Factory FACTORY =
            new DataFile.Factory() {
                @Override
                public DataFile create(Path path, long bytes) throws IOException {
                    return NativeFile.create(path, bytes);
                }

                @Override
                public DataFile open(Path path) throws IOException {
                    return new NativeFile(path, openFd(path, false));
                }
            };

    private static final ThreadLocal<ByteBuffer> BOUNCE =
            ThreadLocal.withInitial(() -> ByteBuffer.allocateDirect(Slots.SLOT_BYTES));

    private final Path path;
    private final int fd;
    private volatile boolean noWait = true;

    private NativeFile(Path path, int fd) {
        this.path = path;
        this.fd = fd;
    }

    private static int openFd(Path path, boolean create) throws IOException {
        int flags = NativeIo.O_RDWR | NativeIo.O_CLOEXEC | (create ? NativeIo.O_CREAT : 0);
        int fd = NativeIo.open(path.toString(), flags, 0600);
        if (fd < 0) {
            throw NativeIo.error("open", path, -fd);
        }
        return fd;
    }

    private static DataFile create(Path path, long bytes) throws IOException {
        Path fresh = path.resolveSibling(path.getFileName() + ".new");
        Files.deleteIfExists(fresh);
        NativeFile file = new NativeFile(path, openFd(fresh, true));
        try {
            file.extend(0, bytes);
            file.sync();
            Files.move(fresh, path, StandardCopyOption.ATOMIC_MOVE);
            syncName(path);
            return file;
        } catch (IOException e) {
            file.close();
            Files.deleteIfExists(fresh);
            throw e;
        }
    }

    /// Makes the name of a file durable.
    static void syncName(Path file) throws IOException {
        Path directory = file.toAbsolutePath().getParent();
        if (directory != null) {
            DurableFiles.sync(directory);
        }
    }

    @Override
    public void extend(long from, long bytes) throws IOException {
        int error = NativeIo.fallocate(fd, from, bytes - from);
        if (error == NativeIo.EOPNOTSUPP || error == NativeIo.EINVAL) {
            fill(from, bytes);
        } else if (error != 0) {
            throw NativeIo.error("posix_fallocate", path, error);
        }
    }

    private void fill(long from, long bytes) throws IOException {
        ByteBuffer zeroes = ByteBuffer.allocateDirect(Slots.SLOT_BYTES);
        for (long at = from; at < bytes; at += Slots.SLOT_BYTES) {
            zeroes.limit((int) Math.min(Slots.SLOT_BYTES, bytes - at));
            write(at, zeroes);
        }
    }

    @Override
    public void write(long offset, ByteBuffer src) throws IOException {
        if (src.isDirect()) {
            writeAll(MemorySegment.ofBuffer(src), offset);
            return;
        }
        ByteBuffer from = src.duplicate();
        ByteBuffer bounce = BOUNCE.get();
        long at = offset;
        while (from.hasRemaining()) {
            int length = Math.min(from.remaining(), bounce.capacity());
            bounce.clear().put(0, from, from.position(), length).limit(length);
            writeAll(MemorySegment.ofBuffer(bounce), at);
            from.position(from.position() + length);
            at += length;
        }
    }

    private void writeAll(MemorySegment src, long offset) throws IOException {
        long done = 0;
        while (done < src.byteSize()) {
            long n = NativeIo.pwrite(fd, done == 0 ? src : src.asSlice(done), offset + done);
            if (n >= 0) {
                done += n;
            } else if (n != -NativeIo.EINTR) {
                throw NativeIo.error("pwrite", path, -n);
            }
        }
    }

    @Override
    public void read(long offset, ByteBuffer dst) throws IOException {
        if (dst.isDirect()) {
            readAll(MemorySegment.ofBuffer(dst), offset);
            dst.position(dst.limit());
            return;
        }
        ByteBuffer bounce = BOUNCE.get();
        long at = offset;
        while (dst.hasRemaining()) {
            bounce.clear().limit(Math.min(dst.remaining(), bounce.capacity()));
            readAll(MemorySegment.ofBuffer(bounce), at);
            at += bounce.remaining();
            dst.put(bounce);
        }
    }

    private void readAll(MemorySegment dst, long offset) throws IOException {
        long done = 0;
        while (done < dst.byteSize()) {
            long n = NativeIo.pread(fd, done == 0 ? dst : dst.asSlice(done), offset + done);
            if (n > 0) {
                done += n;
            } else if (n == 0) {
                throw new IOException("pread " + path + ": ends before " + (offset + done));
            } else if (n != -NativeIo.EINTR) {
                throw NativeIo.error("pread", path, -n);
            }
        }
    }

    @Override
    public boolean tryRead(long offset, ByteBuffer dst) throws IOException {
        if (!noWait) {
            return false;
        }
        int length = dst.remaining();
        ByteBuffer into = dst;
        if (!dst.isDirect()) {
            into = BOUNCE.get();
            if (length > into.capacity()) {
                return false;
            }
            into.clear().limit(length);
        }
        long n = NativeIo.preadNoWait(fd, MemorySegment.ofBuffer(into), offset);
        if (n == -NativeIo.EOPNOTSUPP || n == -NativeIo.EINVAL) {
            noWait = false;
            return false;
        }
        if (n != length) {
            return false;
        }
        if (into == dst) {
            dst.position(dst.limit());
        } else {
            dst.put(into);
        }
        return true;
    }

    @Override
    public void sync() throws IOException {
        int failed = NativeIo.fdatasync(fd);
        if (failed < 0) {
            throw NativeIo.error("fdatasync", path, -failed);
        }
    }

    @Override
    public void close() {
        NativeIo.close(fd);
    }
}
