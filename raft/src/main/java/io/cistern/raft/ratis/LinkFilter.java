package io.cistern.raft.ratis;

/// Which messages pass between replicas; for cutting links in fault tests.
@FunctionalInterface
public interface LinkFilter {
    /// Everything passes.
    LinkFilter OPEN = (from, to) -> true;

    /// False to lose what replica `from` (a peer id) sends to replica `to`, requests and answers.
    boolean passes(String from, String to);
}
