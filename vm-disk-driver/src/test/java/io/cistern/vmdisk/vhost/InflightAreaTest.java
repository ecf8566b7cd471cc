package io.cistern.vmdisk.vhost;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

/// A back end that dies at any step, and its successor.
class InflightAreaTest {
    private static final int SIZE = 8;

    private static SharedMemory memory() throws IOException {
        int fd = NativeMemory.memfd("test", InflightArea.bytes(SIZE));
        try {
            return SharedMemory.map(fd, InflightArea.bytes(SIZE));
        } finally {
            Native.close(fd);
        }
    }

    /// Takes, answers and publishes at random, and dies at a random step, again and again. What was
    /// taken and not published is what the next life finds, in the order of taking.
    @Property(tries = 200)
    void whatWasNotAnsweredIsFoundInOrder(@ForAll long seed) throws Exception {
        Random random = new Random(seed);
        SharedMemory memory = memory();
        List<Integer> inFlight = new ArrayList<>();
        int used = random.nextInt(65536);
        try {
            new InflightArea(memory, 0, SIZE).recover(used);
            for (int life = 0; life < 6; life++) {
                InflightArea area = new InflightArea(memory, 0, SIZE);
                assertThat(area.recover(used))
                        .as("seed %s life %s", seed, life)
                        .isEqualTo(inFlight);
                int rounds = random.nextInt(12);
                for (int i = 0; i < rounds; i++) {
                    if (inFlight.size() < SIZE && random.nextBoolean()) {
                        int head = random.nextInt(SIZE);
                        while (inFlight.contains(head)) {
                            head = (head + 1) % SIZE;
                        }
                        area.take(head);
                        inFlight.add(head);
                    } else if (!inFlight.isEmpty()) {
                        used = answer(random, area, inFlight, used);
                        if (used < 0) {
                            used = -used - 1;
                            break;
                        }
                    }
                }
            }
        } finally {
            memory.release();
        }
    }

    /// Answers a batch; dies within it with some chance.
    ///
    /// @return the used index, or, after death, -1 less it
    private static int answer(Random random, InflightArea area, List<Integer> inFlight, int used) {
        int count = 1 + random.nextInt(inFlight.size());
        List<Integer> batch = new ArrayList<>();
        int death = random.nextInt(4 * count + 6);
        int step = 0;
        for (int i = 0; i < count; i++) {
            if (step++ == death) {
                return -used - 1;
            }
            int head = inFlight.get(random.nextInt(inFlight.size()));
            if (batch.contains(head)) {
                continue;
            }
            area.batch(head);
            batch.add(head);
        }
        if (step++ == death) {
            return -used - 1;
        }
        int now = used + batch.size() & 0xffff; // the ring's own index is written here
        inFlight.removeAll(batch);
        for (int head : batch) {
            if (step++ == death) {
                return -now - 1;
            }
            area.clear(head);
        }
        if (step == death) {
            return -now - 1;
        }
        area.published(now);
        return now;
    }

    @Test
    void anAreaOfAnotherFormIsRefused() throws IOException {
        SharedMemory memory = memory();
        new InflightArea(memory, 0, SIZE).recover(0);
        memory.setShort(8, 2);
        assertThatThrownBy(() -> new InflightArea(memory, 0, SIZE).recover(0))
                .hasMessageContaining("version 2");
        memory.setShort(8, 1);
        memory.setShort(10, 4);
        assertThatThrownBy(() -> new InflightArea(memory, 0, SIZE).recover(0))
                .hasMessageContaining("4 states");
        memory.setShort(10, SIZE);
        memory.setShort(12, 999);
        assertThatThrownBy(() -> new InflightArea(memory, 0, SIZE).recover(2))
                .hasMessageContaining("head 999");
        memory.release();
    }

    @Test
    void aRingThatBeganAnewWithNothingInFlightIsFollowed() throws IOException {
        SharedMemory memory = memory();
        new InflightArea(memory, 0, SIZE).recover(500);
        assertThat(new InflightArea(memory, 0, SIZE).recover(0)).isEmpty();
        memory.release();
    }
}
