package io.cistern.volume.client;

import java.util.List;

/// Where volumes and groups are.
public interface ClusterMap {
    /// A volume's id and group.
    record Location(long volume, long group) {}

    /// Finds a volume by name, as new as any acknowledged change. Blocks.
    ///
    /// @throws io.cistern.block.CisternException NOT_FOUND, UNAVAILABLE
    Location locate(String volume);

    /// The group's members as known here; empty where nothing is known yet. Never blocks. The same
    /// member is the same object from call to call.
    List<Member> members(long group);
}
