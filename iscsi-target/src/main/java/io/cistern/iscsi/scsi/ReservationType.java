package io.cistern.iscsi.scsi;

import org.jspecify.annotations.Nullable;

/// Types of persistent reservations (SPC-4 table 200).
enum ReservationType {
    WRITE_EXCLUSIVE(0x1, true, Who.HOLDER),
    EXCLUSIVE_ACCESS(0x3, false, Who.HOLDER),
    WRITE_EXCLUSIVE_REGISTRANTS_ONLY(0x5, true, Who.REGISTRANTS),
    EXCLUSIVE_ACCESS_REGISTRANTS_ONLY(0x6, false, Who.REGISTRANTS),
    WRITE_EXCLUSIVE_ALL_REGISTRANTS(0x7, true, Who.ALL_HOLD),
    EXCLUSIVE_ACCESS_ALL_REGISTRANTS(0x8, false, Who.ALL_HOLD);

    private enum Who {
        HOLDER,
        REGISTRANTS,
        ALL_HOLD
    }

    private final int code;
    private final boolean readsAllowed;
    private final Who who;

    ReservationType(int code, boolean readsAllowed, Who who) {
        this.code = code;
        this.readsAllowed = readsAllowed;
        this.who = who;
    }

    int code() {
        return code;
    }

    /// Write exclusive: anybody may read.
    boolean readsAllowed() {
        return readsAllowed;
    }

    /// Registered nexuses have access as the holder has.
    boolean registrantsAllowed() {
        return who != Who.HOLDER;
    }

    /// Every registered nexus is a holder.
    boolean allRegistrants() {
        return who == Who.ALL_HOLD;
    }

    static @Nullable ReservationType of(int code) {
        for (ReservationType type : values()) {
            if (type.code == code) {
                return type;
            }
        }
        return null;
    }
}
