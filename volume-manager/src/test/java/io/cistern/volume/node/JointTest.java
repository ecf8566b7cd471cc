package io.cistern.volume.node;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.FutureTask;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class JointTest {
    private static final Duration LONG = Duration.ofSeconds(50);

    private final AtomicInteger asked = new AtomicInteger();
    private final BlockingQueue<Integer> answers = new LinkedBlockingQueue<>();

    private int question() {
        asked.incrementAndGet();
        try {
            return answers.take();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    /// Lets several ask, and returns once all of them wait.
    private static List<FutureTask<Integer>> ask(Joint<Integer> joint, int callers) {
        List<FutureTask<Integer>> tasks = new ArrayList<>();
        List<Thread> threads = new ArrayList<>();
        for (int i = 0; i < callers; i++) {
            FutureTask<Integer> task = new FutureTask<>(() -> joint.ask(LONG));
            tasks.add(task);
            threads.add(Thread.ofVirtual().start(task));
        }
        await().until(() ->
                threads.stream().allMatch(t -> t.getState() == Thread.State.TIMED_WAITING));
        return tasks;
    }

    @Test
    void whoComesWhileAQuestionIsAskedSharesTheNextOne() throws Exception {
        Joint<Integer> joint = new Joint<>(this::question, LONG);
        FutureTask<Integer> first = ask(joint, 1).getFirst();
        await().until(() -> asked.get() == 1);
        List<FutureTask<Integer>> late = ask(joint, 20);
        answers.add(1);
        assertThat(first.get()).isEqualTo(1);
        answers.add(2); // what was asked before they came is not their answer
        for (FutureTask<Integer> task : late) {
            assertThat(task.get()).isEqualTo(2);
        }
        assertThat(asked).hasValue(2);
    }

    @Test
    void anAnswerThatDoesNotComeKeepsNobody() throws Exception {
        Joint<Integer> joint = new Joint<>(this::question, Duration.ofMillis(1));
        FutureTask<Integer> stuck = ask(joint, 1).getFirst();
        await().until(() -> asked.get() == 1);
        FutureTask<Integer> other = ask(joint, 1).getFirst();
        await().until(() -> asked.get() == 2);
        answers.addAll(List.of(1, 2));
        assertThat(List.of(stuck.get(), other.get())).containsExactlyInAnyOrder(1, 2);
    }

    @Test
    void aFailureIsThatOfAllWhoShareItAndOfNobodyElse() {
        Joint<Integer> joint =
                new Joint<>(
                        () -> {
                            if (asked.incrementAndGet() == 1) {
                                throw new CisternException(ErrorCode.UNAVAILABLE, "no leader");
                            }
                            return 7;
                        },
                        LONG);
        assertThatThrownBy(() -> joint.ask(LONG))
                .isInstanceOf(CisternException.class)
                .hasMessage("no leader");
        assertThat(joint.ask(LONG)).isEqualTo(7);
    }
}
