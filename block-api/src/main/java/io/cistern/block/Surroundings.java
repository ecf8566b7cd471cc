package io.cistern.block;

import java.io.IOException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.file.AccessDeniedException;
import java.util.List;

/// Tells what ails the process or the machine, and goes away with it, from damage of a file. What
/// is damaged is set aside and rebuilt; a node that is started as the wrong user, or on a file
/// system that is full, must not give up its data, and so would all that are started alike.
public final class Surroundings {
    /// What failures say: EACCES, EPERM, EMFILE, ENFILE, ENOMEM, ENOSPC, EDQUOT, EROFS, EINTR,
    /// ESTALE, ENOTCONN. In English: the launcher sees to that.
    private static final List<String> WORDS =
            List.of(
                    "Permission denied",
                    "Operation not permitted",
                    "Too many open files",
                    "Cannot allocate memory",
                    "No space left on device",
                    "Disk quota exceeded",
                    "Read-only file system",
                    "Interrupted system call",
                    "Stale file handle",
                    "Transport endpoint is not connected");

    private Surroundings() {}

    /// True where a failure with this message is no damage.
    public static boolean ail(String message) {
        return WORDS.stream().anyMatch(message::contains);
    }

    /// True where this failure is no damage.
    public static boolean ail(IOException failure) {
        return failure instanceof AccessDeniedException
                || failure instanceof ClosedByInterruptException
                || ail(String.valueOf(failure.getMessage()));
    }
}
