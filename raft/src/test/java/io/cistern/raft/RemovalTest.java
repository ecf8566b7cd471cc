package io.cistern.raft;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import org.apache.ratis.server.RaftServer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RemovalTest {
    private static final Duration LONG = Duration.ofSeconds(30);

    @TempDir Path directory;

    private final CountDownLatch closing = new CountDownLatch(1);
    private final CountDownLatch released = new CountDownLatch(1);
    private volatile boolean filesWereThere;

    private Path files() {
        return RaftHost.directory(directory.resolve("n1"), Cluster.GROUP, "n1.0");
    }

    private void hold() {
        closing.countDown();
        try {
            released.await();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
        filesWereThere = Files.exists(files());
    }

    /// As where a node comes back after its replica was taken out of the group: Ratis finds that it
    /// is no member while the log is still replayed, and the node is told to delete it.
    @Test
    void aReplicaThatRatisClosesIsDeletedOnceItIsClosed() throws Exception {
        try (Cluster cluster = Cluster.of(directory, 1)) {
            RatisGroup group = (RatisGroup) cluster.leader();
            RaftServer.Division division = group.division();
            var held = group.awaitApplied(1_000_000, LONG).whenComplete((none, closed) -> hold());
            Thread ratis = Thread.ofPlatform().start(division::close);
            closing.await();
            Thread removing =
                    Thread.ofPlatform().start(() -> cluster.host("n1").remove(Cluster.GROUP));
            await().atMost(LONG)
                    .until(() ->
                            removing.getState() == Thread.State.TIMED_WAITING
                                    || removing.getState() == Thread.State.TERMINATED);
            released.countDown();
            removing.join();
            ratis.join();
            assertThat(held).isCompletedExceptionally();
            assertThat(filesWereThere).isTrue();
            assertThat(files()).doesNotExist();
            assertThat(cluster.halts).isEmpty();
        }
    }
}
