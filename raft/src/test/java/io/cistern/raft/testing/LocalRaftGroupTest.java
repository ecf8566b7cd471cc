package io.cistern.raft.testing;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.raft.GroupId;
import io.cistern.raft.Leadership;
import io.cistern.raft.LogPosition;
import io.cistern.raft.Peer;
import io.cistern.raft.StateMachine;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class LocalRaftGroupTest {
    private static final class Keeping implements StateMachine {
        final List<String> applied = new CopyOnWriteArrayList<>();
        volatile LogPosition checkpoint = LogPosition.START;

        @Override
        public LogPosition checkpointed() {
            return checkpoint;
        }

        @Override
        public List<@Nullable Object> apply(LogPosition position, List<ByteBuffer> commands) {
            List<@Nullable Object> results = new ArrayList<>();
            for (ByteBuffer command : commands) {
                applied.add(StandardCharsets.UTF_8.decode(command.duplicate()).toString());
                results.add(position.index());
            }
            return results;
        }

        @Override
        public void advance(LogPosition position) {}

        @Override
        public CompletableFuture<LogPosition> install(Peer leader, LogPosition firstAvailable) {
            return CompletableFuture.failedFuture(new IllegalStateException("not expected"));
        }

        @Override
        public void leadershipChanged(Leadership leadership) {}

        @Override
        public void membersChanged(List<Peer> members) {}
    }

    private static ByteBuffer bytes(String text) {
        return ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8));
    }

    @Test
    void aReopenedGroupAppliesWhatWasNotCheckpointed() {
        Keeping first = new Keeping();
        LocalRaftGroup.Log log = new LocalRaftGroup.Log();
        try (LocalRaftGroup group = new LocalRaftGroup(new GroupId(3), first, log)) {
            assertThat(group.propose(bytes("a")).join().index()).isZero();
            assertThat(group.propose(bytes("b")).join().result()).isEqualTo(1L);
            group.propose(bytes("c")).join();
        }
        Keeping second = new Keeping();
        second.checkpoint = new LogPosition(1, 0);
        try (LocalRaftGroup group = new LocalRaftGroup(new GroupId(3), second, log)) {
            assertThat(group.lastIndexAtOpen()).isEqualTo(2);
            group.awaitApplied(2, Duration.ofSeconds(5)).join();
            assertThat(second.applied).containsExactly("b", "c");
        }
    }
}
