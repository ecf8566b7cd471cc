package io.cistern.vmdisk.vhost;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.util.List;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

class SplitRingTest {
    private static final int SIZE = 16;
    private static final int BYTES = 16384;

    /// Descriptors of random contents, with links and flags that make sense more often than chance
    /// would: reading them ends, in a chain or a refusal, and touches nothing outside.
    @Property(tries = 2000)
    void anyGarbageEnds(@ForAll long seed) throws IOException {
        Random random = new Random(seed);
        int fd = NativeMemory.memfd("ring", BYTES);
        SharedMemory memory = SharedMemory.map(fd, BYTES);
        Native.close(fd);
        GuestMemory guest =
                new GuestMemory(List.of(new GuestMemory.Region(0, BYTES, 1 << 20, 0, memory)));
        try {
            for (int at = 0; at < BYTES; at += 16) {
                memory.setLong(
                        at, random.nextInt(8) == 0 ? random.nextLong() : random.nextInt(BYTES));
                memory.setInt(
                        at + 8,
                        random.nextInt(4) == 0 ? random.nextInt() : 16 * random.nextInt(20));
                memory.setShort(at + 12, random.nextInt(9));
                memory.setShort(at + 14, random.nextInt(SIZE + 2));
            }
            SplitRing ring =
                    new SplitRing(
                            new SplitRing.Layout(
                                    SIZE,
                                    Features.INDIRECT_DESC | Features.EVENT_IDX,
                                    new Payload.RingAddress(
                                            0, 0, 1 << 20, (1 << 20) + 4096, (1 << 20) + 8192, 0)),
                            guest);
            Chain chain = new Chain();
            for (int head = 0; head < SIZE; head++) {
                try {
                    ring.read(head, guest, chain);
                    assertThat(chain.readableBytes() + chain.writableBytes())
                            .isBetween(0L, (long) Chain.MAX_SEGMENTS << 32);
                } catch (VhostException refused) {
                    assertThat(refused.getMessage()).isNotEmpty();
                }
            }
            try {
                int pending = ring.pending();
                assertThat(pending).isBetween(0, SIZE);
            } catch (VhostException refused) {
                assertThat(refused).hasMessageContaining("jumped");
            }
        } finally {
            memory.release();
        }
    }

    /// VIRTIO 1.2, 2.7.7.2: told when the index passes the event.
    @Test
    void eventsPassAroundTheEndOfTheCounter() {
        assertThat(SplitRing.passed(5, 6, 5)).isTrue();
        assertThat(SplitRing.passed(5, 5, 4)).isFalse();
        assertThat(SplitRing.passed(0xffff, 0, 0xffff)).isTrue();
        assertThat(SplitRing.passed(0xffff, 3, 0xfffe)).isTrue();
        assertThat(SplitRing.passed(4, 3, 0xfffe)).isFalse();
    }
}
