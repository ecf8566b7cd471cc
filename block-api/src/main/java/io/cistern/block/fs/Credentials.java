package io.cistern.block.fs;

import java.util.List;

/// On whose behalf something is done. User 0 may do everything; mapping it to another (root squash)
/// is for the caller.
///
/// @param uid unsigned, as are the group ids
/// @param groups supplementary groups, at most [#MAX_GROUPS]
/// @param opened the caller checked the right to read or write the data when it opened the file:
///   reading and writing data, and changing the size, are not checked again. What depends on who
///   writes (clearing set-user-ID bits) still is.
public record Credentials(int uid, int gid, List<Integer> groups, boolean opened) {
    /// Most supplementary groups. More than the 16 that AUTH_SYS carries, for front ends that look
    /// them up themselves.
    public static final int MAX_GROUPS = 64;

    public static final Credentials ROOT = new Credentials(0, 0, List.of());

    public Credentials {
        groups = List.copyOf(groups);
        if (groups.size() > MAX_GROUPS) {
            throw new IllegalArgumentException(
                    groups.size() + " groups: at most " + MAX_GROUPS + " are supported");
        }
    }

    public Credentials(int uid, int gid, List<Integer> groups) {
        this(uid, gid, groups, false);
    }

    /// The same, for a file that was opened: see `opened`.
    public Credentials asOpened() {
        return opened ? this : new Credentials(uid, gid, groups, true);
    }

    public boolean superuser() {
        return uid == 0;
    }

    public boolean inGroup(int group) {
        return gid == group || groups.contains(group);
    }
}
