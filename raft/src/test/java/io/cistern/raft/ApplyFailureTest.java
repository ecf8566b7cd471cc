package io.cistern.raft;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// An apply that fails must stop the process: Ratis by itself logs it, goes on with the next entry
/// and stays up without that write. Returning the failure to Ratis instead of halting makes both
/// tests fail: no halt is called, and "after" is applied.
class ApplyFailureTest {
    @TempDir Path directory;

    private static final class Failing extends KeepingStateMachine {
        private final Throwable failure;

        Failing(Throwable failure) {
            this.failure = failure;
        }

        @Override
        @Nullable Object applyOne(byte[] command) {
            if (new String(command, java.nio.charset.StandardCharsets.UTF_8).equals("bad")) {
                sneak(failure);
            }
            return super.applyOne(command);
        }

        @SuppressWarnings({"unchecked", "TypeParameterUnusedInFormals"})
        private static <T extends Throwable> void sneak(Throwable t) throws T {
            throw (T) t;
        }
    }

    private void haltsOn(Throwable failure) throws Exception {
        Cluster cluster = new Cluster(directory);
        cluster.newMachine = () -> new Failing(failure);
        try (cluster) {
            RaftGroup leader = cluster.start(1).leader();
            Cluster.propose(leader, "good");
            CompletableFuture<RaftGroup.Applied> bad = leader.propose(Cluster.command("bad"));
            await().atMost(Duration.ofSeconds(10)).until(() -> !cluster.halts.isEmpty());
            assertThat(cluster.halts).singleElement().asString().contains("n1: applying entry");
            CompletableFuture<RaftGroup.Applied> after = leader.propose(Cluster.command("after"));
            assertThat(bad).failsWithin(Duration.ofSeconds(10));
            assertThat(after).failsWithin(Duration.ofSeconds(10));
            assertThat(cluster.machine(leader).applied).isEqualTo(List.of("good"));
        }
    }

    @Test
    void anExceptionInApplyHalts() throws Exception {
        haltsOn(new IllegalStateException("disk n1/a: write failed, EIO"));
    }

    @Test
    void anErrorInApplyHalts() throws Exception {
        haltsOn(new AssertionError("invariant"));
    }
}
