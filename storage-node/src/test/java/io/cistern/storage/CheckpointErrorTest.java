package io.cistern.storage;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A checkpoint that ends in an error of the JVM, such as too little memory, stops the process like
/// any other failure: entries would wait for its end for ever.
class CheckpointErrorTest {
    @TempDir Path directory;

    @Test
    void anErrorInACheckpointHalts() throws Exception {
        List<Throwable> halts = new CopyOnWriteArrayList<>();
        DiskConfig config =
                DiskConfig.of(directory, new UUID(1, 2), "n1")
                        .withExtent(4 << 20)
                        .withCapacity(64 << 20)
                        .withBackground(false)
                        .withHalt((message, cause) -> halts.add(cause));
        Disk.format(config).close();
        OutOfMemoryError failure = new OutOfMemoryError("for the test");
        Probe probe =
                step -> {
                    if (step == Probe.Step.DATA_SYNCED) {
                        throw failure;
                    }
                };
        try (Disk disk = Disk.open(config, NativeFile.FACTORY, probe)) {
            Store store = disk.openStore(1);
            Filler.fill(store, 1);
            Throwable ended =
                    store.checkpoint().handle((position, e) -> e).get(5, TimeUnit.SECONDS);
            assertThat(ended).isSameAs(failure);
            assertThat(halts).containsExactly(failure);
        }
    }
}
