package io.cistern.volume.node;

import io.cistern.volume.Progress;
import io.cistern.volume.system.SystemState;
import io.cistern.volume.system.SystemState.Group;
import io.cistern.volume.system.SystemState.Volume;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;

/// A verification under way: what it has found, and how far it is.
final class Verification {
    private static final int MAX_FINDINGS = 100;

    /// Comparing the rows of all replicas of a group takes about this part of reading its volumes.
    private static final int ROWS_SHARE = 10;

    private final SystemState state;
    private final Progress progress;
    private final List<Group> groups;
    private final long volumeBytes;
    private final long total;
    private final long beganNanos = System.nanoTime();
    private final List<String> findings = new ArrayList<>();
    private long bytes;
    private long done;

    /// @param chosen volumes
    Verification(SystemState state, List<Volume> chosen, Progress progress) {
        this.state = state;
        this.progress = progress;
        Set<Long> ids = new LinkedHashSet<>();
        chosen.forEach(volume -> ids.add(volume.group()));
        groups = ids.stream().map(id -> Objects.requireNonNull(state.groups().get(id))).toList();
        volumeBytes = chosen.stream().mapToLong(Volume::sizeBytes).sum();
        total = volumeBytes + share() * groups.size();
    }

    void begin() {
        progress.report(0, total, -1);
    }

    /// Groups of the volumes.
    List<Group> groups() {
        return groups;
    }

    /// Nodes with replicas of them.
    Set<String> nodes() {
        Set<String> nodes = new LinkedHashSet<>();
        groups.forEach(group -> group.dataVoters().forEach(replica -> nodes.add(replica.node())));
        return nodes;
    }

    /// What the comparison of one group counts in the progress.
    long share() {
        return groups.isEmpty() ? 0 : volumeBytes / ROWS_SHARE / groups.size();
    }

    /// @param weight of the part that is done, in bytes
    void add(long weight, NodeOrder.Done found) {
        add(weight, found, 0);
    }

    /// @param volume that all findings are about; 0: they tell themselves
    void add(long weight, NodeOrder.Done found, long volume) {
        bytes += found.bytes();
        for (int i = 0; i < found.findings().size() && findings.size() < MAX_FINDINGS; i++) {
            findings.add(named(volume == 0 ? found.volume(i) : volume) + found.findings().get(i));
        }
        done += weight;
        double spentMillis = (System.nanoTime() - beganNanos) / 1e6;
        progress.report(done, total, done == 0 ? -1 : (long) (spentMillis * (total - done) / done));
    }

    private String named(long id) {
        if (id == 0) {
            return "";
        }
        return state.volumes().values().stream()
                .filter(v -> v.id() == id)
                .map(v -> "volume " + v.name() + ": ")
                .findFirst()
                .orElse("volume with id " + id + ": ");
    }

    List<String> findings() {
        return findings;
    }

    long bytes() {
        return bytes;
    }
}
