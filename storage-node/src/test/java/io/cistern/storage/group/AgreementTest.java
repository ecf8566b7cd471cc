package io.cistern.storage.group;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.raft.Peer;
import io.cistern.storage.group.Comparison.Stretch;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

class AgreementTest {
    private static final Peer A = peer("n0");
    private static final Peer B = peer("n1");
    private static final Peer C = peer("n2");

    private static Peer peer(String node) {
        return new Peer(node + ".1", node, InetSocketAddress.createUnresolved("localhost", 1), 0);
    }

    private static Stretch stretch(int at, long a, long b, long c) {
        return new Stretch(
                new byte[] {(byte) at}, new byte[] {(byte) (at + 1)}, Map.of(A, a, B, b, C, c));
    }

    /// B leads, and would be the source by what was kept alone: its own damage would then be on two
    /// of three, and the sound A be the next to be written over.
    @Test
    void aReplicaThatDiffersWhereNothingWasKeptIsNoSource() {
        Agreement all = new Agreement();
        List<Stretch> kept = new ArrayList<>();
        for (int i = 0; i < Comparison.MAX_STRETCHES; i++) {
            kept.add(stretch(i, 1, 1, 2));
            all.add(kept.getLast());
        }
        all.add(stretch(100, 1, 2, 1));
        Set<Peer> sound = all.of(List.of(A, B, C));
        assertThat(sound).containsExactly(A);
        ReplicaCheck.Verdict verdict = ReplicaCheck.decide(kept, sound, 3, B);
        assertThat(verdict.odd()).isEqualTo(C);
        assertThat(verdict.sources())
                .as("and no other, also where A dies in the middle of it")
                .containsExactly(A);
    }

    @Test
    void aMemberThatWasNotAskedToTheEndIsNoSource() {
        Stretch seen = stretch(0, 1, 1, 2);
        Agreement all = new Agreement();
        all.add(seen);
        Set<Peer> sound = all.of(List.of(B, C));
        assertThat(ReplicaCheck.decide(List.of(seen), sound, 3, A).sources()).containsExactly(B);
    }

    @Test
    void oneStretchWithoutAMajorityLeavesNobodyToCopyFrom() {
        Stretch seen = stretch(0, 1, 1, 2);
        Agreement all = new Agreement();
        all.add(seen);
        all.add(stretch(100, 1, 2, 3));
        assertThat(ReplicaCheck.decide(List.of(seen), all.of(List.of(A, B, C)), 3, A).odd())
                .isNull();
    }
}
