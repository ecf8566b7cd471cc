package io.cistern.vmdisk.vhost;

import static io.cistern.vmdisk.vhost.Libc.CMSG_HEADER_BYTES;
import static io.cistern.vmdisk.vhost.Libc.CONTROL_BYTES;
import static io.cistern.vmdisk.vhost.Libc.bind;
import static io.cistern.vmdisk.vhost.Libc.call;
import static io.cistern.vmdisk.vhost.Libc.ints;
import static io.cistern.vmdisk.vhost.Libc.unexpected;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import io.cistern.vmdisk.vhost.Libc.Scratch;
import java.io.IOException;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.nio.charset.StandardCharsets;

/// Sockets that pass descriptors, and eventfds, which Java's own classes do not offer (Linux).
/// Failures are IOExceptions that name the call and errno, but for calls whose doc says otherwise.
/// Any thread may call any method.
public final class Native {
    static final short POLLIN = 1;
    private static final short POLLRDHUP = 0x2000;

    private static final int AF_UNIX = 1;
    private static final int SOCK_STREAM = 1;
    private static final int SOCK_CLOEXEC = 0x80000;
    private static final int SOL_SOCKET = 1;
    private static final int SO_PEERCRED = 17;
    private static final int SCM_RIGHTS = 1;
    private static final int MSG_CTRUNC = 0x8;
    private static final int MSG_NOSIGNAL = 0x4000;
    private static final int MSG_CMSG_CLOEXEC = 0x40000000;
    private static final int F_GETFL = 3;
    private static final int F_SETFL = 4;
    private static final int O_NONBLOCK = 0x800;
    private static final int EFD_NONBLOCK_CLOEXEC = 0x80800;
    private static final int SHUT_RD = 0;
    private static final int SHUT_RDWR = 2;

    private static final int SUN_PATH_OFFSET = 2;
    private static final int SOCKADDR_BYTES = 110;

