package io.cistern.iscsi.session;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.iscsi.pdu.LogoutRequest;
import io.cistern.iscsi.pdu.Pdu;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class CommandWindowTest {
    private static LogoutRequest command(int cmdSn) {
        return new LogoutRequest(false, 0, cmdSn, 0, cmdSn, 0);
    }

    private static void take(CommandWindow window, int cmdSn, List<Integer> done) {
        Pdu pdu = command(cmdSn);
        if (window.arrive(cmdSn, pdu) == CommandWindow.Verdict.NOW) {
            done.add(cmdSn);
        }
        for (Pdu next = window.next(); next != null; next = window.next()) {
            done.add(((LogoutRequest) next).cmdSn());
        }
    }

    @Property(tries = 300)
    void anyOrderIsCarriedOutInOrderOnceAcrossTheWrap(
            @ForAll int first, @ForAll @IntRange(min = 1, max = 50) int count, @ForAll long seed) {
        CommandWindow window = new CommandWindow(first);
        window.open(count);
        List<Integer> order = new ArrayList<>();
        for (int i = -3; i < count + 3; i++) {
            order.add(first + i);
            order.add(first + i);
        }
        Collections.shuffle(order, new Random(seed));
        List<Integer> done = new ArrayList<>();
        order.forEach(cmdSn -> take(window, cmdSn, done));
        List<Integer> expected = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            expected.add(first + i);
        }
        assertThat(done).isEqualTo(expected);
        assertThat(window.heldCount()).isZero();
    }

    @Test
    void theWindowNeverShrinks() {
        CommandWindow window = new CommandWindow(10);
        window.open(8);
        assertThat(window.max()).isEqualTo(17);
        window.open(2);
        assertThat(window.max()).isEqualTo(17);
    }

    @Test
    void aPluggedNumberLetsTheNextOnesPass() {
        CommandWindow window = new CommandWindow(1);
        window.open(8);
        List<Integer> done = new ArrayList<>();
        take(window, 3, done);
        assertThat(done).isEmpty();
        window.plugBefore(3);
        for (Pdu next = window.next(); next != null; next = window.next()) {
            done.add(((LogoutRequest) next).cmdSn());
        }
        assertThat(done).containsExactly(3);
        take(window, 2, done);
        assertThat(done).containsExactly(3);
        assertThat(window.exp()).isEqualTo(4);
    }
}
