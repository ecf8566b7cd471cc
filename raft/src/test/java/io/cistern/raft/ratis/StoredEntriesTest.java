package io.cistern.raft.ratis;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.ratis.proto.RaftProtos.AppendEntriesReplyProto;
import org.apache.ratis.proto.RaftProtos.AppendEntriesReplyProto.AppendResult;
import org.apache.ratis.server.protocol.TermIndex;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// A follower says of an entry that it has it only when it is synced, and of none that it has taken
/// after it had voted for somebody without it.
@Timeout(60)
class StoredEntriesTest {
    private static final Duration LONG = Duration.ofSeconds(30);

    @TempDir Path directory;

    private static void unanswered(CompletableFuture<?> answer) {
        assertThatThrownBy(() -> answer.get(250, TimeUnit.MILLISECONDS))
                .isInstanceOf(TimeoutException.class);
    }

    private static void stored(CompletableFuture<AppendEntriesReplyProto> answer, long index)
            throws Exception {
        AppendEntriesReplyProto reply = answer.get(20, TimeUnit.SECONDS);
        assertThat(reply.getResult()).isEqualTo(AppendResult.SUCCESS);
        assertThat(reply.getMatchIndex()).isEqualTo(index);
    }

    @Test
    void anEntryThatIsSentAgainIsNotAnsweredForBeforeItIsSynced() throws Exception {
        try (LoneReplica n1 = new LoneReplica(directory, LONG, LONG.plusSeconds(1))) {
            stored(n1.append("n2", 1, null, LoneReplica.entry(1, 0)), 0);
            n1.hold();
            TermIndex before = TermIndex.valueOf(1, 0);
            var first = n1.append("n2", 1, before, LoneReplica.entry(1, 1));
            n1.awaitHeld();
            var again = n1.append("n2", 1, before, LoneReplica.entry(1, 1));
            unanswered(again);
            unanswered(first);
            n1.passAll();
            stored(again, 1);
            stored(first, 1);
        }
    }

    @Test
    void whatTakesThePlaceOfACutTailIsNotAnsweredForBeforeItIsSynced() throws Exception {
        try (LoneReplica n1 = new LoneReplica(directory, LONG, LONG.plusSeconds(1))) {
            stored(n1.append("n2", 1, null, LoneReplica.entry(1, 0)), 0);
            for (int i = 1; i < 4; i++) {
                stored(n1.append("n2", 1, TermIndex.valueOf(1, i - 1), LoneReplica.entry(1, i)), i);
            }
            n1.hold();
            var _ = n1.append("n2", 1, TermIndex.valueOf(1, 3), LoneReplica.entry(1, 4));
            n1.awaitHeld();
            // The log's thread is busy: it has yet to cut when these are taken.
            TermIndex before = TermIndex.valueOf(1, 1);
            var cut = n1.append("n3", 2, before, LoneReplica.entry(2, 2));
            var again = n1.append("n3", 2, before, LoneReplica.entry(2, 2));
            var next = n1.append("n3", 2, TermIndex.valueOf(2, 2), LoneReplica.entry(2, 3));
            unanswered(again);
            n1.passOne();
            unanswered(cut);
            unanswered(again);
            unanswered(next);
            n1.passAll();
            stored(cut, 2);
            stored(again, 2);
            stored(next, 3);
        }
    }

    /// Ratis waits for its own candidacy to end between the check of an append's term and the
    /// append itself.
    @Test
    void anEntryIsNotTakenAfterAVoteForSomebodyWithoutIt() throws Exception {
        try (LoneReplica n1 =
                new LoneReplica(directory, Duration.ofMillis(600), Duration.ofMillis(900))) {
            await().pollInterval(Duration.ofMillis(2))
                    .until(() -> n1.division().getInfo().isCandidate());
            var append = n1.append("n2", 1, null, LoneReplica.entry(1, 0));
            await().pollInterval(Duration.ofMillis(2))
                    .until(() -> n1.division().getInfo().isFollower());
            var vote = n1.vote("n3", 2, null);
            boolean granted = vote.get(20, TimeUnit.SECONDS).getServerReply().getSuccess();
            boolean taken = append.get(20, TimeUnit.SECONDS).getResult() == AppendResult.SUCCESS;
            assertThat(granted && taken).as("voted, then took the entry").isFalse();
        }
    }
}
