package io.cistern.raft.ratis;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.raft.net.TestCertificates;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.ratis.protocol.RaftClientReply;
import org.apache.ratis.thirdparty.com.google.protobuf.ByteString;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(120)
class RatisTransportTest {
    private static final MetadataSync FSYNC =
            MetadataSync.fsync((message, cause) -> {
                throw new AssertionError(message, cause);
            });

    @TempDir Path directory;

    private static List<String> writes(RatisCluster cluster, String prefix, int count)
            throws Exception {
        List<String> commands = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            commands.add(prefix + i);
            cluster.write(prefix + i);
        }
        return commands;
    }

    @Test
    void aLeaderIsElectedAndEveryReplicaApplies() throws Exception {
        try (RatisCluster cluster = RatisCluster.start(directory, null, FSYNC)) {
            List<String> commands = writes(cluster, "a", 20);
            for (String id : List.of("n1", "n2", "n3")) {
                cluster.awaitApplied(id, commands);
            }
        }
    }

    @Test
    void manyOutstandingWritesArriveInOrder() throws Exception {
        try (RatisCluster cluster = RatisCluster.start(directory, null, FSYNC)) {
            String leader = cluster.leader();
            List<String> commands = new ArrayList<>();
            List<CompletableFuture<RaftClientReply>> replies = new ArrayList<>();
            for (int i = 0; i < 500; i++) {
                commands.add("w" + i);
                replies.add(cluster.submit(leader, ByteString.copyFromUtf8("w" + i)));
            }
            for (CompletableFuture<RaftClientReply> reply : replies) {
                assertThat(reply.get(30, TimeUnit.SECONDS).isSuccess()).isTrue();
            }
            for (String id : List.of("n1", "n2", "n3")) {
                cluster.awaitApplied(id, commands);
            }
        }
    }

    @Test
    void aStoppedLeaderIsReplacedAndCatchesUpAfterItsRestart() throws Exception {
        try (RatisCluster cluster = RatisCluster.start(directory, null, FSYNC)) {
            List<String> commands = writes(cluster, "a", 5);
            String first = cluster.leader();
            cluster.stop(first);
            commands.addAll(writes(cluster, "b", 5));
            assertThat(cluster.leader()).isNotEqualTo(first);
            cluster.restart(first);
            commands.addAll(writes(cluster, "c", 5));
            for (String id : List.of("n1", "n2", "n3")) {
                cluster.awaitApplied(id, commands);
            }
        }
    }

    @Test
    void aFollowerThatWasAwayIsFedFromFarBehind() throws Exception {
        try (RatisCluster cluster = RatisCluster.start(directory, null, FSYNC)) {
            List<String> commands = writes(cluster, "a", 3);
            String leader = cluster.leader();
            String away = leader.equals("n1") ? "n2" : "n1";
            cluster.stop(away);
            List<CompletableFuture<RaftClientReply>> replies = new ArrayList<>();
            // More entries, and more bytes, than go into one request or one window.
            for (int i = 0; i < 1500; i++) {
                int size = 10_000 + i * 10;
                commands.add("bytes:" + size);
                replies.add(cluster.submit(leader, ByteString.copyFrom(new byte[size])));
                if (replies.size() == 64) {
                    for (CompletableFuture<RaftClientReply> reply : replies) {
                        assertThat(reply.get(30, TimeUnit.SECONDS).isSuccess()).isTrue();
                    }
                    replies.clear();
                }
            }
            for (CompletableFuture<RaftClientReply> reply : replies) {
                assertThat(reply.get(30, TimeUnit.SECONDS).isSuccess()).isTrue();
            }
            cluster.restart(away);
            cluster.awaitApplied(away, commands);
        }
    }

    @Test
    void aLeaderCutOffIsReplacedAndFollowsOnceTheLinkIsBack() throws Exception {
        try (RatisCluster cluster = RatisCluster.start(directory, null, FSYNC)) {
            List<String> commands = writes(cluster, "a", 5);
            String first = cluster.leader();
            cluster.cut.add(first);
            // Logged where nobody hears of it: must vanish.
            CompletableFuture<RaftClientReply> lost =
                    cluster.submit(first, ByteString.copyFromUtf8("lost"));
            commands.addAll(writes(cluster, "b", 5));
            cluster.cut.clear();
            assertThat(lost.get(30, TimeUnit.SECONDS).isSuccess()).isFalse();
            commands.addAll(writes(cluster, "c", 5));
            for (String id : List.of("n1", "n2", "n3")) {
                cluster.awaitApplied(id, commands);
            }
        }
    }

    @Test
    void replicationRunsOverTls(@TempDir Path certificates) throws Exception {
        try (RatisCluster cluster =
                RatisCluster.start(directory, TestCertificates.create(certificates), FSYNC)) {
            List<String> commands = writes(cluster, "a", 10);
            for (String id : List.of("n1", "n2", "n3")) {
                cluster.awaitApplied(id, commands);
            }
        }
    }
}
