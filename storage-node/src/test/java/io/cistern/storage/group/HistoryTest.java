package io.cistern.storage.group;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.cistern.storage.Command.AttachMode;
import io.cistern.storage.group.RegisterHistory.Operation;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Blocks are linearizable registers, through kills of the leader under load.
class HistoryTest {
    private static final int CLIENTS = 6;
    private static final int BLOCKS = 5;
    private static final int KILLS = 3;

    @TempDir Path directory;

    @Test
    void readsSeeTheNewestAcknowledgedWritesThroughKillsOfTheLeader() throws Exception {
        long seed = new Random().nextLong();
        System.out.println("seed " + seed);
        RegisterHistory history = new RegisterHistory();
        AtomicLong values = new AtomicLong();
        AtomicBoolean over = new AtomicBoolean();
        try (TestCluster cluster = new TestCluster(directory, TestCluster.Options.of(3))) {
            new TestClient(cluster, 1).create(1 << 20).close();
            ExecutorService threads = Executors.newCachedThreadPool();
            List<Future<Integer>> clients = new ArrayList<>();
            for (int c = 0; c < CLIENTS; c++) {
                long clientSeed = seed + c;
                clients.add(
                        threads.submit(
                                () -> use(cluster, new Random(clientSeed), history, values, over)));
            }
            for (int kill = 0; kill < KILLS; kill++) {
                TestCluster.Node leader = cluster.leader();
                long target = values.get() + 150;
                cluster.await("some load", () -> values.get() > target);
                leader.stop();
                cluster.leader();
                leader.restart();
            }
            over.set(true);
            int operations = 0;
            for (Future<Integer> client : clients) {
                operations += client.get();
            }
            threads.shutdownNow();
            System.out.println(operations + " operations");
            assertThat(cluster.halts).isEmpty();
        }
        history.check();
    }

    private static int use(
            TestCluster cluster,
            Random random,
            RegisterHistory history,
            AtomicLong values,
            AtomicBoolean over) {
        int operations = 0;
        try (TestClient client = new TestClient(cluster, 1)) {
            client.attach(AttachMode.SHARED);
            while (!over.get()) {
                int block = random.nextInt(BLOCKS);
                long begun = System.nanoTime();
                if (random.nextInt(3) > 0) {
                    byte[] data = new byte[4096];
                    long value = values.incrementAndGet();
                    ByteBuffer.wrap(data).putLong(0, value).putLong(4088, value);
                    client.write(block * 4096L, data);
                    history.add(new Operation(block, true, value, begun, System.nanoTime()));
                } else {
                    ByteBuffer data = ByteBuffer.wrap(client.read(block * 4096L, 4096));
                    assertThat(data.getLong(0)).isEqualTo(data.getLong(4088));
                    history.add(
                            new Operation(block, false, data.getLong(0), begun, System.nanoTime()));
                }
                operations++;
            }
        }
        return operations;
    }

    @Test
    void theCheckerFindsWhatItMustFind() {
        bad(write(1, 0, 10), read(0, 20, 30)); // stale read
        bad(write(1, 0, 10), write(2, 20, 30), read(1, 40, 50)); // lost write
        bad(write(1, 0, 100), read(1, 10, 20), read(0, 30, 40)); // flips back
        bad(read(7, 0, 10)); // from nowhere
        bad(read(1, 0, 10), write(1, 20, 30)); // from the future
        bad(
                write(1, 0, 100),
                write(2, 0, 100),
                read(1, 10, 20),
                read(2, 30, 40),
                read(1, 50, 60)); // takes effect twice
        good(write(1, 0, 100), read(0, 10, 20), read(1, 30, 40));
        good(write(1, 0, 100), write(2, 0, 100), read(2, 110, 120));
    }

    private static Operation write(long value, long begun, long ended) {
        return new Operation(0, true, value, begun, ended);
    }

    private static Operation read(long value, long begun, long ended) {
        return new Operation(0, false, value, begun, ended);
    }

    private static void bad(Operation... operations) {
        assertThatThrownBy(() -> history(operations).check()).isInstanceOf(AssertionError.class);
    }

    private static void good(Operation... operations) {
        history(operations).check();
    }

    private static RegisterHistory history(Operation... operations) {
        RegisterHistory history = new RegisterHistory();
        for (Operation operation : operations) {
            history.add(operation);
        }
        return history;
    }
}
