package io.cistern.volume;

import java.util.List;
import org.jspecify.annotations.Nullable;

/// A share, for people and programs.
///
/// @param state as a volume's
/// @param quotaBytes 0: none
/// @param usedBytes what counts towards the quota; -1 where it is not known now
/// @param files how many files and directories there are; -1 likewise
/// @param group where it lives
/// @param leader the node that leads the group, as far as known
/// @param owner who serves it now, null where nobody does
/// @param rules as [ShareRule] writes them
/// @param parent `SHARE@SNAPSHOT` it was cloned from
/// @param snapshots names, oldest first
public record ShareInfo(
        String name,
        long id,
        VolumeInfo.State state,
        long quotaBytes,
        long usedBytes,
        long files,
        String group,
        @Nullable String leader,
        @Nullable String owner,
        List<String> rules,
        @Nullable String parent,
        List<String> snapshots,
        long createdMillis) {}
