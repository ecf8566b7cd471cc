package io.cistern.iscsi.scsi;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class ConcurrencyTest {
    private final ExecutorService threads = Executors.newCachedThreadPool();

    @AfterEach
    void stop() {
        threads.shutdownNow();
    }

    private static byte[] numbered(long number) {
        ByteBuffer block = ByteBuffer.allocate(512);
        block.putLong(number);
        return block.array();
    }

    @Test
    void compareAndWriteThroughTwoNodesHasExactlyOneWinner() throws Exception {
        try (Nodes nodes = new Nodes()) {
            int contenders = 8;
            int rounds = 200;
            CyclicBarrier barrier = new CyclicBarrier(contenders);
            AtomicInteger[] winners = new AtomicInteger[rounds];
            for (int r = 0; r < rounds; r++) {
                winners[r] = new AtomicInteger();
            }
            List<CompletableFuture<Void>> done = new ArrayList<>();
            for (int n = 0; n < contenders; n++) {
                Initiator each = nodes.login("i" + n, 1 + n % 2);
                done.add(
                        CompletableFuture.runAsync(
                                () -> {
                                    for (int r = 0; r < rounds; r++) {
                                        meet(barrier);
                                        int status =
                                                each.compareAndWrite(
                                                                9, numbered(r), numbered(r + 1))
                                                        .status();
                                        if (status == ScsiResult.GOOD) {
                                            winners[r].incrementAndGet();
                                        }
                                    }
                                },
                                threads));
            }
            done.forEach(Initiator::await);
            assertThat(winners).allMatch(winner -> winner.get() == 1);
        }
    }

    private static void meet(CyclicBarrier barrier) {
        try {
            barrier.await();
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    /// While one initiator keeps taking the reservation away from the other, a write of the one
    /// that has lost it never lands after the preemption has completed.
    @Test
    void noWriteOfAPreemptedNexusLandsAfterThePreemption() {
        try (Nodes nodes = new Nodes()) {
            Initiator victim = nodes.login("victim", 2);
            Initiator taker = nodes.login("taker", 1);
            AtomicBoolean over = new AtomicBoolean();
            AtomicLong written = new AtomicLong();
            CompletableFuture<Void> writing =
                    CompletableFuture.runAsync(
                            () -> {
                                while (!over.get()) {
                                    victim.write(3, numbered(-written.incrementAndGet()));
                                }
                            },
                            threads);
            for (int round = 0; round < 100; round++) {
                victim.reserveOut(6, 0, 0, 0xb);
                taker.reserveOut(6, 0, 0, 0xa);
                taker.drain();
                taker.reserveOut(6, 0, 0, 0xa).good();
                taker.reserveOut(5, 3, 0xa, 0xb);
                taker.reserveOut(1, 3, 0xa, 0);
                byte[] mark = numbered(round + 1);
                taker.write(3, mark).good();
                assertThat(taker.read(3, 1).good().data()).isEqualTo(mark);
                assertThat(taker.read(3, 1).good().data()).isEqualTo(mark);
                taker.reserveOut(2, 3, 0xa, 0).good();
            }
            over.set(true);
            Initiator.await(writing);
            assertThat(written.get()).isPositive();
        }
    }

    /// One step of an initiator.
    record Step(int who, int action, int type, int key, int actionKey) {}

    @Provide
    Arbitrary<List<Step>> steps() {
        return Combinators.combine(
                        Arbitraries.integers().between(0, 2),
                        Arbitraries.of(0, 0, 1, 1, 2, 3, 4, 5, 6, 6, 100, 101),
                        Arbitraries.of(1, 3, 5, 6, 7, 8),
                        Arbitraries.integers().between(0, 2),
                        Arbitraries.integers().between(0, 2))
                .as(Step::new)
                .list()
                .ofMinSize(5)
                .ofMaxSize(60);
    }

    @Property(tries = 150)
    void theNodesAgreeAndTheReservationHasAHolderWhateverIsAsked(
            @ForAll("steps") List<Step> steps) {
        try (Nodes nodes = new Nodes(1 << 20, 512)) {
            List<Initiator> all =
                    List.of(nodes.login("a", 1), nodes.login("b", 2), nodes.login("c", 1));
            for (Step step : steps) {
                Initiator actor = all.get(step.who);
                if (step.action == 100) {
                    actor.manage(TaskManagement.LOGICAL_UNIT_RESET);
                } else if (step.action == 101) {
                    actor.send("16 00 0000 00 00");
                    actor.send("17 00 0000 00 00");
                } else {
                    actor.reserveOut(step.action, step.type, step.key, step.actionKey);
                }
                all.forEach(Initiator::drain);
                ScsiState state = nodes.first.shared().view().state();
                assertThat(nodes.second.shared().view().state()).isEqualTo(state);
                assertThat(ScsiStateCodec.decode(ScsiStateCodec.encode(state))).isEqualTo(state);
                for (Initiator each : all) {
                    int expected =
                            state.conflicts(each.id, true)
                                    ? ScsiResult.RESERVATION_CONFLICT
                                    : ScsiResult.GOOD;
                    assertThat(each.write(0, numbered(1)).status()).isEqualTo(expected);
                }
                assertThat(state.reservation() == null || !state.registrations().isEmpty())
                        .isTrue();
            }
        }
    }
}
