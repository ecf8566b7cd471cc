package io.cistern.volume.image;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Where a sparse file has data: lseek(2) with SEEK_DATA and SEEK_HOLE, on a descriptor of its own.
/// Where that cannot be asked, everything is data.
final class SparseMap implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(SparseMap.class);
    private static final int SEEK_DATA = 3;
    private static final int SEEK_HOLE = 4;

    private final int descriptor;
    private final long length;

    SparseMap(Path file, long length) {
        this.length = length;
        this.descriptor = Calls.open(file);
    }

    /// The first byte of data at or after `offset`, -1 if only a hole follows.
    long data(long offset) {
        if (offset >= length) {
            return -1;
        }
        return descriptor < 0 ? offset : Calls.seek(descriptor, offset, SEEK_DATA);
    }

    /// Where the data at `offset` ends.
    long hole(long offset) {
        long end = descriptor < 0 ? length : Calls.seek(descriptor, offset, SEEK_HOLE);
        return end < 0 ? length : Math.min(end, length);
    }

    @Override
    public void close() {
        if (descriptor >= 0) {
            Calls.close(descriptor);
        }
    }

    /// The C library's functions.
    private static final class Calls {
        private static final Linker LINKER = Linker.nativeLinker();
        private static final SymbolLookup LOOKUP = LINKER.defaultLookup();
        private static final MethodHandle OPEN =
                handle(
                        "open",
                        FunctionDescriptor.of(
                                ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.JAVA_INT));
        private static final MethodHandle LSEEK =
                handle(
                        "lseek",
                        FunctionDescriptor.of(
                                ValueLayout.JAVA_LONG,
                                ValueLayout.JAVA_INT,
                                ValueLayout.JAVA_LONG,
                                ValueLayout.JAVA_INT));
        private static final MethodHandle CLOSE =
                handle("close", FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT));

        private static MethodHandle handle(String name, FunctionDescriptor form) {
            return LINKER.downcallHandle(LOOKUP.find(name).orElseThrow(), form);
        }

        static int open(Path file) {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment path = arena.allocateFrom(file.toString());
                return (int) OPEN.invokeExact(path, 0);
            } catch (Throwable e) {
                log.debug("holes of {} are not known: {}", file, e.toString());
                return -1;
            }
        }

        static long seek(int descriptor, long offset, int whence) {
            try {
                return (long) LSEEK.invokeExact(descriptor, offset, whence);
            } catch (Throwable e) {
                throw new IllegalStateException(e);
            }
        }

        static void close(int descriptor) {
            try {
                int closed = (int) CLOSE.invokeExact(descriptor);
                log.trace("closed: {}", closed);
            } catch (Throwable e) {
                throw new IllegalStateException(e);
            }
        }
    }
}
