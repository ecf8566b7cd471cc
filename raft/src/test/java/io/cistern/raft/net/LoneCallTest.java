package io.cistern.raft.net;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Calls that are written by the thread that makes them.
@Timeout(60)
class LoneCallTest {
    private static final Duration LONG = Duration.ofSeconds(30);
    private static final int ECHO = 1;
    private static final int HOLD = 2;
    private static final int NOTE = 4;
    private static final int THREADS = 3;
    private static final int RESETS = 60;
    private static final int ANSWERS = 800;

    private final RpcLoops serverLoops = new RpcLoops("test-server", 1);
    private final RpcLoops clientLoops = new RpcLoops("test-client", 1);
    private final LinkedBlockingQueue<Responder> held = new LinkedBlockingQueue<>();
    private final AtomicInteger answered = new AtomicInteger();
    private final Queue<Integer> noted = new ConcurrentLinkedQueue<>();
    private final RpcServer server =
            new RpcServer(identity("server"), RpcLimits.DEFAULT, null, serverLoops);
    private final RpcClient client =
            new RpcClient(
                    identity("client"),
                    RpcLimits.DEFAULT.withInFlight(THREADS, 64L << 20),
                    null,
                    clientLoops);
    private final RpcConnection connection = connection();

    private static RpcIdentity identity(String node) {
        return new RpcIdentity(RpcIdentity.SERVICE_RAFT, new UUID(7, 7), node);
    }

