package io.cistern.nas.state;

/// Kinds of state that a client may have in a share, as a set of bits. They are recorded before
/// state of that kind is given, so that the share's next owner knows what it must not give to
/// others before it has been reclaimed (RFC 8881 section 8.4.2.1).
public final class Kinds {
    public static final int NONE = 0;
    public static final int OPENS = 1;
    public static final int LOCKS = 2;

    /// Opens that deny others something.
    public static final int DENIALS = 4;

    public static final int DELEGATIONS = 8;
    public static final int ALL = OPENS | LOCKS | DENIALS | DELEGATIONS;

    private Kinds() {}

    /// What an open is.
    public static int ofOpen(int deny) {
        return deny == 0 ? OPENS : OPENS | DENIALS;
    }

    /// What a client has now, in any share, of the given kinds.
    static int of(Client client, int among) {
        int kinds = client.opens.isEmpty() ? NONE : OPENS;
        kinds |= client.lockedRanges > 0 ? LOCKS : NONE;
        kinds |= client.delegations.isEmpty() ? NONE : DELEGATIONS;
        if ((among & DENIALS) != 0 && client.opens.stream().anyMatch(open -> open.deny != 0)) {
            kinds |= DENIALS;
        }
        return kinds & among;
    }

    /// What of others' has to be reclaimed before somebody is given an open like that.
    static int inTheWayOfOpen(int access, int deny) {
        if (deny != 0) {
            return ALL;
        }
        return (access & StateTable.WRITE) == 0 ? DENIALS : DENIALS | DELEGATIONS;
    }

    /// What of others' is in the way of locks: who has a delegation may lock without asking.
    public static final int IN_THE_WAY_OF_LOCKS = LOCKS | DELEGATIONS;
}