    static final MethodHandle FCNTL =
            Libc.LINKER.downcallHandle(
                    Libc.LINKER.defaultLookup().findOrThrow("fcntl"),
                    FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT),
                    Linker.Option.captureCallState("errno"),
                    Linker.Option.firstVariadicArg(2));
    private static final MethodHandle SOCKET = ints("socket", 3);
    private static final MethodHandle LISTEN = ints("listen", 2);
    private static final MethodHandle CLOSE = ints("close", 1);
    private static final MethodHandle SHUTDOWN = ints("shutdown", 2);
    private static final MethodHandle EVENTFD = ints("eventfd", 2);
    private static final MethodHandle FCHMOD = ints("fchmod", 2);
    private static final MethodHandle BIND =
            bind("bind", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_INT));
    private static final MethodHandle SOCKETPAIR =
            bind(
                    "socketpair",
                    FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG));
    private static final MethodHandle CONNECT =
            bind("connect", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_INT));
    private static final MethodHandle ACCEPT4 =
            bind(
                    "accept4",
                    FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_INT));
    private static final MethodHandle GETSOCKOPT =
            bind(
                    "getsockopt",
                    FunctionDescriptor.of(
                            JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG));
    private static final MethodHandle RECVMSG =
            bind("recvmsg", FunctionDescriptor.of(JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_INT));
    private static final MethodHandle SENDMSG =
            bind("sendmsg", FunctionDescriptor.of(JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_INT));
    private static final MethodHandle READ =
            bind("read", FunctionDescriptor.of(JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG));
    private static final MethodHandle WRITE =
            bind("write", FunctionDescriptor.of(JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG));
    private static final MethodHandle POLL =
            bind("poll", FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_INT));

    private Native() {}

    // ---- sockets

    /// A listening stream socket at `path`, whose file has mode 0600.
    static int listen(String path, int backlog) throws IOException {
        int fd = call("socket", s -> socket(s));
        try {
            ownerOnly(fd);
            call(
                    "bind",
                    s -> {
                        long address = address(s, path);
                        return (int) BIND.invokeExact(s.errno, fd, address, SOCKADDR_BYTES);
                    });
            call("listen", s -> (int) LISTEN.invokeExact(s.errno, fd, backlog));
            return fd;
        } catch (IOException e) {
            close(fd);
            throw e;
        }
    }

    /// Lets only its owner use the file that a later `bind` makes (Linux).
    public static void ownerOnly(int fd) throws IOException {
        call("fchmod", s -> (int) FCHMOD.invokeExact(s.errno, fd, 0600));
    }

    /// A stream socket connected to `path`.
    public static int connect(String path) throws IOException {
        int fd = call("socket", s -> socket(s));
        try {
            call(
                    "connect",
                    s -> {
                        long address = address(s, path);
                        return (int) CONNECT.invokeExact(s.errno, fd, address, SOCKADDR_BYTES);
                    });
            return fd;
        } catch (IOException e) {
            close(fd);
            throw e;
        }
    }

    /// Two stream sockets that are connected to each other.
    static int[] pair() throws IOException {
        int[] fds = new int[2];
        call(
                "socketpair",
                s -> {
                    int result =
                            (int)
                                    SOCKETPAIR.invokeExact(
                                            s.errno,
                                            AF_UNIX,
                                            SOCK_STREAM | SOCK_CLOEXEC,
                                            0,
                                            s.value.address());
                    fds[0] = s.value.get(JAVA_INT, 0);
                    fds[1] = s.value.get(JAVA_INT, 4);
                    return result;
                });
        return fds;
    }

    private static int socket(Scratch s) throws Throwable {
        return (int) SOCKET.invokeExact(s.errno, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    }

    private static long address(Scratch s, String path) {
        byte[] bytes = path.getBytes(StandardCharsets.UTF_8);
        s.address.fill((byte) 0);
        s.address.set(JAVA_SHORT, 0, (short) AF_UNIX);
        MemorySegment.copy(bytes, 0, s.address, JAVA_BYTE, SUN_PATH_OFFSET, bytes.length);
        return s.address.address();
    }

    /// Waits for a connection.
    static int accept(int fd) throws IOException {
        return call("accept", s -> (int) ACCEPT4.invokeExact(s.errno, fd, 0L, 0L, SOCK_CLOEXEC));
    }

    /// The process that listens on a socket; 0 where unknown.
    ///
    /// @throws IOException where none does
    public static int listenerPid(String path) throws IOException {
        int fd = connect(path);
        try {
            return peerPid(fd);
        } finally {
            close(fd);
        }
    }

    /// The process at the other end; 0 where unknown.
    static int peerPid(int fd) {
        try {
            Scratch s = Libc.scratch();
            s.value.set(JAVA_INT, 0, 12);
            call(
                    "getsockopt",
                    c ->
                            (int)
                                    GETSOCKOPT.invokeExact(
                                            c.errno,
                                            fd,
                                            SOL_SOCKET,
                                            SO_PEERCRED,
                                            c.address.address(),
                                            c.value.address()));
            return s.address.get(JAVA_INT, 0);
        } catch (IOException unknown) {
            return 0;
        }
    }

    /// Ends a socket's stream in both directions: blocked calls on it return. The descriptor stays
    /// open. Ignores failure: a peer that has already gone is what was wanted.
    public static void shutdown(int fd) {
        shutdown(fd, SHUT_RDWR);
    }

    /// Ends the stream from the peer to here: a blocked receive returns what has come, then 0.
    public static void shutdownReading(int fd) {
        shutdown(fd, SHUT_RD);
    }

    private static void shutdown(int fd, int how) {
        try {
            call("shutdown", s -> (int) SHUTDOWN.invokeExact(s.errno, fd, how));
        } catch (IOException alreadyEnded) {
            return;
        }
    }

    /// Closes a descriptor; -1 is none. Ignores failure.
    public static void close(int fd) {
        if (fd < 0) {
            return;
        }
        Scratch s = Libc.scratch();
        try {
            int ignored = (int) CLOSE.invokeExact(s.errno, fd);
        } catch (Throwable t) {
            throw unexpected("close", t);
        }
    }

    /// Receives up to `length` bytes to `address`, and the descriptors that came with them.
    ///
    /// @param fds gets the descriptors, which are the caller's from here on
    /// @return bytes received, 0 at the end of the stream; the number of descriptors is in the
    ///   upper 32 bits
    /// @throws VhostException where more came than fit into `fds`
    public static long receive(int fd, long address, long length, int[] fds) throws IOException {
        Scratch s = Libc.scratch();
        s.vector.set(JAVA_LONG, 0, address);
        s.vector.set(JAVA_LONG, 8, length);
        s.header.fill((byte) 0);
        s.header.set(JAVA_LONG, 16, s.vector.address());
        s.header.set(JAVA_LONG, 24, 1L);
        s.header.set(JAVA_LONG, 32, s.control.address());
        s.header.set(JAVA_LONG, 40, (long) CONTROL_BYTES);
        int n =
                call(
                        "recvmsg",
                        c ->
                                (int)
                                        (long)
                                                RECVMSG.invokeExact(
                                                        c.errno,
                                                        fd,
                                                        c.header.address(),
                                                        MSG_CMSG_CLOEXEC));
        int count = 0;
        long controlBytes = s.header.get(JAVA_LONG, 40);
        if (controlBytes >= CMSG_HEADER_BYTES
                && s.control.get(JAVA_INT, 8) == SOL_SOCKET
                && s.control.get(JAVA_INT, 12) == SCM_RIGHTS) {
            count = (int) (s.control.get(JAVA_LONG, 0) - CMSG_HEADER_BYTES) / 4;
            boolean tooMany = count > fds.length || (s.header.get(JAVA_INT, 48) & MSG_CTRUNC) != 0;
            for (int i = 0; i < count; i++) {
                int passed = s.control.get(JAVA_INT, CMSG_HEADER_BYTES + 4L * i);
                if (tooMany) {
                    close(passed);
                } else {
                    fds[i] = passed;
                }
            }
            if (tooMany) {
                throw new VhostException("more than " + fds.length + " descriptors in a message");
            }
        }
        return n | (long) count << 32;
    }

    /// Sends `length` bytes from `address`, with one descriptor unless `passed` is -1.
    ///
    /// @return bytes sent
    public static int send(int fd, long address, long length, int passed) throws IOException {
        return send(fd, address, length, passed < 0 ? new int[0] : new int[] {passed});
    }

    /// Sends bytes with descriptors, at most [#MAX_FDS].
    public static int send(int fd, long address, long length, int[] passed) throws IOException {
        Scratch s = Libc.scratch();
        s.vector.set(JAVA_LONG, 0, address);
        s.vector.set(JAVA_LONG, 8, length);
        s.header.fill((byte) 0);
        s.header.set(JAVA_LONG, 16, s.vector.address());
        s.header.set(JAVA_LONG, 24, 1L);
        if (passed.length > 0) {
            long bytes = CMSG_HEADER_BYTES + 4L * passed.length;
            s.control.set(JAVA_LONG, 0, bytes);
            s.control.set(JAVA_INT, 8, SOL_SOCKET);
            s.control.set(JAVA_INT, 12, SCM_RIGHTS);
            for (int i = 0; i < passed.length; i++) {
                s.control.set(JAVA_INT, CMSG_HEADER_BYTES + 4L * i, passed[i]);
            }
            s.header.set(JAVA_LONG, 32, s.control.address());
            s.header.set(JAVA_LONG, 40, bytes + 7 & -8);
        }
        return call(
                "sendmsg",
                c ->
                        (int)
                                (long)
                                        SENDMSG.invokeExact(
                                                c.errno, fd, c.header.address(), MSG_NOSIGNAL));
    }

    // ---- events

    /// A counter to wait for, without blocking reads and writes.
    public static int eventfd() throws IOException {
        return call("eventfd", s -> (int) EVENTFD.invokeExact(s.errno, 0, EFD_NONBLOCK_CLOEXEC));
    }

    /// Makes reads and writes of a descriptor return where they would wait.
    static void nonBlocking(int fd) throws IOException {
        int flags = call("fcntl", s -> (int) FCNTL.invokeExact(s.errno, fd, F_GETFL, 0));
        call("fcntl", s -> (int) FCNTL.invokeExact(s.errno, fd, F_SETFL, flags | O_NONBLOCK));
    }

    /// Adds 1 to an eventfd. Whatever fails is the other end's loss.
    public static void signal(int fd) {
        Scratch s = Libc.scratch();
        s.value.set(JAVA_LONG, 0, 1L);
        try {
            long ignored = (long) WRITE.invokeExact(s.errno, fd, s.value.address(), 8L);
        } catch (Throwable t) {
            throw unexpected("write", t);
        }
    }

    /// Takes an eventfd's count.
    ///
    /// @return false at its end, which an eventfd has not: it is something else
    public static boolean drain(int fd) {
        Scratch s = Libc.scratch();
        try {
            return (long) READ.invokeExact(s.errno, fd, s.value.address(), 8L) != 0;
        } catch (Throwable t) {
            throw unexpected("read", t);
        }
    }

    /// Waits until one of two descriptors can be read, or something is wrong with it.
    ///
    /// @param timeoutMs -1 for no limit
    /// @return bit 0: the first is ready; bit 1: the second
    public static int await(int first, int second, int timeoutMs) throws IOException {
        Scratch s = Libc.scratch();
        s.polls.set(JAVA_INT, 0, first);
        s.polls.set(JAVA_INT, 4, POLLIN);
        s.polls.set(JAVA_INT, 8, second);
        s.polls.set(JAVA_INT, 12, POLLIN);
        call("poll", c -> (int) POLL.invokeExact(c.errno, c.polls.address(), 2L, timeoutMs));
        return (s.polls.get(JAVA_SHORT, 6) != 0 ? 1 : 0)
                | (s.polls.get(JAVA_SHORT, 14) != 0 ? 2 : 0);
    }

    /// True where the other end of a socket has closed it, whatever it had sent before.
    static boolean hungUp(int fd) throws IOException {
        Scratch s = Libc.scratch();
        s.polls.set(JAVA_INT, 0, fd);
        s.polls.set(JAVA_INT, 4, POLLRDHUP);
        call("poll", c -> (int) POLL.invokeExact(c.errno, c.polls.address(), 1L, 0));
        return s.polls.get(JAVA_SHORT, 6) != 0;
    }
}
