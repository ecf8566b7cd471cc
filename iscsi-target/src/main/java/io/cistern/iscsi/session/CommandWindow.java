package io.cistern.iscsi.session;

import io.cistern.iscsi.pdu.Pdu;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// The command numbers of a session (RFC 7143 4.2.2.1): commands are carried out in the order of
/// their CmdSN, and those outside ExpCmdSN..MaxCmdSN are ignored.
///
/// Invariants: `max` never goes back; `held` has only numbers after `exp` and up to `max`.
final class CommandWindow {
    enum Verdict {
        /// It is the next one.
        NOW,
        /// Others come first; it is kept.
        HELD,
        /// Outside the window, or there already.
        IGNORED
    }

    private final Map<Integer, Pdu> held = new HashMap<>();

    /// Numbers that count as received although no command will come.
    private final Map<Integer, Boolean> plugged = new HashMap<>();

    private int exp;
    private int max;

    /// @param first CmdSN of the login, which is not used up
    CommandWindow(int first) {
        exp = first;
        max = first;
    }

    int exp() {
        return exp;
    }

    int max() {
        return max;
    }

    /// Serial number arithmetic (RFC 1982): whether `a` comes before `b`.
    static boolean before(int a, int b) {
        return a - b < 0;
    }

    Verdict arrive(int cmdSn, Pdu pdu) {
        if (cmdSn == exp && contains(cmdSn)) {
            exp++;
            return Verdict.NOW;
        }
        if (!contains(cmdSn) || held.containsKey(cmdSn) || plugged.containsKey(cmdSn)) {
            return Verdict.IGNORED;
        }
        held.put(cmdSn, pdu);
        return Verdict.HELD;
    }

    boolean contains(int cmdSn) {
        return !before(cmdSn, exp) && !before(max, cmdSn);
    }

    /// The next command that was held and whose turn it is.
    @Nullable Pdu next() {
        while (plugged.remove(exp) != null) {
            exp++;
        }
        Pdu pdu = held.remove(exp);
        if (pdu != null) {
            exp++;
        }
        return pdu;
    }

    /// Takes a held command out; its number counts as received.
    @Nullable Pdu takeHeld(int itt, java.util.function.ToIntFunction<Pdu> tagOf) {
        for (Map.Entry<Integer, Pdu> entry : held.entrySet()) {
            if (tagOf.applyAsInt(entry.getValue()) == itt) {
                int cmdSn = entry.getKey();
                Pdu pdu = held.remove(cmdSn);
                plugged.put(cmdSn, true);
                return pdu;
            }
        }
        return null;
    }

    /// Counts `cmdSn` as received; a command with it is ignored from now on.
    void plug(int cmdSn) {
        if (contains(cmdSn) && !held.containsKey(cmdSn)) {
            plugged.put(cmdSn, true);
        }
    }

    /// Counts every missing number before `end` as received. The caller goes on with [#next].
    void plugBefore(int end) {
        for (int sn = exp; before(sn, end) && contains(sn); sn++) {
            plug(sn);
        }
    }

    int heldCount() {
        return held.size();
    }

    void releaseHeld() {
        held.values().forEach(Pdu::release);
        held.clear();
    }

    /// Opens the window for `room` commands from `exp` on, unless it is wider already.
    void open(int room) {
        int wanted = exp + room - 1;
        if (before(max, wanted)) {
            max = wanted;
        }
    }
}
