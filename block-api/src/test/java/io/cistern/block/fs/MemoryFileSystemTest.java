package io.cistern.block.fs;

import io.cistern.block.fs.testing.FileModel;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.ShrinkingMode;

/// Random histories of a share in memory, against plain collections.
class MemoryFileSystemTest {
    @Property(tries = 40, shrinking = ShrinkingMode.OFF)
    void anyHistoryIsThatOfTheModel(@ForAll long seed) {
        Random random = new Random(seed);
        MemoryFileSystem fs = new MemoryFileSystem();
        FileModel model = new FileModel(fs, random);
        List<String> snapshots = new ArrayList<>();
        for (int i = 0; i < 300; i++) {
            model.step();
            if (random.nextInt(60) == 0 && snapshots.size() < 4) {
                String name = "s" + i;
                fs.snapshot(name);
                model.snapshotted(name);
                snapshots.add(name);
            }
            if (random.nextInt(30) == 0) {
                fs.clean().join();
            }
            if (random.nextInt(100) == 0) {
                model.compare();
            }
        }
        model.compare();
        if (!snapshots.isEmpty()) {
            String from = snapshots.getFirst();
            MemoryFileSystem copy = fs.cloned(from);
            // Files that were held without a name have nobody to hold them here.
            copy.clean().join();
            FileModel clone = model.cloned(from, copy);
            clone.compare();
            for (int i = 0; i < 50; i++) {
                clone.step();
            }
            clone.compare();
            model.compare();
        }
    }
}
