package io.cistern.raft;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import org.apache.ratis.server.RaftServer;
import org.apache.ratis.util.LifeCycle;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RemovalTest {
    private static final Duration LONG = Duration.ofSeconds(30);

    @TempDir Path directory;

    private final CountDownLatch applying = new CountDownLatch(1);
    private final CountDownLatch released = new CountDownLatch(1);
    private volatile boolean filesWereThere;

    /// Holds its only command back, and then looks whether the replica's files are still there.
    private final class Slow extends KeepingStateMachine {
        @Override
        @Nullable Object applyOne(byte[] command) {
            applying.countDown();
            try {
                released.await();
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
            filesWereThere = Files.exists(files());
            return super.applyOne(command);
        }
    }

    private Path files() {
        return RaftHost.directory(directory.resolve("n1"), Cluster.GROUP, "n1.0");
    }

    /// As where a node comes back after its replica was taken out of the group: Ratis finds that it
    /// is no member while the log is still replayed, and the node is told to delete it.
    @Test
    void aReplicaThatRatisClosesIsDeletedOnceNothingIsAppliedAnyMore() throws Exception {
        Cluster cluster = new Cluster(directory);
        cluster.newMachine = Slow::new;
        try (cluster) {
            RatisGroup group = (RatisGroup) cluster.start(1).leader();
            RaftServer.Division division = group.division();
            group.propose(ByteBuffer.wrap("held".getBytes(StandardCharsets.UTF_8)));
            applying.await();
            Thread ratis = Thread.ofVirtual().start(() -> close(division));
            await().atMost(LONG)
                    .until(() ->
                            division.getInfo().getLifeCycleState() == LifeCycle.State.CLOSING);
            Thread removing =
                    Thread.ofPlatform().start(() -> cluster.host("n1").remove(Cluster.GROUP));
            await().atMost(LONG)
                    .until(() ->
                            removing.getState() == Thread.State.TIMED_WAITING
                                    || removing.getState() == Thread.State.TERMINATED);
            released.countDown();
            removing.join();
            ratis.join();
            assertThat(filesWereThere).isTrue();
            assertThat(files()).doesNotExist();
            assertThat(cluster.halts).isEmpty();
        }
    }

    private static void close(RaftServer.Division division) {
        try {
            division.close();
        } catch (java.io.IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }
}
