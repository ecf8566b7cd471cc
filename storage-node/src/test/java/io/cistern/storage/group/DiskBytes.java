package io.cistern.storage.group;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/// Damages what a node has stored, behind its back.
final class DiskBytes {
    private static final int BLOCK = 4096;

    private DiskBytes() {}

    /// Flips a bit in every stored copy of a block with these contents.
    ///
    /// @return how many were found
    static int damage(Path disk, byte[] block) throws IOException {
        List<Path> files;
        try (var walk = Files.walk(disk.resolve("data"))) {
            files = walk.filter(Files::isRegularFile).toList();
        }
        int found = 0;
        byte[] buffer = new byte[BLOCK];
        for (Path file : files) {
            try (RandomAccessFile data = new RandomAccessFile(file.toFile(), "rw")) {
                for (long at = 0; at + BLOCK <= data.length(); at += BLOCK) {
                    data.seek(at);
                    data.readFully(buffer);
                    if (java.util.Arrays.equals(buffer, block)) {
                        data.seek(at + 1000);
                        data.write(buffer[1000] ^ 4);
                        found++;
                    }
                }
            }
        }
        return found;
    }
}
