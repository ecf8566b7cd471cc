package io.cistern.iscsi.scsi;

import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/// What the service actions of PERSISTENT RESERVE OUT make of a state (SPC-4 5.13). Pure functions;
/// each throws a [Refusal] where the action is to fail.
final class PersistentReservations {
    /// @param nexus whose command it is
    /// @param key RESERVATION KEY
    /// @param actionKey SERVICE ACTION RESERVATION KEY
    /// @param aptpl the APTPL bit
    record Asked(NexusId nexus, long key, long actionKey, boolean aptpl) {}

    private PersistentReservations() {}

    /// REGISTER, and REGISTER AND IGNORE EXISTING KEY.
    ///
    /// @param others nexuses to register beside the asking one (SPEC_I_PT, ALL_TG_PT)
    static ScsiState register(
            ScsiState state, Asked asked, boolean ignoreKey, List<NexusId> others) {
        Long registered = state.key(asked.nexus());
        if (!ignoreKey && asked.key() != (registered == null ? 0 : registered)) {
            throw Refusal.conflict();
        }
        if (registered == null && asked.actionKey() == 0) {
            return state;
        }
        ScsiState.Draft draft = state.draft();
        draft.aptpl = asked.aptpl();
        draft.nextGeneration();
        if (asked.actionKey() == 0) {
            unregister(draft, asked.nexus());
        } else {
            draft.registrations.put(asked.nexus(), asked.actionKey());
            others.forEach(other -> draft.registrations.put(other, asked.actionKey()));
            if (draft.registrations.size() > ScsiState.MAX_REGISTRATIONS) {
                throw Refusal.of(Condition.INSUFFICIENT_REGISTRATION_RESOURCES);
            }
        }
        return draft.build();
    }

    static ScsiState reserve(ScsiState state, Asked asked, ReservationType type) {
        checkKey(state, asked);
        ScsiState.Reservation present = state.reservation();
        if (present != null) {
            if (state.holds(asked.nexus()) && present.type() == type) {
                return state;
            }
            throw Refusal.conflict();
        }
        ScsiState.Draft draft = state.draft();
        draft.reservation = reservation(type, asked.nexus());
        return draft.build();
    }

    static ScsiState release(ScsiState state, Asked asked, ReservationType type) {
        checkKey(state, asked);
        ScsiState.Reservation present = state.reservation();
        if (present == null || !state.holds(asked.nexus())) {
            return state;
        }
        if (present.type() != type) {
            throw Refusal.of(Condition.INVALID_RELEASE);
        }
        ScsiState.Draft draft = state.draft();
        dissolve(draft, present.type(), asked.nexus());
        return draft.build();
    }

    static ScsiState clear(ScsiState state, Asked asked) {
        checkKey(state, asked);
        ScsiState.Draft draft = state.draft();
        draft.registrations.clear();
        draft.reservation = null;
        draft.nextGeneration();
        draft.event(SharedEvent.Kind.CLEARED, asked.nexus());
        return draft.build();
    }

    /// PREEMPT, and PREEMPT AND ABORT.
    static ScsiState preempt(ScsiState state, Asked asked, ReservationType type, boolean abort) {
        checkKey(state, asked);
        ScsiState.Reservation present = state.reservation();
        boolean allHold = present != null && present.type().allRegistrants();
        if (asked.actionKey() == 0 && !allHold) {
            throw Refusal.parameter(8, -1);
        }
        Long holderKey =
                present == null || present.holder() == null ? null : state.key(present.holder());
        boolean takes =
                allHold ? asked.actionKey() == 0 : Objects.equals(holderKey, asked.actionKey());
        ScsiState.Draft draft = state.draft();
        boolean removed =
                remove(
                        draft,
                        entry ->
                                (asked.actionKey() == 0 || entry.getValue() == asked.actionKey())
                                        && !(takes && entry.getKey().equals(asked.nexus())));
        if (!removed && !takes) {
            throw Refusal.conflict();
        }
        draft.nextGeneration();
        draft.event(
                abort ? SharedEvent.Kind.PREEMPTED_AND_ABORTED : SharedEvent.Kind.PREEMPTED,
                asked.nexus());
        if (takes && present != null) {
            draft.reservation = reservation(type, asked.nexus());
            if (present.type() != type && present.type().registrantsAllowed()) {
                draft.event(SharedEvent.Kind.RELEASED, asked.nexus());
            }
        } else if (allHold && draft.registrations.isEmpty()) {
            draft.reservation = null;
        }
        return draft.build();
    }

    /// REGISTER AND MOVE (SPC-4 5.13.8); where there is nothing to move, the service action is
    /// wrong.
    static ScsiState move(ScsiState state, Asked asked, NexusId destination, boolean unregister) {
        checkKey(state, asked);
        ScsiState.Reservation present = state.reservation();
        if (present == null) {
            throw Refusal.cdb(1, 4);
        }
        if (present.type().allRegistrants() || !asked.nexus().equals(present.holder())) {
            throw Refusal.conflict();
        }
        if (asked.actionKey() == 0) {
            throw Refusal.parameter(8, -1);
        }
        ScsiState.Draft draft = state.draft();
        draft.aptpl = asked.aptpl();
        draft.nextGeneration();
        draft.registrations.putIfAbsent(destination, asked.actionKey());
        if (unregister) {
            draft.registrations.remove(asked.nexus());
        }
        if (draft.registrations.size() > ScsiState.MAX_REGISTRATIONS) {
            throw Refusal.of(Condition.INSUFFICIENT_REGISTRATION_RESOURCES);
        }
        draft.reservation = new ScsiState.Reservation(present.type(), destination);
        return draft.build();
    }

    private static void checkKey(ScsiState state, Asked asked) {
        Long registered = state.key(asked.nexus());
        if (registered == null || registered != asked.key()) {
            throw Refusal.conflict();
        }
    }

    /// A holder that goes takes its reservation along; one that all registrants hold goes with the
    /// last of them.
    private static void unregister(ScsiState.Draft draft, NexusId nexus) {
        draft.registrations.remove(nexus);
        ScsiState.Reservation present = draft.reservation;
        if (present == null) {
            return;
        }
        boolean ends =
                present.type().allRegistrants()
                        ? draft.registrations.isEmpty()
                        : nexus.equals(present.holder());
        if (ends) {
            dissolve(draft, present.type(), nexus);
        }
    }

    private static void dissolve(ScsiState.Draft draft, ReservationType type, NexusId actor) {
        draft.reservation = null;
        if (type.registrantsAllowed()) {
            draft.event(SharedEvent.Kind.RELEASED, actor);
        }
    }

    private static boolean remove(
            ScsiState.Draft draft, Predicate<Map.Entry<NexusId, Long>> which) {
        return draft.registrations.entrySet().removeIf(which);
    }

    private static ScsiState.Reservation reservation(
            ReservationType type, @Nullable NexusId holder) {
        return new ScsiState.Reservation(type, type.allRegistrants() ? null : holder);
    }
}
