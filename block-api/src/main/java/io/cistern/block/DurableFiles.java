package io.cistern.block;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Objects;

/// Small files that a power cut leaves as they were or as they are meant to be, nothing between.
/// Methods block on the disk; any thread may call them, for a given file one at a time.
public final class DurableFiles {
    private DurableFiles() {}

    /// Replaces a file as a whole, or creates it. Durable on return: written under a temporary name
    /// (`NAME.new`), synced, renamed, and the directory synced.
    ///
    /// @throws IOException the file is then what it was, or what it was to become
    public static void replace(Path path, byte[] bytes) throws IOException {
        Path temporary = path.resolveSibling(path.getFileName() + ".new");
        try (FileChannel channel =
                FileChannel.open(
                        temporary,
                        StandardOpenOption.CREATE,
                        StandardOpenOption.TRUNCATE_EXISTING,
                        StandardOpenOption.WRITE)) {
            ByteBuffer left = ByteBuffer.wrap(bytes);
            while (left.hasRemaining()) {
                channel.write(left);
            }
            channel.force(true);
        }
        Files.move(
                temporary,
                path,
                StandardCopyOption.ATOMIC_MOVE,
                StandardCopyOption.REPLACE_EXISTING);
        sync(Objects.requireNonNull(path.toAbsolutePath().getParent()));
    }

    /// Creates a directory, and those above it, where they are missing. The names of those that it
    /// made are durable on return: what is fsynced in a directory may be lost with it else.
    public static void createDirectories(Path directory) throws IOException {
        Path path = directory.toAbsolutePath();
        Path parent = path.getParent();
        if (parent == null || Files.isDirectory(path)) {
            return;
        }
        createDirectories(parent);
        Files.createDirectories(path);
        sync(parent);
    }

    /// Makes a file's content, or the names in a directory, durable.
    public static void sync(Path path) throws IOException {
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            channel.force(true);
        }
    }
}
