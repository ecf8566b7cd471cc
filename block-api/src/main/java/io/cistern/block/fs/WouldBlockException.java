package io.cistern.block.fs;

/// The caller may not wait, and what it asked for cannot be had without: nothing has happened. Ask
/// again from a thread that may. See [FileSystem#atOnce].
public final class WouldBlockException extends RuntimeException {
    private static final long serialVersionUID = 1;

    /// The only one: it is thrown often, and its stack says nothing.
    public static final WouldBlockException INSTANCE = new WouldBlockException();

    private WouldBlockException() {
        super("this takes a thread that may wait", null, false, false);
    }
}
