package io.cistern.raft.ratis;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.block.CisternException;
import io.cistern.raft.net.Responder;
import io.netty.buffer.ByteBuf;
import java.io.IOException;
import java.io.Reader;
import java.io.UncheckedIOException;
import java.lang.reflect.Proxy;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Properties;
import java.util.concurrent.AbstractExecutorService;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.TimeUnit;
import org.apache.ratis.proto.RaftProtos.AppendEntriesReplyProto;
import org.apache.ratis.proto.RaftProtos.AppendEntriesReplyProto.AppendResult;
import org.apache.ratis.proto.RaftProtos.AppendEntriesRequestProto;
import org.apache.ratis.proto.RaftProtos.RaftRpcReplyProto;
import org.apache.ratis.proto.RaftProtos.RequestVoteReplyProto;
import org.apache.ratis.proto.RaftProtos.RequestVoteRequestProto;
import org.apache.ratis.server.DivisionInfo;
import org.apache.ratis.server.RaftServer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// The directory of the vote file is durable before anything that rests on it leaves.
@Timeout(60)
class DurableVoteTest {
    private final List<String> events = new ArrayList<>();
    private final TermGuard guard =
            new TermGuard(Path.of("current"), (dir, term) -> events.add("sync"));
    private long voteTerm;
    private boolean granted;

    /// Answers as Ratis would, at once.
    private Object handled(String method) {
        switch (method) {
            case "requestVote" -> {
                events.add("vote");
                return RequestVoteReplyProto.newBuilder()
                        .setTerm(voteTerm)
                        .setServerReply(RaftRpcReplyProto.newBuilder().setSuccess(granted))
                        .build();
            }
            case "appendEntriesAsync" -> {
                events.add("append");
                // Ratis' answer to the first append of a term names the term before it.
                return CompletableFuture.completedFuture(
                        AppendEntriesReplyProto.newBuilder()
                                .setTerm(0)
                                .setResult(AppendResult.SUCCESS)
                                .build());
            }
            default -> throw new AssertionError(method);
        }
    }

    private Replica replica() {
        ClassLoader loader = getClass().getClassLoader();
        RaftServer server =
                (RaftServer)
                        Proxy.newProxyInstance(
                                loader,
                                new Class<?>[] {RaftServer.class},
                                (p, method, arguments) -> handled(method.getName()));
        DivisionInfo info =
                (DivisionInfo)
                        Proxy.newProxyInstance(
                                loader, new Class<?>[] {DivisionInfo.class}, (p, m, a) -> 0L);
        RaftServer.Division division =
                (RaftServer.Division)
                        Proxy.newProxyInstance(
                                loader,
                                new Class<?>[] {RaftServer.Division.class},
                                (p, m, a) -> info);
        return new Replica(server, division, guard, null, inline());
    }

    private static ExecutorService inline() {
        return new AbstractExecutorService() {
            @Override
            public void execute(Runnable task) {
                task.run();
            }

            @Override
            public void shutdown() {}

            @Override
            public List<Runnable> shutdownNow() {
                return List.of();
            }

            @Override
            public boolean isShutdown() {
                return false;
            }

            @Override
            public boolean isTerminated() {
                return false;
            }

            @Override
            public boolean awaitTermination(long timeout, TimeUnit unit) {
                return true;
            }
        };
    }

    private final Responder responder =
            new Responder() {
                @Override
                public void ok(ByteBuf... parts) {
                    events.add("answer");
                    for (ByteBuf part : parts) {
                        part.release();
                    }
                }

                @Override
                public void fail(CisternException failure) {
                    events.add("fail " + failure.getMessage());
                }

                @Override
                public String peer() {
                    return "peer";
                }
            };

    private static AppendEntriesRequestProto append(long term) {
        return AppendEntriesRequestProto.newBuilder().setLeaderTerm(term).build();
    }

    @Test
    void aVoteIsDurableBeforeItLeaves() {
        voteTerm = 1;
        granted = true;
        replica().vote(RequestVoteRequestProto.newBuilder().setCandidateTerm(1).build(), responder);
        assertThat(events).containsExactly("vote", "sync", "answer");
    }

    @Test
    void aVoteAfterAnAnswerInTheSameTermIsDurableToo() {
        voteTerm = 1;
        Replica replica = replica();
        replica.vote(RequestVoteRequestProto.newBuilder().setCandidateTerm(1).build(), responder);
        granted = true;
        replica.vote(RequestVoteRequestProto.newBuilder().setCandidateTerm(1).build(), responder);
        assertThat(events).containsExactly("vote", "sync", "answer", "vote", "sync", "answer");
    }

    @Test
    void anAskForOpinionsCostsNothing() {
        granted = true;
        replica().vote(RequestVoteRequestProto.newBuilder().setPreVote(true).build(), responder);
        assertThat(events).containsExactly("vote", "answer");
    }

    @Test
    void theFirstAnswerOfEachTermWaitsAndTheOthersDoNot() {
        Replica replica = replica();
        replica.append(append(1), responder);
        replica.append(append(1), responder);
        replica.append(append(2), responder);
        replica.append(append(2), responder);
        assertThat(events)
                .containsExactly(
                        "append", "sync", "answer", "append", "answer", "append", "sync", "answer",
                        "append", "answer");
    }

    @Test
    void aCandidateSyncsOncePerTerm() {
        guard.candidate(3);
        guard.candidate(3);
        guard.candidate(4);
        assertThat(events).containsExactly("sync", "sync");
    }

    /// What a power cut would leave of each vote file, in a real cluster.
    @Test
    void whoeverTookPartInATermHasItOnDisk(@TempDir Path directory) throws Exception {
        Map<String, Long> durable = new ConcurrentHashMap<>();
        MetadataSync sync =
                (current, entered) -> {
                    Properties meta = new Properties();
                    try (Reader in = Files.newBufferedReader(current.resolve("raft-meta"))) {
                        meta.load(in);
                    } catch (IOException e) {
                        throw new UncheckedIOException(e);
                    }
                    String server = directory.relativize(current).getName(0).toString();
                    durable.merge(server, Long.valueOf(meta.getProperty("term")), Math::max);
                };
        try (RatisCluster cluster = RatisCluster.start(directory, null, sync)) {
            cluster.write("a");
            for (String id : List.of("n1", "n2", "n3")) {
                cluster.awaitApplied(id, List.of("a"));
                long term =
                        Objects.requireNonNull(cluster.servers.get(id))
                                .getDivision(RatisCluster.GROUP)
                                .getInfo()
                                .getCurrentTerm();
                assertThat(durable).as(id).containsEntry(id, term);
            }
        }
    }
}
