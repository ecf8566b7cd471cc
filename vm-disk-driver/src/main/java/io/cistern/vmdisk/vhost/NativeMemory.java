package io.cistern.vmdisk.vhost;

import static io.cistern.vmdisk.vhost.Libc.bind;
import static io.cistern.vmdisk.vhost.Libc.call;
import static io.cistern.vmdisk.vhost.Libc.longCall;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/// Memory files and their mappings. Failures are IOExceptions that name the call and errno. Any
/// thread may call any method.
public final class NativeMemory {
    private static final int PROT_READ_WRITE = 3;
    private static final int MAP_SHARED = 1;
    private static final int MAP_PRIVATE_ANONYMOUS_FIXED_NORESERVE = 0x4032;
    private static final int MREMAP_MAYMOVE = 1;
    private static final int SEEK_END = 2;
    private static final int F_ADD_SEALS = 1033;
    private static final int F_GET_SEALS = 1034;
    private static final int F_SEAL_SHRINK = 2;
    private static final int F_SEAL_GROW = 4;
    private static final int MFD_CLOEXEC_ALLOW_SEALING = 3;

    private static final MethodHandle MMAP =
            bind(
                    "mmap",
                    FunctionDescriptor.of(
                            JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT,
                            JAVA_LONG));
    private static final MethodHandle MREMAP =
            bind(
                    "mremap",
                    FunctionDescriptor.of(JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT));
    private static final MethodHandle MUNMAP =
            bind("munmap", FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_LONG));
    private static final MethodHandle LSEEK =
            bind("lseek", FunctionDescriptor.of(JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_INT));
    private static final MethodHandle FTRUNCATE =
            bind("ftruncate", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_LONG));
    private static final MethodHandle MEMFD_CREATE =
            bind("memfd_create", FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_INT));

    private NativeMemory() {}

    /// An anonymous file of that size which can neither shrink nor grow.
    public static int memfd(String name, long bytes) throws IOException {
        int fd = memfdUnsealed(name, bytes);
        try {
            call(
                    "fcntl",
                    s ->
                            (int)
                                    Native.FCNTL.invokeExact(
                                            s.errno, fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW));
            return fd;
        } catch (IOException e) {
            Native.close(fd);
            throw e;
        }
    }

    /// An anonymous file of that size.
    static int memfdUnsealed(String name, long bytes) throws IOException {
        int fd;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment text = arena.allocateFrom(name);
            fd =
                    call(
                            "memfd_create",
                            s ->
                                    (int)
                                            MEMFD_CREATE.invokeExact(
                                                    s.errno,
                                                    text.address(),
                                                    MFD_CLOEXEC_ALLOW_SEALING));
        }
        try {
            truncate(fd, bytes);
            return fd;
        } catch (IOException e) {
            Native.close(fd);
            throw e;
        }
    }

    static void truncate(int fd, long bytes) throws IOException {
        call("ftruncate", s -> (int) FTRUNCATE.invokeExact(s.errno, fd, bytes));
    }

    /// True where the file can never become smaller.
    static boolean cannotShrink(int fd) {
        try {
            int seals =
                    call("fcntl", s -> (int) Native.FCNTL.invokeExact(s.errno, fd, F_GET_SEALS, 0));
            return (seals & F_SEAL_SHRINK) != 0;
        } catch (IOException noSeals) {
            return false;
        }
    }

    /// A file's size in bytes.
    static long size(int fd) throws IOException {
        return longCall("lseek", s -> (long) LSEEK.invokeExact(s.errno, fd, 0L, SEEK_END));
    }

    /// Maps a file's first `bytes` for reading and writing, shared.
    static long map(int fd, long bytes) throws IOException {
        return map(0, bytes, MAP_SHARED, fd);
    }

    /// Maps the pages of a shared mapping a second time, elsewhere (mremap of an old size of 0).
    static long mapAgain(long address, long bytes) throws IOException {
        return longCall(
                "mremap",
                s -> (long) MREMAP.invokeExact(s.errno, address, 0L, bytes, MREMAP_MAYMOVE));
    }

    /// Maps private zeroes over a range that is mapped, as one step.
    static void replaceByPrivate(long address, long bytes) throws IOException {
        map(address, bytes, MAP_PRIVATE_ANONYMOUS_FIXED_NORESERVE, -1);
    }

    private static long map(long address, long bytes, int flags, int fd) throws IOException {
        return longCall(
                "mmap",
                s ->
                        (long)
                                MMAP.invokeExact(
                                        s.errno, address, bytes, PROT_READ_WRITE, flags, fd, 0L));
    }

    static void unmap(long address, long bytes) throws IOException {
        call("munmap", s -> (int) MUNMAP.invokeExact(s.errno, address, bytes));
    }
}
