package io.cistern.storage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.UUID;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A damaged disk becomes an empty one; what it held is set aside.
class DiskReplaceTest {
    @TempDir Path directory;

    @Test
    void aDamagedDiskIsSetAsideAndEmpty() throws IOException {
        DiskConfig config = DiskConfig.of(directory, UUID.randomUUID(), "n0");
        Disk disk = Disk.format(config);
        UUID before = disk.id();
        disk.close();
        Files.writeString(directory.resolve("node.json"), "not the disk's");
        Path superblock = directory.resolve("cistern.disk");
        Files.write(superblock, new byte[(int) Files.size(superblock)]);
        assertThatThrownBy(() -> Disk.open(config))
                .isInstanceOfSatisfying(
                        CisternException.class,
                        e -> assertThat(e.code()).isEqualTo(ErrorCode.CORRUPT));

        try (Disk fresh = Disk.replace(config)) {
            assertThat(fresh.id()).isNotEqualTo(before);
        }
        assertThat(directory.resolve("damaged/cistern.disk")).exists();
        assertThat(directory.resolve("node.json")).exists();
        Disk.open(config).close();
    }

    @Test
    void aCrashInTheMiddleLeavesADiskThatCanBeFormatted() throws IOException {
        DiskConfig config = DiskConfig.of(directory, UUID.randomUUID(), "n0");
        Disk.format(config).close();
        Files.writeString(directory.resolve("node.json"), "not the disk's");
        Files.write(directory.resolve("cistern.formatting"), new byte[0]);
        Files.delete(directory.resolve("cistern.disk"));
        Disk.format(config).close();
        Disk.open(config).close();
    }
}
