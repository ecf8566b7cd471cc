package io.cistern.volume.client;

import java.util.List;

/// Where volumes and groups are.
public interface ClusterMap {
    /// A volume's id and group.
    ///
    /// @param exported it is offered over iSCSI, so no one may have it alone
    record Location(long volume, long group, boolean exported) {
        public Location(long volume, long group) {
            this(volume, group, false);
        }
    }

    /// Finds a volume by name, as new as any acknowledged change. Blocks.
    ///
    /// @throws io.cistern.block.CisternException NOT_FOUND, UNAVAILABLE
    Location locate(String volume);

    /// The cluster's format level, [io.cistern.volume.system.Level], or an earlier one. Never
    /// blocks.
    int level();

    /// The group's members as known here; empty where nothing is known yet. Never blocks. The same
    /// member is the same object from call to call.
    List<Member> members(long group);
}
