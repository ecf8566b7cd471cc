package io.cistern.storage;

import io.cistern.block.CisternException;
import io.cistern.block.DurableFiles;
import io.cistern.block.ErrorCode;
import io.cistern.block.FileLocks;
import io.cistern.block.FileTrees;
import io.cistern.block.Surroundings;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.UUID;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.slf4j.LoggerFactory;

/// Makes a directory a disk, and tells whether a directory is the disk it should be.
final class DiskFiles {
    static final String DATA = "data";
    static final String MAP = "map";
    static final String MARKS = "marks";
    private static final String LOGS = "raft";

    /// Stands in a directory while it is being formatted, so that a crash in between leaves
    /// something that may be formatted again.
    private static final String FORMATTING = "cistern.formatting";

    /// Where the contents of a damaged disk go.
    private static final String DAMAGED = "damaged";

    private DiskFiles() {}

    /// An open disk's superblock, and the lock on it.
    record Found(Superblock superblock, FileChannel locked) {}

    static void format(DiskConfig config) {
        Path directory = config.directory();
        if (Files.exists(directory) && !Files.isDirectory(directory)) {
            throw new CisternException(
                    ErrorCode.INVALID,
                    directory
                            + " is not a directory; a device or file cannot be a disk by itself: make a file"
                            + " system on it and give a directory of that");
        }
        try {
            DurableFiles.createDirectories(directory);
            checkEmpty(directory);
            beginFormatting(directory);
            fill(config);
        } catch (IOException e) {
            throw new CisternException(
                    ErrorCode.IO, "cannot make " + directory + " a disk: " + reason(e), e);
        }
    }

    /// The failure to open a disk, as one sentence.
    static CisternException unusable(Path directory, IOException e) {
        return new CisternException(
                Surroundings.ail(e) ? ErrorCode.IO : ErrorCode.CORRUPT,
                "disk "
                        + directory
                        + ": "
                        + (e instanceof FileSystemException ? reason(e) : e.getMessage()),
                e);
    }

    /// What is wrong, in words: the messages of Java's own exceptions are bare paths.
    private static String reason(IOException e) {
        return switch (e) {
            case AccessDeniedException denied -> "no permission for " + denied.getFile();
            case NoSuchFileException missing ->
                    missing.getFile() + " does not exist and cannot be created";
            case FileSystemException other when other.getReason() != null ->
                    other.getFile() + ": " + other.getReason();
            default -> e.toString();
        };
    }

    /// Moves what a damaged disk holds to `damaged/` in it and formats it anew. What was set aside
    /// before is deleted. Logs stay: the caller gives up the replicas they belong to.
    static void replace(DiskConfig config) {
        Path directory = config.directory();
        Path aside = directory.resolve(DAMAGED);
        try {
            beginFormatting(directory);
            FileTrees.delete(aside);
            Files.createDirectory(aside);
            // The superblock goes last: until then a crash leaves a damaged disk, then an empty
            // one.
            for (String name : List.of(DATA, MAP, MARKS, Superblock.FILE)) {
                if (Files.exists(directory.resolve(name))) {
                    Files.move(directory.resolve(name), aside.resolve(name));
                }
            }
            fill(config);
        } catch (IOException e) {
            throw new CisternException(
                    ErrorCode.IO,
                    "cannot set aside what is damaged in " + directory + ": " + e.getMessage(),
                    e);
        }
    }

    private static void fill(DiskConfig config) throws IOException {
        Path directory = config.directory();
        for (String name : List.of(DATA, MAP, MARKS)) {
            FileTrees.delete(directory.resolve(name));
        }
        Files.createDirectory(directory.resolve(DATA));
        Files.createDirectory(directory.resolve(MARKS));
        MapDb.create(directory.resolve(MAP), config.halt()).close();
        Superblock superblock =
                new Superblock(
                        config.cluster(),
                        UUID.randomUUID(),
                        config.node(),
                        config.extentBytes(),
                        System.currentTimeMillis());
        Path fresh = directory.resolve(Superblock.FILE + ".new");
        try (FileChannel channel =
                FileChannel.open(
                        fresh,
                        StandardOpenOption.CREATE,
                        StandardOpenOption.WRITE,
                        StandardOpenOption.TRUNCATE_EXISTING)) {
            superblock.write(channel);
        }
        DurableFiles.sync(directory);
        Files.move(fresh, directory.resolve(Superblock.FILE), StandardCopyOption.ATOMIC_MOVE);
        Files.delete(directory.resolve(FORMATTING));
        DurableFiles.sync(directory);
    }

