package io.cistern.block;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DurableFilesTest {
    @TempDir Path directory;

    private List<String> names() throws IOException {
        try (Stream<Path> list = Files.list(directory)) {
            return list.map(path -> path.getFileName().toString()).sorted().toList();
        }
    }

    @Test
    void createsReplacesAndLeavesNothingElse() throws IOException {
        Path file = directory.resolve("state");
        DurableFiles.replace(file, new byte[] {1, 2, 3});
        assertThat(file).hasBinaryContent(new byte[] {1, 2, 3});
        // What an earlier attempt left behind, longer than what comes, is in nobody's way.
        Files.write(directory.resolve("state.new"), new byte[100]);
        DurableFiles.replace(file, new byte[] {4});
        assertThat(file).hasBinaryContent(new byte[] {4});
        assertThat(names()).containsExactly("state");
    }

    @Test
    void aFailureLeavesTheFileAsItWas() throws IOException {
        Path file = directory.resolve("state");
        DurableFiles.replace(file, new byte[] {1});
        Files.createDirectory(directory.resolve("state.new"));
        assertThatThrownBy(() -> DurableFiles.replace(file, new byte[] {2}))
                .isInstanceOf(IOException.class);
        assertThat(file).hasBinaryContent(new byte[] {1});
    }

    @Test
    void directoriesAreMadeWithThoseAboveThem() throws IOException {
        Path deep = directory.resolve("a/b/c");
        DurableFiles.createDirectories(deep);
        DurableFiles.createDirectories(deep);
        assertThat(deep).isDirectory();
        Path link = Files.createSymbolicLink(directory.resolve("link"), directory.resolve("a"));
        DurableFiles.createDirectories(link.resolve("d"));
        assertThat(directory.resolve("a/d")).isDirectory();
        Path file = Files.write(directory.resolve("file"), new byte[1]);
        assertThatThrownBy(() -> DurableFiles.createDirectories(file.resolve("e")))
                .isInstanceOf(IOException.class);
    }
}
