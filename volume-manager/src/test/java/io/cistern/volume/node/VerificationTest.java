package io.cistern.volume.node;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.storage.Command.Limits;
import io.cistern.volume.system.SystemState;
import io.cistern.volume.system.SystemState.Group;
import io.cistern.volume.system.SystemState.Phase;
import io.cistern.volume.system.SystemState.Replica;
import io.cistern.volume.system.SystemState.Role;
import io.cistern.volume.system.SystemState.Volume;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

/// What a verification makes of the answers of nodes of this release and of earlier ones.
class VerificationTest {
    private static final Volume VOLUME =
            new Volume(7, "vm1", Phase.READY, List.of(1L), 4096, Limits.NONE, null, 0);
    private static final Group GROUP =
            new Group(
                    1,
                    3,
                    true,
                    List.of(
                            new Replica("n0.2", "n0", 0, Role.VOTER),
                            new Replica("n1.2", "n1", 0, Role.VOTER),
                            new Replica("n2.2", "n2", 0, Role.VOTER),
                            new Replica("n3.2", "n3", 0, Role.LEARNER)));

    private final SystemState state = state();
    private final Verification run =
            new Verification(
                    state,
                    List.of(new Verification.Part(VOLUME, "", 4096)),
                    (done, total, eta) -> {});

    private static SystemState state() {
        SystemState none = SystemState.EMPTY;
        return new SystemState(
                1,
                "c",
                8,
                2,
                none.settings(),
                none.nodes(),
                new TreeMap<>(Map.of(1L, GROUP)),
                new TreeMap<>(Map.of(7L, VOLUME)),
                none.tokens(),
                none.targets(),
                none.policy(),
                none.level(),
                none.recent());
    }

    private void compared(NodeOrder.Done done) {
        run.compared(new Verification.Part(VOLUME, "", 4096), done, -1);
    }

    @Test
    void aReplicaThatIsNotAskedIsAFindingUnlessItJoins() {
        NodeOrder.Unasked voter = new NodeOrder.Unasked("n2.2", "n2 does not answer");
        NodeOrder.Unasked learner = new NodeOrder.Unasked("n3.2", "it is catching up");
        compared(new NodeOrder.Done(1, List.of(), null, -1L, List.of(voter, learner)));
        run.comparedRows(
                GROUP, new NodeOrder.Done(1, List.of(), null, null, List.of(voter, learner)));
        assertThat(run.notesOfJoining(state))
                .singleElement()
                .asString()
                .startsWith("n3.2 is joining g1");
        assertThat(run.findings())
                .containsExactly("g1: n2.2 could not be asked: n2 does not answer")
                .isEqualTo(run.unasked());
    }

    @Test
    void whatEarlierReleasesSayAmongTheFindingsIsUnderstood() {
        compared(
                new NodeOrder.Done(
                        1,
                        List.of(
                                "granule at 0 differs between n0.2 and n1.2",
                                "n2.2 could not be asked: silent: n2.2 could not be asked: so",
                                "n3.2 could not be asked: it is catching up"),
                        null,
                        -1L,
                        null));
        run.comparedRows(
                GROUP,
                new NodeOrder.Done(
                        1,
                        List.of(
                                "g1: volume row differs on n1.2",
                                "g1: could not be asked: n3.2: it cannot be\nheld still"),
                        List.of(0L),
                        null,
                        null));
        assertThat(run.notesOfJoining(state)).hasSize(1);
        assertThat(run.findings())
                .containsExactly(
                        "volume vm1: granule at 0 differs between n0.2 and n1.2",
                        "g1: volume row differs on n1.2",
                        "g1: n2.2 could not be asked: silent: n2.2 could not be asked: so");
    }

    @Test
    void aFindingIsAFindingWhateverItsWords() {
        String words = "n2.2 could not be asked: so a row says";
        compared(new NodeOrder.Done(1, List.of(words), null, -1L, List.of()));
        assertThat(run.findings()).containsExactly("volume vm1: " + words);
    }
}
