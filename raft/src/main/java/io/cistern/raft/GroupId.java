package io.cistern.raft;

/// Names a replication group in a cluster. 0 is the system group; data groups count from 1 and are
/// never reused.
public record GroupId(long value) implements Comparable<GroupId> {
    public static final GroupId SYSTEM = new GroupId(0);

    public GroupId {
        if (value < 0) {
            throw new IllegalArgumentException("group id " + value);
        }
    }

    @Override
    public int compareTo(GroupId other) {
        return Long.compare(value, other.value);
    }

    @Override
    public String toString() {
        return "g" + value;
    }
}
