package io.cistern.volume.node;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.volume.node.NodeFile.LocalDisk;
import io.cistern.volume.node.NodeFile.LocalReplica;
import io.cistern.volume.system.Level;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A node knows who it is whatever one fault does to the file that says so.
class NodeFileTest {
    @TempDir Path directory;

    private static NodeFile file() {
        return new NodeFile(
                NodeFile.FORMAT,
                "0b7cbd8a-3a9c-4a5b-9f0e-3f6a3f1c2d4e",
                "n1",
                List.of(new LocalDisk(0, "/disk", 1 << 30)),
                List.of(
                        new LocalReplica(
                                1, "n1.2", 0, List.of(new NodeOrder.Place("n1.2", "n1", "h:1")))),
                new TreeMap<>(Map.of("n1", "h:2")),
                null,
                null);
    }

    @Test
    void everyFlippedBitIsFoundAndMendedFromTheCopy() throws IOException {
        file().store(directory);
        Path path = directory.resolve(NodeFile.FILE);
        byte[] sound = Files.readAllBytes(path);
        for (int bit = 0; bit < sound.length * 8; bit++) {
            byte[] flipped = sound.clone();
            flipped[bit / 8] ^= (byte) (1 << bit % 8);
            Files.write(path, flipped);
            Files.write(directory.resolve(NodeFile.COPY), sound);
            assertThat(NodeFile.load(directory)).as("bit %s", bit).isEqualTo(file());
        }
        Files.delete(path);
        NodeFile loaded = NodeFile.load(directory);
        assertThat(loaded).isEqualTo(file());
        file().mend(directory);
        assertThat(Files.readAllBytes(path)).isEqualTo(sound);
        Files.writeString(directory.resolve(NodeFile.COPY), "?");
        assertThat(NodeFile.load(directory)).isEqualTo(file());
        file().mend(directory);
        assertThat(Files.readAllBytes(directory.resolve(NodeFile.COPY))).isEqualTo(sound);
    }

    /// An older program knows format 1 only, and does not start where there is more to know.
    @Test
    void theLevelOfTheClusterIsInTheFormat() throws IOException {
        NodeFile raised = file().withLevel(Level.NEWEST);
        raised.store(directory);
        assertThat(Files.readString(directory.resolve(NodeFile.FILE)))
                .startsWith("{\"format\":" + (1 + Level.NEWEST) + ",");
        assertThat(NodeFile.load(directory)).isEqualTo(raised);
        assertThat(raised.level()).isEqualTo(Level.NEWEST);
        file().withLevel(Level.NEWEST + 1).store(directory);
        file().store(directory.resolve("other"));
        Files.copy(
                directory.resolve("other").resolve(NodeFile.FILE),
                directory.resolve(NodeFile.COPY),
                StandardCopyOption.REPLACE_EXISTING);
        assertThatThrownBy(() -> NodeFile.load(directory))
                .as("nor from a copy of before")
                .hasMessageContaining("is at format level " + (Level.NEWEST + 1))
                .isInstanceOfSatisfying(
                        CisternException.class,
                        e -> assertThat(e.code()).isEqualTo(ErrorCode.INVALID));
    }

    @Test
    void aFileWithoutAChecksumIsRead() throws IOException {
        Files.write(directory.resolve(NodeFile.FILE), Json.bytes(NodeFile.class, file()));
        assertThat(NodeFile.load(directory)).isEqualTo(file());
    }

    @Test
    void twoDamagedFilesAreCorruptAndNoFileIsNone() throws IOException {
        assertThat(NodeFile.load(directory)).isNull();
        Files.write(directory.resolve(NodeFile.FILE), "{".getBytes(StandardCharsets.UTF_8));
        Files.write(directory.resolve(NodeFile.COPY), "{".getBytes(StandardCharsets.UTF_8));
        assertThatThrownBy(() -> NodeFile.load(directory))
                .isInstanceOfSatisfying(
                        CisternException.class,
                        e -> assertThat(e.code()).isEqualTo(ErrorCode.CORRUPT));
    }
}
