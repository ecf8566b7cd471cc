package io.cistern.raft;

import org.slf4j.LoggerFactory;

/// Stops the process after a failure that must not be survived: a write, an fsync or an apply that
/// failed. Going on would acknowledge what is not durable, or leave one replica different from the
/// others.
@FunctionalInterface
public interface Halt {
    /// Exit status of a process that halted itself.
    int EXIT_STATUS = 70;

    /// Says why and stops the process. Does not return, except in tests, where the caller then
    /// stops what it was doing by throwing.
    void halt(String message, Throwable cause);

    /// Logs, prints to standard error and ends this JVM at once, without shutdown hooks.
    static Halt process() {
        return (message, cause) -> {
            try {
                LoggerFactory.getLogger(Halt.class).error("HALT: {}", message, cause);
                System.err.println("cistern: HALT: " + message + ": " + cause);
                System.err.flush();
            } finally {
                Runtime.getRuntime().halt(EXIT_STATUS);
            }
        };
    }
}
