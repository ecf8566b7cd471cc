package io.cistern.raft;

/// A place in a Raft log. Index 0 is before the first entry; [#START] is the position of an empty
/// replica.
public record LogPosition(long term, long index) {
    public static final LogPosition START = new LogPosition(0, -1);
}
