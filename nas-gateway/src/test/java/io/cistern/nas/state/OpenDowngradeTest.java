package io.cistern.nas.state;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.block.fs.ByteString;
import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;

/// OPEN_DOWNGRADE goes back to what some of the opens in effect asked for together.
class OpenDowngradeTest {
    private static final FileKey FILE = new FileKey(1, 0, 1);
    private static final Client CLIENT =
            new Client(1, ByteString.utf8("c"), 1, new Principal(1, 0, 0), "10.0.0.1");

    record Mode(int access, int deny) {}

    @Provide
    Arbitrary<Mode> modes() {
        return Combinators.combine(
                        Arbitraries.integers().between(1, 3), Arbitraries.integers().between(0, 3))
                .as(Mode::new);
    }

    @Provide
    Arbitrary<List<Mode>> opens() {
        return modes().list().ofMinSize(1).ofMaxSize(5);
    }

    @Property
    void exactlyTheUnionsOfSomeOpensAreGoneBackTo(
            @ForAll("opens") List<Mode> opens,
            @ForAll("modes") Mode first,
            @ForAll("modes") Mode second) {
        OpenState state = new OpenState(1, CLIENT, ByteString.utf8("o"), FILE);
        for (Mode m : opens) {
            state.ask(m.access, m.deny);
        }
        boolean may = isUnion(opens, first);
        assertThat(state.narrow(first.access, first.deny)).isEqualTo(may);
        if (may) {
            assertThat(new Mode(state.access(), state.deny())).isEqualTo(first);
        }
        List<Mode> left =
                may
                        ? opens.stream()
                                .filter(m ->
                                        (m.access & ~first.access) == 0
                                                && (m.deny & ~first.deny) == 0)
                                .toList()
                        : opens;
        assertThat(state.narrow(second.access, second.deny)).isEqualTo(isUnion(left, second));
    }

    private static boolean isUnion(List<Mode> opens, Mode wanted) {
        for (int subset = 1; subset < 1 << opens.size(); subset++) {
            int access = 0;
            int deny = 0;
            for (int i = 0; i < opens.size(); i++) {
                if ((subset & 1 << i) != 0) {
                    access |= opens.get(i).access;
                    deny |= opens.get(i).deny;
                }
            }
            if (access == wanted.access && deny == wanted.deny) {
                return true;
            }
        }
        return false;
    }
}
