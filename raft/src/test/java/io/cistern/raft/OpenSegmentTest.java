package io.cistern.raft;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class OpenSegmentTest {
    @TempDir Path directory;

    @Test
    void theDirectoryIsSyncedOnceForEachNewFile() throws Exception {
        List<Path> synced = new ArrayList<>();
        OpenSegment segment = new OpenSegment(directory, synced::add);
        Path first = Files.write(directory.resolve("log_inprogress_0"), new byte[8]);
        segment.aboutToSync();
        segment.aboutToSync();
        assertThat(synced).containsExactly(directory);
        Files.move(first, directory.resolve("log_0-9"));
        // Renamed, and the next one not there yet: nothing is known to be durable.
        segment.aboutToSync();
        segment.aboutToSync();
        assertThat(synced).hasSize(3);
        Files.write(directory.resolve("log_inprogress_10"), new byte[8]);
        segment.aboutToSync();
        segment.aboutToSync();
        assertThat(synced).hasSize(4);
    }
}
