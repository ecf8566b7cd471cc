package io.cistern.raft;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class OpenSegmentTest {
    @TempDir Path directory;

    @Test
    void theDirectoryAndTheFileBeforeAreSyncedOnceForEachNewFile() throws Exception {
        List<Path> synced = new ArrayList<>();
        OpenSegment segment = new OpenSegment(directory, synced::add);
        Path first = Files.write(directory.resolve("log_inprogress_0"), new byte[8]);
        segment.aboutToSync();
        segment.aboutToSync();
        assertThat(synced).containsExactly(directory);
        Path closed = Files.move(first, directory.resolve("log_0-9"));
        Files.write(directory.resolve("log_inprogress_10"), new byte[8]);
        segment.aboutToSync();
        segment.aboutToSync();
        assertThat(synced).containsExactly(directory, closed, directory);
    }

    @Test
    void nothingIsSyncedIntoAFileThatIsGone() throws Exception {
        OpenSegment segment = new OpenSegment(directory, path -> {});
        Path open = Files.write(directory.resolve("log_inprogress_0"), new byte[8]);
        segment.aboutToSync();
        Files.delete(open);
        assertThatThrownBy(segment::aboutToSync)
                .isInstanceOf(IOException.class)
                .hasMessageContaining("is gone");
    }
}
