package io.cistern.vmdisk.vhost;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/// How functions of the C library are called here, and what each call needs (Linux, LP64). Pointers
/// travel as longs. Any thread may call any method.
public final class Libc {
    public static final int EINTR = 4;
    public static final int EAGAIN = 11;

    /// Most descriptors received with one message: the protocol's eight memory regions, and room to
    /// notice that somebody sends more.
    static final int MAX_FDS = 16;

    static final int MSGHDR_BYTES = 56;
    static final int CMSG_HEADER_BYTES = 16;
    static final int CONTROL_BYTES = CMSG_HEADER_BYTES + 4 * MAX_FDS;

    static final Linker LINKER = Linker.nativeLinker();
    private static final long ERRNO_OFFSET =
            Linker.Option.captureStateLayout()
                    .byteOffset(MemoryLayout.PathElement.groupElement("errno"));

    private Libc() {}

    /// A call's own scratch memory; each thread has one.
    static final class Scratch {
        private final MemorySegment all = Arena.ofAuto().allocate(1024, 16);
        final MemorySegment errno = all.asSlice(0, 16);
        final MemorySegment header = all.asSlice(16, MSGHDR_BYTES);
        final MemorySegment vector = all.asSlice(80, 16);
        final MemorySegment value = all.asSlice(96, 16);
        final MemorySegment control = all.asSlice(128, CONTROL_BYTES);
        final MemorySegment address = all.asSlice(256, 128);
        final MemorySegment polls = all.asSlice(384, 64);

        int error() {
            return Libc.errno(errno);
        }
    }

    private static final ThreadLocal<Scratch> SCRATCH = ThreadLocal.withInitial(Scratch::new);

    /// The calling thread's.
    static Scratch scratch() {
        return SCRATCH.get();
    }

    interface IntCall {
        int run(Scratch s) throws Throwable;
    }

    static int call(String name, IntCall call) throws IOException {
        Scratch s = SCRATCH.get();
        while (true) {
            int result;
            try {
                result = call.run(s);
            } catch (Throwable t) {
                throw unexpected(name, t);
            }
            if (result >= 0) {
                return result;
            }
            if (s.error() != EINTR) {
                throw failed(name, s.error());
            }
        }
    }

    interface LongCall {
        long run(Scratch s) throws Throwable;
    }

    /// A call that returns an address or an offset, -1 where it failed; it is not repeated.
    static long longCall(String name, LongCall call) throws IOException {
        Scratch s = SCRATCH.get();
        long result;
        try {
            result = call.run(s);
        } catch (Throwable t) {
            throw unexpected(name, t);
        }
        if (result == -1) {
            throw failed(name, s.error());
        }
        return result;
    }

    static IOException failed(String name, int errno) {
        return new IOException(name + " failed, errno " + errno);
    }

    /// What a call left at `state`, where the handles of [#bind] keep it.
    public static int errno(MemorySegment state) {
        return state.get(JAVA_INT, ERRNO_OFFSET);
    }

    /// A function of `count` ints that returns one.
    static MethodHandle ints(String name, int count) {
        MemoryLayout[] arguments = new MemoryLayout[count];
        java.util.Arrays.fill(arguments, JAVA_INT);
        return bind(name, FunctionDescriptor.of(JAVA_INT, arguments));
    }

    /// A function whose errno is kept: the handle's first argument is where.
    public static MethodHandle bind(String name, FunctionDescriptor descriptor) {
        return LINKER.downcallHandle(
                LINKER.defaultLookup().findOrThrow(name),
                descriptor,
                Linker.Option.captureCallState("errno"));
    }

    /// What a downcall threw, which it does only where it was put together wrongly.
    public static IllegalStateException unexpected(String call, Throwable cause) {
        if (cause instanceof Error error) {
            throw error;
        }
        return new IllegalStateException("calling " + call + " failed", cause);
    }
}
