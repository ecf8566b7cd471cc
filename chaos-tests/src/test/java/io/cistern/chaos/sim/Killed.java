package io.cistern.chaos.sim;

/// Ends what a process was doing when it died. An Error, so that nobody takes it for a failure to
/// be handled.
public final class Killed extends Error {
    private static final long serialVersionUID = 1L;

    public Killed() {
        super("the process is dead", null, false, false);
    }
}
