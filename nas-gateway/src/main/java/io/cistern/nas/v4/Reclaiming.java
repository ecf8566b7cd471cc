package io.cistern.nas.v4;

import io.cistern.block.fs.Call;
import io.cistern.nas.share.Access;
import io.cistern.nas.share.NfsException;
import io.cistern.nas.state.Kinds;
import io.cistern.nas.state.Status4;

/// What may not happen while clients reclaim.
final class Reclaiming {
    private Reclaiming() {}

    /// @param kinds [Kinds] of others' state that may be in the way
    static void refuse(Compound c, Access a, int kinds) {
        if (c.state().takeovers().unreclaimed(a.share().entry().id(), kinds)) {
            throw new NfsException(Status4.GRACE, "clients are reclaiming what they had");
        }
    }

    /// @param change of names, that is refused where others may have delegations, unless it was
    ///   made before
    static void refuse(Compound c, Access a, Call change) {
        if (!c.madeBefore(a, change)) {
            refuse(c, a, Kinds.DELEGATIONS);
        }
    }
}
