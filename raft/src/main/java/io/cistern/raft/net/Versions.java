package io.cistern.raft.net;

/// The versions of the protocol that one end of a connection speaks. Both ends tell theirs in the
/// handshake and go by the newest that both know, so that nodes of two releases can be in one
/// cluster while it is brought from one to the other.
///
/// A release that changes the protocol adds a version and goes on speaking the one before it; the
/// one after that may drop it.
///
/// @param oldest 1 to 255
/// @param newest `oldest` to 255
public record Versions(int oldest, int newest) {
    /// What this release speaks.
    public static final Versions CURRENT = new Versions(1, 1);

    public Versions {
        if (oldest < 1 || newest < oldest || newest > 255) {
            throw new IllegalArgumentException("versions " + oldest + " to " + newest);
        }
    }

    /// True where the hello's field is one: the newest version in its low byte, the oldest in its
    /// high one, which is 0 where both are the same.
    static boolean valid(int field) {
        int newest = field & 0xff;
        return newest >= 1 && field >> 8 <= newest;
    }

    static Versions of(int field) {
        int newest = field & 0xff;
        int oldest = field >> 8;
        return new Versions(oldest == 0 ? newest : oldest, newest);
    }

    int field() {
        return oldest == newest ? newest : oldest << 8 | newest;
    }

    /// The newest version that both speak, 0 for none.
    int common(Versions other) {
        int newestOfBoth = Math.min(newest, other.newest);
        return newestOfBoth >= Math.max(oldest, other.oldest) ? newestOfBoth : 0;
    }

    @Override
    public String toString() {
        return oldest == newest ? "version " + oldest : "versions " + oldest + " to " + newest;
    }
}
