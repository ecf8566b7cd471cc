package io.cistern.volume;

/// Hears how far something long has come.
@FunctionalInterface
public interface Progress {
    /// Called a few times a second at most; must not block for long. What it throws ends the work.
    ///
    /// @param doneBytes grows
    /// @param totalBytes 0 if not known
    /// @param etaMillis estimated time left, -1 if not known yet
    void report(long doneBytes, long totalBytes, long etaMillis);

    /// Tells nobody.
    Progress NONE = (done, total, eta) -> {};
}
