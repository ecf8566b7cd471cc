package io.cistern.server.local;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Optional;

/// Remembers a process across commands: its id and when the kernel started it, so that a later
/// process which happens to get the same id is not taken for it.
///
/// The file holds one line: `PID START`, START in clock ticks since boot (field 22 of proc(5)'s
/// `/proc/PID/stat`), or in milliseconds since 1970 where there is no such file.
record PidFile(Path file) {

    void write(ProcessHandle process) {
        try {
            Path parent = file.toAbsolutePath().getParent();
            if (parent != null) {
                Files.createDirectories(parent);
            }
            Path next = file.resolveSibling(file.getFileName() + ".next");
            Files.writeString(next, process.pid() + " " + startOf(process) + "\n");
            Files.move(
                    next,
                    file,
                    StandardCopyOption.REPLACE_EXISTING,
                    StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            throw new CisternException(ErrorCode.IO, "cannot write " + file + ": " + e, e);
        }
    }

    /// The process, if it is the one that was written and runs.
    Optional<ProcessHandle> live() {
        String[] words;
        try {
            words = Files.readString(file).strip().split(" ");
        } catch (NoSuchFileException e) {
            return Optional.empty();
        } catch (IOException e) {
            throw new CisternException(ErrorCode.IO, "cannot read " + file + ": " + e, e);
        }
        if (words.length != 2 || !words[0].matches("[0-9]{1,10}")) {
            return Optional.empty();
        }
        return ProcessHandle.of(Long.parseLong(words[0]))
                .filter(ProcessHandle::isAlive)
                .filter(p -> startOf(p).equals(words[1]));
    }

    void delete() {
        try {
            Files.deleteIfExists(file);
        } catch (IOException e) {
            throw new CisternException(ErrorCode.IO, "cannot delete " + file + ": " + e, e);
        }
    }

    private static String startOf(ProcessHandle process) {
        Path stat = Path.of("/proc", Long.toString(process.pid()), "stat");
        try {
            String text = Files.readString(stat);
            // The second field, the command in parentheses, may hold spaces.
            String[] fields = text.substring(text.lastIndexOf(')') + 2).split(" ");
            return fields[0].equals("Z") ? "ended" : fields[19];
        } catch (IOException e) {
            return process.info()
                    .startInstant()
                    .map(i -> Long.toString(i.toEpochMilli()))
                    .orElse("unknown");
        }
    }
}
