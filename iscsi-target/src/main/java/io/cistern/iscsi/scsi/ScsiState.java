package io.cistern.iscsi.scsi;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// What all portals of a logical unit agree on: the content of the volume's shared record.
/// Immutable.
///
/// @param generation PRGENERATION, 32 bits
/// @param aptpl the last APTPL; reservations persist in any case
/// @param registrations keys by nexus, in order of registration, at most [#MAX_REGISTRATIONS]
/// @param reservation null for none
/// @param reservedBy the nexus that holds an SPC-2 reservation, null for none
/// @param mode current mode parameters
/// @param savedMode what a reset brings back
/// @param eventCount events since the record began
/// @param events the last of them, at most [#MAX_EVENTS], the newest at the end
record ScsiState(
        long generation,
        boolean aptpl,
        Map<NexusId, Long> registrations,
        @Nullable Reservation reservation,
        @Nullable NexusId reservedBy,
        ModeSettings mode,
        ModeSettings savedMode,
        long eventCount,
        List<SharedEvent> events) {
    /// So that the longest names fit in a record: 240 × 240 + 18 × 235 bytes < 64 KiB.
    static final int MAX_REGISTRATIONS = 240;

    static final int MAX_EVENTS = 16;

    static final ScsiState INITIAL =
            new ScsiState(
                    0,
                    false,
                    Map.of(),
                    null,
                    null,
                    ModeSettings.DEFAULT,
                    ModeSettings.DEFAULT,
                    0,
                    List.of());

    /// @param holder null for the all registrants types
    record Reservation(ReservationType type, @Nullable NexusId holder) {}

    /// The key of a registered nexus, null for one that is not registered.
    @Nullable Long key(NexusId nexus) {
        return registrations.get(nexus);
    }

    boolean isRegistered(NexusId nexus) {
        return registrations.containsKey(nexus);
    }

    boolean holds(NexusId nexus) {
        return reservation != null
                && (reservation.type().allRegistrants()
                        ? isRegistered(nexus)
                        : nexus.equals(reservation.holder()));
    }

    /// Whether a reservation of any kind forbids the nexus to write, or to read.
    boolean conflicts(NexusId nexus, boolean writes) {
        if (reservedBy != null && !reservedBy.equals(nexus)) {
            return true;
        }
        if (reservation == null
                || holds(nexus)
                || reservation.type().registrantsAllowed() && isRegistered(nexus)) {
            return false;
        }
        return writes || !reservation.type().readsAllowed();
    }

    /// The events that one who knows the first `seen` has not been told of; null where the oldest
    /// of them is no longer listed.
    @Nullable List<SharedEvent> eventsAfter(long seen) {
        long missed = eventCount - seen;
        if (missed <= 0) {
            return List.of();
        }
        return missed > events.size()
                ? null
                : events.subList(events.size() - (int) missed, events.size());
    }

    Draft draft() {
        return new Draft(this);
    }

    /// A state in the making. One thread.
    static final class Draft {
        long generation;
        boolean aptpl;
        final Map<NexusId, Long> registrations;
        @Nullable Reservation reservation;
        @Nullable NexusId reservedBy;
        ModeSettings mode;
        ModeSettings savedMode;
        private long eventCount;
        private final List<SharedEvent> events;

        private Draft(ScsiState from) {
            generation = from.generation;
            aptpl = from.aptpl;
            registrations = new LinkedHashMap<>(from.registrations);
            reservation = from.reservation;
            reservedBy = from.reservedBy;
            mode = from.mode;
            savedMode = from.savedMode;
            eventCount = from.eventCount;
            events = new ArrayList<>(from.events);
        }

        void event(SharedEvent.Kind kind, @Nullable NexusId actor) {
            eventCount++;
            events.add(new SharedEvent(kind, actor));
            if (events.size() > MAX_EVENTS) {
                events.removeFirst();
            }
        }

        void nextGeneration() {
            generation = generation + 1 & 0xffffffffL;
        }

        ScsiState build() {
            return new ScsiState(
                    generation,
                    aptpl,
                    java.util.Collections.unmodifiableMap(registrations),
                    reservation,
                    reservedBy,
                    mode,
                    savedMode,
                    eventCount,
                    List.copyOf(events));
        }
    }
}
