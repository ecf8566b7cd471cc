package io.cistern.block;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.jspecify.annotations.Nullable;

/// Locks on whole files, by which one process, and one user in it, has something to itself. The
/// system ends a lock with the channel, and so with the process; also where the same process opens
/// and closes the file once more (POSIX, fcntl), so whoever has a lock must not try it again. Any
/// thread.
public final class FileLocks {
    private FileLocks() {}

    /// Opens a file, created where there is none, and locks it until the channel is closed.
    ///
    /// @return null where somebody has it, in this process or another
    public static @Nullable FileChannel take(Path file) throws IOException {
        FileChannel channel =
                FileChannel.open(
                        file,
                        StandardOpenOption.CREATE,
                        StandardOpenOption.READ,
                        StandardOpenOption.WRITE);
        boolean locked = false;
        try {
            locked = lock(channel);
            return locked ? channel : null;
        } finally {
            if (!locked) {
                channel.close();
            }
        }
    }

    /// Locks an open file.
    ///
    /// @return false where somebody has it, in this process or another
    public static boolean lock(FileChannel channel) throws IOException {
        try {
            return channel.tryLock() != null;
        } catch (OverlappingFileLockException here) {
            return false;
        }
    }
}
