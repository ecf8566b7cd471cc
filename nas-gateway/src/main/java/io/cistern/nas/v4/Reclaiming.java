package io.cistern.nas.v4;

import io.cistern.block.fs.Call;
import io.cistern.nas.share.Access;
import io.cistern.nas.share.NfsException;
import io.cistern.nas.state.Status4;

/// What may not happen while clients reclaim.
final class Reclaiming {
    private Reclaiming() {}

    static void refuse(Compound c, Access a) {
        if (c.state().inGrace(a.share().entry().id())) {
            throw new NfsException(Status4.GRACE, "clients are reclaiming what they had");
        }
    }

    /// @param change that is refused, unless it was made before
    static void refuse(Compound c, Access a, Call change) {
        if (!c.madeBefore(a, change)) {
            refuse(c, a);
        }
    }
}
