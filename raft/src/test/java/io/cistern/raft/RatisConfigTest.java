package io.cistern.raft;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.apache.ratis.conf.RaftProperties;
import org.apache.ratis.server.RaftServerConfigKeys;
import org.junit.jupiter.api.Test;

/// The settings on which durability and bounds rest.
class RatisConfigTest {
    private final RaftProperties properties =
            RatisConfig.properties(
                    Path.of("data"),
                    RaftHostConfig.of("n1", "test", Cluster.anyPort(), Path.of("data")));

    @Test
    void nothingIsAcknowledgedBeforeItIsSynced() {
        assertThat(RaftServerConfigKeys.Log.unsafeFlushEnabled(properties)).isFalse();
        assertThat(RaftServerConfigKeys.Log.asyncFlushEnabled(properties)).isFalse();
        assertThat(RaftServerConfigKeys.Log.useMemory(properties)).isFalse();
    }

    @Test
    void damageIsNeverPassedOver() {
        assertThat(RaftServerConfigKeys.Log.corruptionPolicy(properties))
                .isEqualTo(RaftServerConfigKeys.Log.CorruptionPolicy.EXCEPTION);
    }

    @Test
    void theLogIsPurgedWhoeverIsDown() {
        assertThat(RaftServerConfigKeys.Log.purgeUptoSnapshotIndex(properties)).isTrue();
        assertThat(RaftServerConfigKeys.Log.purgeGap(properties)).isOne();
        assertThat(RaftServerConfigKeys.Snapshot.autoTriggerEnabled(properties)).isTrue();
        assertThat(RaftServerConfigKeys.Log.Appender.installSnapshotEnabled(properties)).isFalse();
    }

    @Test
    void theLargestCommandFitsTheBuffers() {
        long entry = RaftGroup.MAX_COMMAND_BYTES + 1024;
        assertThat(RaftServerConfigKeys.Log.Appender.bufferByteLimit(properties).getSize())
                .isGreaterThan(entry)
                .isEqualTo(LogFrame.MAX_ENTRY_BYTES);
        assertThat(RaftServerConfigKeys.Log.writeBufferSize(properties).getSize())
                .isGreaterThan(entry);
        assertThat(RaftServerConfigKeys.Log.segmentSizeMax(properties).getSize())
                .isGreaterThan(entry);
    }

    @Test
    void electionsArePreparedByAVoteThatCostsNoTerm() {
        assertThat(RaftServerConfigKeys.LeaderElection.preVote(properties)).isTrue();
        assertThat(
                        RaftServerConfigKeys.Rpc.timeoutMin(properties)
                                .toLong(java.util.concurrent.TimeUnit.MILLISECONDS))
                .isEqualTo(RaftTimings.DEFAULT.electionMin().toMillis());
    }
}
