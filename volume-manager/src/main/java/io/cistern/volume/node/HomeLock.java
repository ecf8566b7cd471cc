package io.cistern.volume.node;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.FileLocks;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;

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
            FileChannel channel = FileLocks.take(file);
            if (channel != null) {
                return new HomeLock(channel);
            }
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
