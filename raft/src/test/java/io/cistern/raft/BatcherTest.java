package io.cistern.raft;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class BatcherTest {
    /// An entry that the log was handed, and the reply it waits for.
    private record Submitted(
            long callId, byte[] entry, CompletableFuture<@Nullable Throwable> reply) {}

    private final BlockingQueue<Submitted> submitted = new LinkedBlockingQueue<>();
    private final Batcher batcher =
            new Batcher("test", this::submit, System::nanoTime, Runnable::run);

    private CompletableFuture<@Nullable Throwable> submit(long callId, byte[] entry) {
        CompletableFuture<@Nullable Throwable> reply = new CompletableFuture<>();
        submitted.add(new Submitted(callId, entry, reply));
        return reply;
    }

    private Submitted next() throws InterruptedException {
        Submitted one = submitted.poll(10, TimeUnit.SECONDS);
        assertThat(one).isNotNull();
        return one;
    }

    private int commit(Batcher target, Submitted one, long index) {
        Batch batch = target.take(one.callId);
        assertThat(batch).isNotNull();
        int commands = RaftEntry.decode(ByteBuffer.wrap(one.entry)).size();
        batch.complete(new LogPosition(1, index), Collections.nCopies(commands, "done"));
        return commands;
    }

    private static ErrorCode codeOf(CompletableFuture<?> failed) {
        return CisternException.of(failed.exceptionNow()).code();
    }

    @AfterEach
    void close() {
        batcher.close();
    }

    @Test
    void whatGathersWhileTwoEntriesAreOnTheirWayBecomesOneEntry() throws Exception {
        batcher.start();
        CompletableFuture<RaftGroup.Applied> a =
                batcher.propose(RaftCommand.of(ByteBuffer.allocate(1)));
        Submitted first = next();
        batcher.propose(RaftCommand.of(ByteBuffer.allocate(2)));
        Submitted second = next();
        for (int i = 0; i < 100; i++) {
            batcher.propose(RaftCommand.of(ByteBuffer.allocate(3)));
        }
        assertThat(submitted).isEmpty();
        assertThat(commit(batcher, first, 5)).isEqualTo(1);
        assertThat(a.join()).isEqualTo(new RaftGroup.Applied(5, 1, "done"));
        assertThat(commit(batcher, next(), 6)).isEqualTo(100);
        assertThat(commit(batcher, second, 7)).isEqualTo(1);
    }

    @Test
    void fullEntriesDoNotWaitForThoseBeforeThem() throws Exception {
        for (int i = 0; i < 10 * RaftEntry.MAX_COMMANDS; i++) {
            batcher.propose(RaftCommand.of(ByteBuffer.allocate(3)));
        }
        batcher.start();
        List<Submitted> onTheirWay = new ArrayList<>();
        for (int i = 0; i < Batcher.MAX_FULL_IN_FLIGHT; i++) {
            onTheirWay.add(next());
        }
        assertThat(submitted.poll(20, TimeUnit.MILLISECONDS)).isNull();
        assertThat(commit(batcher, onTheirWay.getFirst(), 1)).isEqualTo(RaftEntry.MAX_COMMANDS);
        assertThat(commit(batcher, next(), 9)).isEqualTo(RaftEntry.MAX_COMMANDS);
    }

    @Test
    void anEntryHoldsAMegabyteOrOneBiggerCommand() throws Exception {
        for (int size : new int[] {600_000, 600_000, 4 << 20, 10}) {
            batcher.propose(RaftCommand.of(ByteBuffer.allocate(size)));
        }
        batcher.start();
        for (int i = 0; i < 4; i++) {
            assertThat(commit(batcher, next(), i)).isEqualTo(1);
        }
    }

    @Test
    void tooLargeAndTooManyAreRefused() {
        assertThat(
                        codeOf(
                                batcher.propose(
                                        RaftCommand.of(
                                                ByteBuffer.allocate(
                                                        RaftGroup.MAX_COMMAND_BYTES + 1)))))
                .isEqualTo(ErrorCode.LIMIT);
        ByteBuffer large = ByteBuffer.allocate(RaftGroup.MAX_COMMAND_BYTES);
        long fit = Batcher.MAX_QUEUED_BYTES / large.capacity();
        for (int i = 0; i < fit; i++) {
            assertThat(batcher.propose(RaftCommand.of(large))).isNotDone();
        }
        assertThat(codeOf(batcher.propose(RaftCommand.of(large)))).isEqualTo(ErrorCode.LIMIT);
        assertThat(codeOf(batcher.propose(RaftCommand.of(ByteBuffer.allocate(1)))))
                .isEqualTo(ErrorCode.LIMIT);
        batcher.failAll(
                new CisternException(ErrorCode.NOT_LEADER, "q"),
                new CisternException(ErrorCode.UNAVAILABLE, "f"));
        for (int i = 0; i < Batcher.MAX_QUEUED; i++) {
            assertThat(batcher.propose(RaftCommand.of(ByteBuffer.allocate(1)))).isNotDone();
        }
        assertThat(codeOf(batcher.propose(RaftCommand.of(ByteBuffer.allocate(1)))))
                .isEqualTo(ErrorCode.LIMIT);
    }

    @Test
    void touchesBeforeAnEntryShareItAndLaterOnesDoNot() throws Exception {
        CompletableFuture<RaftGroup.Applied> one = batcher.touch();
        assertThat(batcher.touch()).isSameAs(one);
        CompletableFuture<RaftGroup.Applied> command =
                batcher.propose(RaftCommand.of(ByteBuffer.allocate(1)));
        batcher.start();
        Submitted entry = next();
        CompletableFuture<RaftGroup.Applied> later = batcher.touch();
        assertThat(later).isNotSameAs(one);
        assertThat(commit(batcher, entry, 3)).isEqualTo(1);
        assertThat(one.join().result()).isNull();
        assertThat(command.join().result()).isEqualTo("done");
        assertThat(commit(batcher, next(), 4)).as("an entry without commands").isZero();
        assertThat(later).isCompleted();
    }

    @Test
    void aRefusedEntryWasNotLoggedUnlessTheLogHadIt() throws Exception {
        batcher.start();
        CompletableFuture<RaftGroup.Applied> clean =
                batcher.propose(RaftCommand.of(ByteBuffer.allocate(1)));
        next().reply.complete(new IllegalStateException("not leader"));
        assertThat(clean).failsWithin(10, TimeUnit.SECONDS);
        assertThat(codeOf(clean)).isEqualTo(ErrorCode.NOT_LEADER);
        CompletableFuture<RaftGroup.Applied> logged =
                batcher.propose(RaftCommand.of(ByteBuffer.allocate(1)));
        Submitted entry = next();
        Batch batch = batcher.inFlight(entry.callId);
        assertThat(batch).isNotNull();
        batch.markMaybeLogged();
        entry.reply.completeExceptionally(new IllegalStateException("not leader"));
        assertThat(logged).failsWithin(10, TimeUnit.SECONDS);
        assertThat(codeOf(logged)).isEqualTo(ErrorCode.UNAVAILABLE);
    }

    /// Every proposal ends once, whatever becomes of the entries, and those that end well are in
    /// the order in which they were made.
    @Property(tries = 100)
    void everyProposalEnds(@ForAll long seed) throws Exception {
        Random random = new Random(seed);
        submitted.clear();
        List<CompletableFuture<RaftGroup.Applied>> all = new ArrayList<>();
        List<CompletableFuture<RaftGroup.Applied>> good = new ArrayList<>();
        try (Batcher one = new Batcher("p", this::submit, System::nanoTime, Runnable::run)) {
            one.start();
            long index = 0;
            for (int step = 0; step < 60; step++) {
                switch (random.nextInt(6)) {
                    case 0, 1, 2 ->
                            all.add(
                                    one.propose(
                                            RaftCommand.of(
                                                    ByteBuffer.allocate(random.nextInt(9)))));
                    case 3 -> all.add(one.touch());
                    case 4 -> {
                        Submitted entry = submitted.poll();
                        if (entry != null && one.inFlight(entry.callId) != null) {
                            if (random.nextInt(4) == 0) {
                                entry.reply.complete(new IllegalStateException("refused"));
                            } else {
                                commit(one, entry, index++);
                            }
                        }
                    }
                    default -> {
                        if (random.nextInt(8) == 0) {
                            one.failAll(
                                    new CisternException(ErrorCode.NOT_LEADER, "queued"),
                                    new CisternException(ErrorCode.UNAVAILABLE, "on its way"));
                        }
                    }
                }
            }
        }
        assertThat(all).allMatch(CompletableFuture::isDone);
        all.stream().filter(f -> !f.isCompletedExceptionally()).forEach(good::add);
        assertThat(good)
                .isSortedAccordingTo((a, b) -> Long.compare(a.join().index(), b.join().index()));
    }

    /// The bytes of a command belong to who proposed it again once it has failed.
    @Test
    void aBatchThatHasFailedIsNotReadAnyMore() {
        AtomicInteger reads = new AtomicInteger();
        RaftCommand command =
                new RaftCommand() {
                    @Override
                    public int bytes() {
                        return 1;
                    }

                    @Override
                    public void writeTo(ByteBuffer out) {
                        out.put((byte) reads.incrementAndGet());
                    }
                };
        Batch batch =
                new Batch(1, List.of(new Batch.Proposal(command, new CompletableFuture<>())), 0);
        assertThat(batch.encode()).isNotNull();
        batch.fail(new CisternException(ErrorCode.UNAVAILABLE, "lost"));
        assertThat(batch.encode()).isNull();
        assertThat(reads).hasValue(1);
    }

    @Test
    void aFailureWaitsForTheCommandsToBeRead() throws Exception {
        CountDownLatch reading = new CountDownLatch(1);
        CountDownLatch goOn = new CountDownLatch(1);
        RaftCommand slow =
                new RaftCommand() {
                    @Override
                    public int bytes() {
                        return 0;
                    }

                    @Override
                    public void writeTo(ByteBuffer out) {
                        reading.countDown();
                        try {
                            goOn.await();
                        } catch (InterruptedException e) {
                            Thread.currentThread().interrupt();
                        }
                    }
                };
        CompletableFuture<RaftGroup.Applied> done = new CompletableFuture<>();
        Batch batch = new Batch(1, List.of(new Batch.Proposal(slow, done)), 0);
        Thread encoder = Thread.ofPlatform().start(batch::encode);
        reading.await();
        Thread failer =
                Thread.ofPlatform()
                        .start(() ->
                                batch.fail(new CisternException(ErrorCode.UNAVAILABLE, "lost")));
        while (failer.getState() != Thread.State.BLOCKED) {
            Thread.onSpinWait();
        }
        assertThat(done).isNotDone();
        goOn.countDown();
        encoder.join();
        failer.join();
        assertThat(codeOf(done)).isEqualTo(ErrorCode.UNAVAILABLE);
    }
}