    private RpcConnection connection() {
        server.register(ECHO, (request, responder) -> responder.ok(request.retain()));
        server.register(HOLD, (request, responder) -> held.add(responder));
        server.register(
                NOTE,
                (request, responder) -> {
                    noted.add(request.readInt());
                    responder.ok();
                });
        InetSocketAddress any = new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);
        return client.connect(server.bind(any));
    }

    @BeforeEach
    void open() throws Exception {
        echo(new byte[1]);
    }

    @AfterEach
    void close() {
        client.close();
        server.close();
        clientLoops.close();
        serverLoops.close();
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void echo(byte[] bytes) throws Exception {
        ByteBuf back = get(connection.call(ECHO, LONG, Unpooled.wrappedBuffer(bytes)));
        try {
            assertThat(ByteBufUtil.getBytes(back)).isEqualTo(bytes);
        } finally {
            back.release();
        }
    }

    private static ByteBuf get(CompletableFuture<ByteBuf> answer) throws Exception {
        return answer.get(30, TimeUnit.SECONDS);
    }

    private static ErrorCode failure(CompletableFuture<ByteBuf> answer) throws Exception {
        try {
            get(answer).release();
        } catch (ExecutionException e) {
            return CisternException.of(e).code();
        }
        throw new AssertionError("the call succeeded");
    }

    @Test
    void isSentWhileTheEventLoopIsBusy() throws Exception {
        CountDownLatch busy = new CountDownLatch(1);
        connection.loop().execute(() -> await(busy));
        try {
            CompletableFuture<ByteBuf> answer = connection.call(HOLD, LONG);
            Responder responder = held.poll(20, TimeUnit.SECONDS);
            assertThat(responder).isNotNull();
            responder.ok();
            busy.countDown();
            get(answer).release();
        } finally {
            busy.countDown();
        }
    }

    @Test
    void failsWhereNoAnswerComesInTime() throws Exception {
        assertThat(failure(connection.call(HOLD, Duration.ofMillis(30))))
                .isEqualTo(ErrorCode.UNAVAILABLE);
        // The timer is armed for later than the next call wants it.
        CompletableFuture<ByteBuf> slow = connection.call(HOLD, LONG);
        held.take().ok();
        held.take().ok();
        get(slow).release();
        assertThat(failure(connection.call(HOLD, Duration.ofMillis(30))))
                .isEqualTo(ErrorCode.UNAVAILABLE);
        held.take().ok(Unpooled.wrappedBuffer(new byte[] {9}));
        echo(new byte[] {1, 2, 3});
    }

    @Test
    void failsWithItsConnection() throws Exception {
        CompletableFuture<ByteBuf> lost = connection.call(HOLD, LONG);
        held.take();
        connection.reset();
        assertThat(failure(lost)).isEqualTo(ErrorCode.UNAVAILABLE);
        echo(new byte[] {1, 2, 3});
        CompletableFuture<ByteBuf> closed = connection.call(HOLD, LONG);
        held.take();
        connection.close();
        assertThat(failure(closed)).isEqualTo(ErrorCode.UNAVAILABLE);
        assertThat(failure(connection.call(ECHO, LONG))).isEqualTo(ErrorCode.UNAVAILABLE);
    }

    /// The server reads nothing: the socket takes a part only. What is called meanwhile comes
    /// behind.
    @Test
    void isFinishedByTheLoopWhereTheSocketIsFull() throws Exception {
        byte[] large = new byte[15 << 20];
        new Random(1).nextBytes(large);
        for (int round = 0; round < 3; round++) {
            CountDownLatch busy = new CountDownLatch(1);
            serverLoops.next().execute(() -> await(busy));
            CompletableFuture<ByteBuf> echoed =
                    connection.call(ECHO, LONG, Unpooled.wrappedBuffer(large));
            CompletableFuture<ByteBuf> behind =
                    connection.call(NOTE, LONG, Unpooled.buffer().writeInt(round));
            assertThat(behind).isNotDone();
            busy.countDown();
            ByteBuf back = get(echoed);
            assertThat(ByteBufUtil.getBytes(back)).isEqualTo(large);
            back.release();
            get(behind).release();
        }
        assertThat(noted).containsExactly(0, 1, 2);
    }

    @Test
    void lonelyAndOthersOfOneThreadArriveInTheirOrder() throws Exception {
        List<CompletableFuture<ByteBuf>> answers = new ArrayList<>();
        Random random = new Random(2);
        for (int i = 0; i < 3_000; i++) {
            answers.add(connection.call(NOTE, LONG, Unpooled.buffer().writeInt(i)));
            if (answers.size() == THREADS || random.nextInt(3) == 0) {
                for (CompletableFuture<ByteBuf> answer : answers) {
                    get(answer).release();
                }
                answers.clear();
            }
        }
        for (CompletableFuture<ByteBuf> answer : answers) {
            get(answer).release();
        }
        assertThat(new ArrayList<>(noted)).hasSize(3_000).isSorted();
    }

    /// Threads call, alone and at once, while the connection is dropped again and again: an answer
    /// is always the right one, and nothing stays in flight.
    @Test
    void callersAndResetsRace() throws Exception {
        List<CompletableFuture<Void>> callers = new ArrayList<>();
        for (int t = 0; t < THREADS; t++) {
            Random random = new Random(t);
            callers.add(CompletableFuture.runAsync(() -> callAgainAndAgain(random)));
        }
        CompletableFuture<Void> all =
                CompletableFuture.allOf(callers.toArray(CompletableFuture[]::new));
        for (int i = 0; i < RESETS && !all.isDone(); i++) {
            int seen = answered.get();
            Awaitility.await()
                    .pollDelay(Duration.ZERO)
                    .pollInterval(Duration.ofMillis(1))
                    .until(() -> all.isDone() || answered.get() > seen + THREADS);
            connection.reset();
        }
        all.get(40, TimeUnit.SECONDS);
        // The last reset has been carried out before, and the pause after a failed try is over.
        connection.loop().submit(() -> {}).get(20, TimeUnit.SECONDS);
        Awaitility.await()
                .ignoreExceptionsInstanceOf(ExecutionException.class)
                .untilAsserted(() -> echo(new byte[] {1}));
        List<CompletableFuture<ByteBuf>> full = new ArrayList<>();
        for (int t = 0; t < THREADS; t++) {
            full.add(connection.call(HOLD, LONG));
        }
        for (CompletableFuture<ByteBuf> one : full) {
            Responder responder = held.poll(20, TimeUnit.SECONDS);
            assertThat(responder).isNotNull();
            responder.ok();
            assertThat(one).isNotCompletedExceptionally();
        }
        for (CompletableFuture<ByteBuf> one : full) {
            get(one).release();
        }
    }

    private void callAgainAndAgain(Random random) {
        for (int i = 0; i < ANSWERS; ) {
            byte[] bytes = new byte[random.nextInt(20) == 0 ? 100_000 : 1 + random.nextInt(3_000)];
            random.nextBytes(bytes);
            try {
                echo(bytes);
                answered.incrementAndGet();
                i++;
            } catch (ExecutionException lost) {
                assertThat(CisternException.of(lost).code()).isEqualTo(ErrorCode.UNAVAILABLE);
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        }
    }
}
