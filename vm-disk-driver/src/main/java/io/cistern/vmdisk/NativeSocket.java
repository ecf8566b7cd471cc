package io.cistern.vmdisk;

import static io.cistern.vmdisk.vhost.Libc.bind;
import static io.cistern.vmdisk.vhost.Libc.unexpected;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.cistern.vmdisk.vhost.Libc;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/// System calls on a connected socket's file descriptor, without the copies and locks of a channel.
///
/// Results are the call's own, or `-errno` where it failed. Each instance owns scratch memory, so
/// it belongs to one thread at a time; a reader and a writer use one each. Pointers travel as
/// longs: all supported systems are LP64.
final class NativeSocket {
    static final int POLLIN = 1;
    static final int POLLOUT = 4;

    /// Most buffers that one [#send] gathers.
    static final int MAX_GATHER = 64;

    private static final int MSG_DONTWAIT = 0x40;
    private static final int MSG_NOSIGNAL = 0x4000;
    private static final long MSGHDR_BYTES = 56;
    private static final long MSGHDR_IOV = 16;
    private static final long MSGHDR_IOVLEN = 24;
    private static final long POLLFD_BYTES = 8;

    private static final MethodHandle RECV =
            bind(
                    "recv",
                    FunctionDescriptor.of(JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_INT));
    private static final MethodHandle SEND =
            bind(
                    "send",
                    FunctionDescriptor.of(JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_INT));
    private static final MethodHandle SENDMSG =
            bind("sendmsg", FunctionDescriptor.of(JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_INT));
    private static final MethodHandle POLL =
            bind("poll", FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_INT));

    private final int fd;
    private final MemorySegment scratch;
    private final MemorySegment errno;
    private final MemorySegment header;
    private final MemorySegment vector;
    private final MemorySegment pollFd;

    NativeSocket(int fd) {
        this.fd = fd;
        Arena arena = Arena.ofAuto();
        long errnoBytes = Math.max(16, Linker.Option.captureStateLayout().byteSize());
        long vectorBytes = 16L * MAX_GATHER;
        scratch = arena.allocate(errnoBytes + MSGHDR_BYTES + POLLFD_BYTES + vectorBytes, 16);
        errno = scratch.asSlice(0, errnoBytes);
        header = scratch.asSlice(errnoBytes, MSGHDR_BYTES);
        pollFd = scratch.asSlice(errnoBytes + MSGHDR_BYTES, POLLFD_BYTES);
        vector = scratch.asSlice(errnoBytes + MSGHDR_BYTES + POLLFD_BYTES, vectorBytes);
        header.set(JAVA_LONG, MSGHDR_IOV, vector.address());
    }

    int fd() {
        return fd;
    }

    /// Waits for bytes and reads up to `length` of them to `address`.
    ///
    /// @return bytes read, 0 at the end of the stream, or `-errno`
    long receive(long address, long length) {
        try {
            long n = (long) RECV.invokeExact(errno, fd, address, length, 0);
            return n >= 0 ? n : -lastError();
        } catch (Throwable t) {
            throw unexpected("recv", t);
        }
    }

    /// Names buffer `index` of the next [#send].
    void gather(int index, long address, long length) {
        vector.set(JAVA_LONG, 16L * index, address);
        vector.set(JAVA_LONG, 16L * index + 8, length);
    }

    /// Sends the first `count` gathered buffers without waiting.
    ///
    /// @return bytes sent, which may be fewer than given, or `-errno`; `-EAGAIN` where none fits
    long send(int count) {
        try {
            long n;
            if (count == 1) {
                long address = vector.get(JAVA_LONG, 0);
                long length = vector.get(JAVA_LONG, 8);
                n =
                        (long)
                                SEND.invokeExact(
                                        errno, fd, address, length, MSG_DONTWAIT | MSG_NOSIGNAL);
            } else {
                header.set(JAVA_LONG, MSGHDR_IOVLEN, count);
                n =
                        (long)
                                SENDMSG.invokeExact(
                                        errno, fd, header.address(), MSG_DONTWAIT | MSG_NOSIGNAL);
            }
            return n >= 0 ? n : -lastError();
        } catch (Throwable t) {
            throw unexpected("sendmsg", t);
        }
    }

    /// Waits until the socket is ready, or its peer is gone.
    ///
    /// @param events [#POLLIN] or [#POLLOUT]
    /// @param timeoutMs -1 for no limit
    /// @return 0 after the time-out, positive where ready, or `-errno`
    int poll(int events, int timeoutMs) {
        pollFd.set(JAVA_INT, 0, fd);
        pollFd.set(JAVA_INT, 4, events);
        try {
            int n = (int) POLL.invokeExact(errno, pollFd.address(), 1L, timeoutMs);
            return n >= 0 ? n : -lastError();
        } catch (Throwable t) {
            throw unexpected("poll", t);
        }
    }

    private int lastError() {
        return Libc.errno(errno);
    }
}