    /// Notes durably that what is in the directory from now on is ours.
    private static void beginFormatting(Path directory) throws IOException {
        Files.write(directory.resolve(FORMATTING), new byte[0]);
        DurableFiles.sync(directory);
    }

    private static void checkEmpty(Path directory) throws IOException {
        if (Disk.isDisk(directory)) {
            throw new CisternException(
                    ErrorCode.INVALID, directory + " is a Cistern disk already: it is not wiped");
        }
        if (Files.exists(directory.resolve(FORMATTING))) {
            return; // it was accepted before, when formatting began
        }
        try (Stream<Path> list = Files.list(directory)) {
            for (Path path : list.toList()) {
                String name = path.getFileName().toString();
                if (!name.equals(LOGS)) {
                    throw new CisternException(
                            ErrorCode.INVALID,
                            directory
                                    + " is not empty (it holds '"
                                    + name
                                    + "'): give the pool an empty directory");
                }
            }
        }
    }

    /// Locks and reads the superblock, and compares it with what is expected.
    static Found open(DiskConfig config) {
        Path path = config.directory().resolve(Superblock.FILE);
        if (!Files.exists(path)) {
            throw new CisternException(
                    ErrorCode.NOT_FOUND, config.directory() + " is not a Cistern disk");
        }
        FileChannel channel = null;
        try {
            channel = FileChannel.open(path, StandardOpenOption.READ, StandardOpenOption.WRITE);
            if (!FileLocks.lock(channel)) {
                throw new CisternException(
                        ErrorCode.BUSY,
                        "disk " + config.directory() + " is in use by another process");
            }
            Superblock superblock = Superblock.read(channel, path);
            checkOwner(config, superblock);
            return new Found(superblock, channel);
        } catch (IOException e) {
            close(channel);
            throw new CisternException(
                    ErrorCode.IO, "cannot open " + path + ": " + e.getMessage(), e);
        } catch (CisternException e) {
            close(channel);
            throw e;
        }
    }

    /// Replaces the superblock of a disk that nobody has open.
    static void change(Path directory, UnaryOperator<Superblock> changed) {
        Path path = directory.resolve(Superblock.FILE);
        if (!Files.exists(path)) {
            throw new CisternException(ErrorCode.NOT_FOUND, directory + " is not a Cistern disk");
        }
        try (FileChannel channel =
                FileChannel.open(path, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            if (!FileLocks.lock(channel)) {
                throw new CisternException(
                        ErrorCode.BUSY,
                        "disk " + directory + " is in use by another process; stop the node");
            }
            Superblock found = Superblock.read(channel, path);
            Superblock now = changed.apply(found);
            if (!now.equals(found)) {
                now.write(channel);
            }
        } catch (IOException e) {
            throw new CisternException(ErrorCode.IO, "cannot change " + path + ": " + e, e);
        }
    }

    private static void checkOwner(DiskConfig config, Superblock superblock) {
        if (!superblock.cluster().equals(config.cluster())) {
            throw new CisternException(
                    ErrorCode.INVALID,
                    "disk "
                            + config.directory()
                            + " belongs to cluster "
                            + superblock.cluster()
                            + ", not to "
                            + config.cluster());
        }
        if (!superblock.node().equals(config.node())) {
            throw new CisternException(
                    ErrorCode.INVALID,
                    "disk "
                            + config.directory()
                            + " belongs to node '"
                            + superblock.node()
                            + "', not to '"
                            + config.node()
                            + "'");
        }
    }

    static void close(@org.jspecify.annotations.Nullable FileChannel channel) {
        try {
            if (channel != null) {
                channel.close();
            }
        } catch (IOException e) {
            LoggerFactory.getLogger(DiskFiles.class).warn("closing a superblock", e);
        }
    }
}
