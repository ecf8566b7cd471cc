package io.cistern.volume.node;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/// Keeps two processes from running one witness: the file `lock` in its directory, locked while the
/// process lives.
final class HomeLock implements AutoCloseable {
    private final FileChannel channel;

    private HomeLock(FileChannel channel) {
        this.channel = channel;
    }

    /// @throws CisternException BUSY: another process has it; IO
    static HomeLock take(Path home) {
        Path file = home.resolve("lock");
        try {
            FileChannel channel =
                    FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
            try {
                if (channel.tryLock() != null) {
                    return new HomeLock(channel);
                }
            } catch (OverlappingFileLockException here) {
                // This process runs it already.
            }
            channel.close();
        } catch (IOException e) {
            throw new CisternException(ErrorCode.IO, "cannot lock " + file + ": " + e, e);
        }
        throw new CisternException(ErrorCode.BUSY, home + " is in use by another process");
    }

    @Override
    public void close() {
        try {
            channel.close();
        } catch (IOException e) {
            throw new CisternException(ErrorCode.IO, "cannot give up a lock: " + e, e);
        }
    }
}
