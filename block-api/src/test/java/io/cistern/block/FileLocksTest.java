package io.cistern.block;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FileLocksTest {
    @TempDir Path directory;

    @Test
    void whoHasALockHasItUntilTheChannelIsClosed() throws IOException {
        Path file = directory.resolve("lock");
        FileChannel first = FileLocks.take(file);
        assertThat(first).isNotNull();
        assertThat(FileLocks.take(file)).isNull();
        first.close();
        try (FileChannel second = FileLocks.take(file)) {
            assertThat(second).isNotNull();
        }
    }

    @Test
    void aTreeIsDeletedAndWhatItsLinksNameIsNot() throws IOException {
        Path kept = Files.createDirectory(directory.resolve("kept"));
        Path file = Files.createFile(kept.resolve("file"));
        Path tree = directory.resolve("tree");
        Files.createDirectories(tree.resolve("a/b"));
        Files.createFile(tree.resolve("a/b/file"));
        Files.createSymbolicLink(tree.resolve("a/link"), kept);
        FileTrees.delete(tree);
        FileTrees.delete(tree);
        assertThat(tree).doesNotExist();
        assertThat(file).exists();
    }
}
