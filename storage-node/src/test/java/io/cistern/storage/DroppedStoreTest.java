package io.cistern.storage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.raft.LogPosition;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Random;
import java.util.stream.Stream;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;

/// A replica that is being deleted is there whole or not at all, whenever the node stops.
class DroppedStoreTest {
    private static final int GRANULES = 40;

    private static long tables(Path map) throws IOException {
        try (Stream<Path> files = Files.list(map)) {
            return files.filter(f -> f.toString().endsWith(".sst")).count();
        }
    }

    @Test
    void aCrashWhileAReplicaIsDroppedLeavesNoHalf() throws IOException {
        try (Rig rig = new Rig(new ArrayList<>())) {
            // Several files, which RocksDB then merges one level down.
            for (int i = 0; i < 4; i++) {
                Filler.fill(rig.store, GRANULES);
                rig.store.checkpoint().join();
            }
            Path map = rig.directory.resolve("map");
            Awaitility.await().atMost(Duration.ofSeconds(20)).until(() -> tables(map) <= 2);
            rig.store.checkpoint().join();
            rig.store.close();
            rig.crashAt(Probe.Step.GROUP_HALF_DROPPED);
            assertThat(catchThrowable(() -> rig.disk.dropStore(Rig.GROUP))).isNotNull();
            try {
                rig.restart(new Random(1));
            } catch (CisternException gone) {
                // Its rows are gone, and the mark says that there were some: it is dropped again.
                assertThat(gone.code()).isEqualTo(ErrorCode.CORRUPT);
                rig.disk.dropStore(Rig.GROUP);
                rig.restart(new Random(1));
                assertThat(rig.store.applied()).isEqualTo(LogPosition.START);
                return;
            }

            Store store = rig.store;
            View head = store.headView(Filler.VOLUME);
            for (int g = 0; g < GRANULES; g++) {
                ByteBuffer dst = ByteBuffer.allocate(4);
                store.read(head, (long) g * Slots.SLOT_BYTES, dst);
                assertThat(dst.getInt(0)).as("granule %s", g).isEqualTo(g + 1);
            }
        }
    }
}
