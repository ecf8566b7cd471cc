package io.cistern.storage;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.VarHandle;

/// The system calls on file descriptors that Java lacks: preadv2 with RWF_NOWAIT and
/// posix_fallocate; and those around them, so that a failure carries its errno. Linux.
final class NativeIo {
    static final int O_RDWR = 2;
    static final int O_CREAT = 0100;
    static final int O_CLOEXEC = 02000000;

    static final int EINTR = 4;
    static final int EAGAIN = 11;
    static final int EINVAL = 22;
    static final int ENOSPC = 28;
    static final int EOPNOTSUPP = 95;

    private static final int RWF_NOWAIT = 8;
    private static final Linker LINKER = Linker.nativeLinker();
    private static final Linker.Option ERRNO = Linker.Option.captureCallState("errno");
    private static final VarHandle ERRNO_VALUE =
            Linker.Option.captureStateLayout()
                    .varHandle(MemoryLayout.PathElement.groupElement("errno"));
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;

    private static final MethodHandle OPEN =
            handle(
                    "open",
                    FunctionDescriptor.of(INT, ValueLayout.ADDRESS, INT, INT),
                    Linker.Option.firstVariadicArg(2));
    private static final MethodHandle CLOSE = handle("close", FunctionDescriptor.of(INT, INT));
    private static final MethodHandle PREAD =
            handle("pread", FunctionDescriptor.of(LONG, INT, ValueLayout.ADDRESS, LONG, LONG));
    private static final MethodHandle PWRITE =
            handle("pwrite", FunctionDescriptor.of(LONG, INT, ValueLayout.ADDRESS, LONG, LONG));
    private static final MethodHandle PREADV2 =
            handle(
                    "preadv2",
                    FunctionDescriptor.of(LONG, INT, ValueLayout.ADDRESS, INT, LONG, INT));
    private static final MethodHandle FDATASYNC =
            handle("fdatasync", FunctionDescriptor.of(INT, INT));
    private static final MethodHandle FALLOCATE =
            handle("posix_fallocate", FunctionDescriptor.of(INT, INT, LONG, LONG));
    private static final MethodHandle STRERROR =
            LINKER.downcallHandle(
                    LINKER.defaultLookup().findOrThrow("strerror"),
                    FunctionDescriptor.of(ValueLayout.ADDRESS, INT));

    private static final ThreadLocal<Scratch> SCRATCH = ThreadLocal.withInitial(Scratch::new);

    /// Where a call on this thread leaves its errno, and an iovec.
    private static final class Scratch {
        final MemorySegment state;
        final MemorySegment iovec;

        Scratch() {
            Arena arena = Arena.ofAuto();
            state = arena.allocate(Linker.Option.captureStateLayout());
            iovec = arena.allocate(16, 8);
        }

        int errno() {
            return (int) ERRNO_VALUE.get(state, 0L);
        }
    }

    private NativeIo() {}

    private static MethodHandle handle(
            String name, FunctionDescriptor type, Linker.Option... more) {
        Linker.Option[] options = new Linker.Option[more.length + 1];
        options[0] = ERRNO;
        System.arraycopy(more, 0, options, 1, more.length);
        return LINKER.downcallHandle(LINKER.defaultLookup().findOrThrow(name), type, options);
    }

    /// Negative errno, or the descriptor.
    static int open(String path, int flags, int mode) {
        Scratch s = SCRATCH.get();
        try (Arena arena = Arena.ofConfined()) {
            int fd = (int) OPEN.invokeExact(s.state, arena.allocateFrom(path), flags, mode);
            return fd < 0 ? -s.errno() : fd;
        } catch (Throwable e) {
            throw impossible(e);
        }
    }

    static int close(int fd) {
        Scratch s = SCRATCH.get();
        try {
            return (int) CLOSE.invokeExact(s.state, fd) < 0 ? -s.errno() : 0;
        } catch (Throwable e) {
            throw impossible(e);
        }
    }

    /// Negative errno, or the bytes read, 0 at the end.
    static long pread(int fd, MemorySegment dst, long offset) {
        Scratch s = SCRATCH.get();
        try {
            long n = (long) PREAD.invokeExact(s.state, fd, dst, dst.byteSize(), offset);
            return n < 0 ? -s.errno() : n;
        } catch (Throwable e) {
            throw impossible(e);
        }
    }

    /// As [#pread] but only from memory: -EAGAIN or fewer bytes where the disk would be asked.
    static long preadNoWait(int fd, MemorySegment dst, long offset) {
        Scratch s = SCRATCH.get();
        try {
            s.iovec.set(ValueLayout.ADDRESS, 0, dst);
            s.iovec.set(LONG, 8, dst.byteSize());
            long n = (long) PREADV2.invokeExact(s.state, fd, s.iovec, 1, offset, RWF_NOWAIT);
            return n < 0 ? -s.errno() : n;
        } catch (Throwable e) {
            throw impossible(e);
        }
    }

    static long pwrite(int fd, MemorySegment src, long offset) {
        Scratch s = SCRATCH.get();
        try {
            long n = (long) PWRITE.invokeExact(s.state, fd, src, src.byteSize(), offset);
            return n < 0 ? -s.errno() : n;
        } catch (Throwable e) {
            throw impossible(e);
        }
    }

    static int fdatasync(int fd) {
        Scratch s = SCRATCH.get();
        try {
            return (int) FDATASYNC.invokeExact(s.state, fd) < 0 ? -s.errno() : 0;
        } catch (Throwable e) {
            throw impossible(e);
        }
    }

    /// Positive errno, or 0.
    static int fallocate(int fd, long offset, long length) {
        Scratch s = SCRATCH.get();
        try {
            return (int) FALLOCATE.invokeExact(s.state, fd, offset, length);
        } catch (Throwable e) {
            throw impossible(e);
        }
    }

    /// An exception naming call, file and errno.
    static IOException error(String call, Object file, long errno) {
        String text;
        try {
            MemorySegment s = (MemorySegment) STRERROR.invokeExact((int) errno);
            text = s.reinterpret(256).getString(0);
        } catch (Throwable e) {
            throw impossible(e);
        }
        return new IOException(call + " " + file + ": errno " + errno + ", " + text);
    }

    private static AssertionError impossible(Throwable e) {
        if (e instanceof Error error) {
            throw error;
        }
        return new AssertionError(e);
    }
}
