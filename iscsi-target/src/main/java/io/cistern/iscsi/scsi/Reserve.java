package io.cistern.iscsi.scsi;

import java.util.concurrent.CompletableFuture;

/// RESERVE and RELEASE (6) and (10) of SPC-2, with the exceptions that SPC-4 5.13.3 makes for
/// persistent reservations (CRH).
final class Reserve implements Operation {
    private final boolean reserve;

    private Reserve(boolean reserve) {
        this.reserve = reserve;
    }

    static Reserve reserve() {
        return new Reserve(true);
    }

    static Reserve release() {
        return new Reserve(false);
    }

    @Override
    public CompletableFuture<ScsiResult> execute(Request request) {
        NexusId nexus = request.nexusId();
        // What this port held in a former session must not be released after it is reserved anew.
        return request.unit()
                .released(nexus)
                .thenCompose(before ->
                        request.update(
                                state -> reserve ? reserved(state, nexus) : released(state, nexus)))
                .thenApply(view -> {
                    if (request.nexus().closed()) {
                        // Not while a release runs that may have looked before this reserved.
                        LogicalUnit unit = request.unit();
                        unit.released(nexus).thenRun(() -> unit.releaseReserve(nexus));
                    }
                    return ScsiResult.good();
                });
    }

    private static ScsiState reserved(ScsiState state, NexusId nexus) {
        if (compatible(state, nexus) || nexus.equals(state.reservedBy())) {
            return state;
        }
        if (state.reservedBy() != null) {
            throw Refusal.conflict();
        }
        ScsiState.Draft draft = state.draft();
        draft.reservedBy = nexus;
        return draft.build();
    }

    /// Of a nexus that has reserved nothing, RELEASE is GOOD and does nothing.
    private static ScsiState released(ScsiState state, NexusId nexus) {
        if (compatible(state, nexus) || !nexus.equals(state.reservedBy())) {
            return state;
        }
        ScsiState.Draft draft = state.draft();
        draft.reservedBy = null;
        return draft.build();
    }

    /// True where a persistent reservation already gives the nexus what it asks for.
    ///
    /// @throws Refusal RESERVATION CONFLICT while there are registrations otherwise
    private static boolean compatible(ScsiState state, NexusId nexus) {
        ScsiState.Reservation reservation = state.reservation();
        if (reservation != null
                && (state.holds(nexus)
                        || reservation.type().registrantsAllowed() && state.isRegistered(nexus))) {
            return true;
        }
        if (!state.registrations().isEmpty()) {
            throw Refusal.conflict();
        }
        return false;
    }
}
