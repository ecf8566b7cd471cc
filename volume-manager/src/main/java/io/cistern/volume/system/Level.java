package io.cistern.volume.system;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;

/// Format levels: what nodes of different releases agree to use.
///
/// A program knows all levels up to [#NEWEST]. A cluster is at the level that its state names
/// ([SystemState#level]), which is raised once every node says that it knows a higher one, and
/// never lowered. What an older program would not understand, or would apply to another result, is
/// used only from its level on. The first level has the number 1; programs that say nothing of
/// levels, and clusters that they are part of, are at 0.
///
/// A release that adds to the log, to what replicas send each other or to files that go from one
/// program to another takes the next number, and a line here.
public final class Level {
    /// The newest that this program knows.
    public static final int NEWEST = 2;

    /// From here on a witness may join.
    public static final int WITNESSES = 1;

    /// From here on groups remember which attachments have ended, see
    /// [io.cistern.storage.Command.Attach#remember].
    public static final int ENDED_ATTACHMENTS = 1;

    /// Programs that know this one can hold their replicas still to be compared, and compare their
    /// disks' books.
    public static final int COMPARISONS = 1;

    /// From here on requests say what they are based on, so that a copy that comes late is known
    /// for one however late it is: [io.cistern.storage.Command.Attach#since],
    /// [io.cistern.storage.Command.IfUnchanged], [SystemCodec#encode(SystemCommand, long)]. And a
    /// volume with clones stays.
    public static final int LATE_REQUESTS = 2;

    private Level() {}

    /// @param what has the level, for the message
    /// @throws CisternException INVALID where this program is too old for it
    public static void require(int level, int known, String what) {
        if (level > known) {
            throw new CisternException(
                    ErrorCode.INVALID,
                    what
                            + " is at format level "
                            + level
                            + ", and this program knows levels up to "
                            + known
                            + ": install the release that the other nodes run, or a newer one");
        }
    }
}
