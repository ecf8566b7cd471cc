package io.cistern.raft.ratis;

/// Calls into Ratis by method handles.
final class Inside {
    private Inside() {}

    /// What such a call threw, for the caller to throw on: those of Ratis throw no checked
    /// exceptions.
    static RuntimeException unchecked(Throwable thrown) {
        if (thrown instanceof Error error) {
            throw error;
        }
        return thrown instanceof RuntimeException known ? known : new IllegalStateException(thrown);
    }
}
