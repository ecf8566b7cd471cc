package io.cistern.storage;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.storage.Branch.Point;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;

/// A reader never takes for a hole what moves from a branch to its child while it looks.
class GranuleMovesTest {
    private static final long GRANULE = 70;
    private static final int ROUNDS = 300_000;

    @Test
    void aGranuleThatMovesToTheChildIsFoundAtAnyTime() {
        GranuleMoves moves = new GranuleMoves();
        Branch parent = new Branch(1);
        Branch child = new Branch(2);
        child.parent = new Point(parent, 1);
        parent.granules.add(GRANULE);
        AtomicBoolean done = new AtomicBoolean();
        CompletableFuture<Long> reader = new CompletableFuture<>();
        Thread.ofPlatform()
                .daemon()
                .start(() -> {
                    long missed = 0;
                    while (!done.get()) {
                        missed += moves.next(child, GRANULE) == GRANULE ? 0 : 1;
                    }
                    reader.complete(missed);
                });
        for (int i = 0; i < ROUNDS; i++) {
            child.granules.add(GRANULE);
            moves.moved(parent, GRANULE);
            // And back, so that it can move again: at no time does neither have it.
            parent.granules.add(GRANULE);
            child.granules.remove(GRANULE);
        }
        done.set(true);
        assertThat(reader.join()).as("walks that found a hole").isZero();
    }
}
