package io.cistern.raft.ratis;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class BacklogTest {
    @Test
    void itIsWhatIsCommittedAndNotApplied() {
        Backlog backlog = new Backlog();
        backlog.add(1, 3, 30);
        backlog.add(4, 4, 10);
        backlog.add(5, 9, 50);
        assertThat(backlog.bytes(0, 9)).isEqualTo(90);
        assertThat(backlog.bytes(0, 4)).isEqualTo(40);
        assertThat(backlog.bytes(0, 0)).isZero();
        assertThat(backlog.bytes(2, 9))
                .as("an append counts until all of it is applied")
                .isEqualTo(90);
        assertThat(backlog.bytes(3, 9)).isEqualTo(60);
        assertThat(backlog.bytes(9, 9)).isZero();
    }

    @Test
    void whatIsSentAgainCountsOnce() {
        Backlog backlog = new Backlog();
        backlog.add(1, 3, 30);
        backlog.add(4, 6, 30);
        backlog.add(4, 5, 20);
        assertThat(backlog.bytes(0, 9)).isEqualTo(50);
        backlog.add(1, 5, 50);
        assertThat(backlog.bytes(0, 9)).isEqualTo(50);
    }
}
