package io.cistern.storage.group;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.storage.Command.AttachMode;
import io.cistern.storage.group.VolumeGroup.ReadRequest;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Many writers of parts of the same few blocks: nobody's sectors may be lost.
class SharedBlockTest {
    private static final int WRITERS = 16;
    private static final int SECTOR = 512;
    private static final int BLOCKS = 4;
    private static final int SECTORS = BLOCKS * 8;
    private static final int ROUNDS = 40;

    @TempDir Path directory;
    private TestCluster cluster;

    @BeforeEach
    void start() {
        cluster = new TestCluster(directory, TestCluster.Options.of(3));
    }

    @AfterEach
    void stop() {
        cluster.close();
        assertThat(cluster.halts).isEmpty();
    }

    /// Each writer owns two of 32 sectors, spread over the blocks so that every block has all of
    /// them as users; one more writes whole blocks beside them.
    @Test
    void concurrentWritesOfSectorsInOneBlockAllSurvive() throws Exception {
        run(0);
    }

    @Test
    void theyAlsoSurviveChangesOfTheLeader() throws Exception {
        run(2);
    }

    /// Ranges of every length about a block and a granule, from the volume's start, to its end, and
    /// across the border of two granules: nothing within is left, nothing beside is lost.
    @Test
    void whatIsZeroedReadsAsZeroesAndItsNeighboursStay() {
        int size = 1 << 20;
        byte[] full = new byte[140 * SECTOR];
        Arrays.fill(full, (byte) 0xff);
        try (TestClient client = new TestClient(cluster, 1).create(size)) {
            client.attach(AttachMode.SHARED);
            for (int sectors = 1; sectors <= 136; sectors += sectors == 18 ? 101 : 1) {
                int length = sectors * SECTOR;
                int border = 4 * 65_536 - sectors / 2 * SECTOR;
                for (int start : new int[] {0, border, size - length}) {
                    int from = Math.min(Math.max(0, start - 2 * SECTOR), size - full.length);
                    client.write(from, full);
                    client.zero(start, length, sectors % 2 == 0);
                    byte[] expected = full.clone();
                    Arrays.fill(expected, start - from, start - from + length, (byte) 0);
                    assertThat(client.read(from, full.length))
                            .as("%d sectors at %d", sectors, start)
                            .isEqualTo(expected);
                }
            }
        }
    }

    private void run(int leaderChanges) throws Exception {
        long seed = new Random().nextLong();
        System.out.println("seed " + seed);
        TestClient creator = new TestClient(cluster, 1).create(1 << 20);
        creator.attach(AttachMode.SHARED);
        ExecutorService threads = Executors.newCachedThreadPool();
        try {
            List<Callable<byte[][]>> writers = new ArrayList<>();
            for (int w = 0; w < WRITERS; w++) {
                int writer = w;
                writers.add(() -> write(writer, seed + writer));
            }
            List<Future<byte[][]>> running = new ArrayList<>();
            writers.forEach(writer -> running.add(threads.submit(writer)));
            for (int i = 0; i < leaderChanges; i++) {
                TestCluster.Node leader = cluster.leader();
                leader.stop();
                cluster.leader();
                leader.restart();
            }
            byte[][] expected = new byte[SECTORS][];
            for (Future<byte[][]> writer : running) {
                byte[][] own = writer.get();
                for (int s = 0; s < SECTORS; s++) {
                    expected[s] = own[s] == null ? expected[s] : own[s];
                }
            }
            check(creator, expected);
        } finally {
            threads.shutdownNow();
            creator.close();
        }
    }

    /// Writes its own sectors again and again, some by parts of sectors' neighbours in one request,
    /// and returns what it wrote last, by sector.
    private byte[][] write(int writer, long seed) {
        Random random = new Random(seed);
        byte[][] last = new byte[SECTORS][];
        try (TestClient client = new TestClient(cluster, 1)) {
            client.attach(AttachMode.SHARED);
            for (int round = 0; round < ROUNDS; round++) {
                int sector = random.nextBoolean() ? writer : writer + WRITERS;
                byte[] data = new byte[SECTOR];
                if (random.nextInt(5) == 0) {
                    client.zero((long) sector * SECTOR, SECTOR, true);
                } else {
                    random.nextBytes(data);
                    client.write((long) sector * SECTOR, data);
                }
                last[sector] = data;
                if (round % 7 == 0) {
                    assertThat(client.read((long) sector * SECTOR, SECTOR))
                            .as("writer %d reads its own sector %d", writer, sector)
                            .isEqualTo(data);
                }
            }
        }
        return last;
    }

    private void check(TestClient client, byte[][] expected) throws Exception {
        byte[] all = client.read(0, SECTORS * SECTOR);
        cluster.awaitEven();
        for (int s = 0; s < SECTORS; s++) {
            byte[] want = expected[s] == null ? new byte[SECTOR] : expected[s];
            assertThat(Arrays.copyOfRange(all, s * SECTOR, (s + 1) * SECTOR))
                    .as("sector %d", s)
                    .isEqualTo(want);
        }
        for (TestCluster.Node node : cluster.nodes) {
            ByteBuffer dst = ByteBuffer.allocate(all.length);
            client.at(node).read(new ReadRequest(1, null, 0, 0), 0, dst).get();
            assertThat(dst.array()).as("contents on %s", node.name).isEqualTo(all);
        }
    }
}
