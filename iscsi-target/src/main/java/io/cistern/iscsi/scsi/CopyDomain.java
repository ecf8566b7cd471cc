package io.cistern.iscsi.scsi;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/// The logical units of one portal, between which EXTENDED COPY copies. An initiator reaches those
/// that it is logged in to at this portal, and no others: a copy shows and changes nothing that its
/// own READ and WRITE could not. Any thread.
public final class CopyDomain {
    private final Set<LogicalUnit> units = ConcurrentHashMap.newKeySet();

    void add(LogicalUnit unit) {
        units.add(unit);
    }

    void remove(LogicalUnit unit) {
        units.remove(unit);
    }

    /// The nexus of the asking initiator with the logical unit that a designator names.
    ///
    /// @param asking first choice where the designator is of its own unit
    /// @return null where there is none
    @Nullable LuNexus find(LuNexus asking, CopyList.Designator designator) {
        if (designator.names(asking.unit())) {
            return asking;
        }
        for (LogicalUnit unit : units) {
            if (!designator.names(unit)) {
                continue;
            }
            LuNexus any = null;
            for (LuNexus nexus : unit.nexuses()) {
                if (nexus.id().initiatorName().equals(asking.id().initiatorName())) {
                    any = any == null || nexus.id().isid() == asking.id().isid() ? nexus : any;
                }
            }
            if (any != null) {
                return any;
            }
        }
        return null;
    }
}
