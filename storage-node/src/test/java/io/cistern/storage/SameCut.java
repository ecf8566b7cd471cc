package io.cistern.storage;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.storage.StoreCut.CutItem;
import io.cistern.storage.StoreCut.CutPage;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;

/// Compares what two replicas hold as of one entry.
final class SameCut {
    private SameCut() {}

    static StoreCut of(Store store) {
        while (true) {
            CompletableFuture<StoreCut> begun = store.cut();
            if (begun != null) {
                return begun.join();
            }
            Thread.onSpinWait();
        }
    }

    /// Fails, and names the items, where they differ.
    static void check(Store one, Store other, int pageItems) {
        assertThat(one.applied()).isEqualTo(other.applied());
        try (StoreCut a = of(one);
                StoreCut b = of(other)) {
            assertThat(a.position()).isEqualTo(b.position());
            assertThat(differences(a, b, pageItems)).isEmpty();
        }
    }

    /// [#check] against a store that has taken the same entries, and has checkpointed and collected
    /// at other moments.
    ///
    /// @param index of the last entry
    static void checkReplayed(Store one, List<Rig.Entry> log, long index, int pageItems)
            throws IOException {
        try (Rig fresh = new Rig(log)) {
            while (fresh.store.applied().index() < index) {
                fresh.replay(fresh.store.applied().index() + 40);
                fresh.store.checkpoint().join();
                fresh.collectAll();
            }
            check(one, fresh.store, pageItems);
        }
    }

    /// What the items that differ are about.
    static List<StoreCut.Subject> differences(StoreCut a, StoreCut b, int pageItems) {
        List<StoreCut.Subject> found = new ArrayList<>();
        byte[] after = null;
        long items = 0;
        while (true) {
            CutPage page = a.page(after, null, pageItems);
            CutPage same = b.page(after, page.last(), pageItems);
            items += page.items();
            if (page.digest() != same.digest()) {
                TreeMap<byte[], Long> all = new TreeMap<>(Arrays::compareUnsigned);
                for (CutItem item : a.items(after, page.last(), 1 << 20)) {
                    all.put(item.key(), item.digest());
                }
                for (CutItem item : b.items(after, page.last(), 1 << 20)) {
                    Long digest = all.remove(item.key());
                    if (digest == null || digest != item.digest()) {
                        found.add(a.subject(item.key()));
                    }
                }
                all.keySet().forEach(key -> found.add(a.subject(key)));
            }
            if (Arrays.equals(page.last(), StoreCut.end())) {
                assertThat(items).isPositive();
                return found;
            }
            after = page.last();
        }
    }
}
