package io.cistern.volume.node;

import io.cistern.storage.Slots;
import io.cistern.volume.Progress;
import io.cistern.volume.client.ShareNames;
import io.cistern.volume.system.SystemState;
import io.cistern.volume.system.SystemState.Group;
import io.cistern.volume.system.SystemState.Volume;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;

/// A verification under way: what it has found, and how far it is.
final class Verification {
    private static final int MAX_FINDINGS = 100;

    /// Behind the peer id of a replica, in what a node found.
    static final String UNASKED = " could not be asked";

    /// Comparing the rows of all replicas of a group takes about this part of reading its volumes.
    private static final int ROWS_SHARE = 10;

    private final SystemState state;
    private final Progress progress;
    private final List<Group> groups;
    private final long rowsShare;
    private final long total;
    private final long beganNanos = System.nanoTime();
    private final List<String> findings = new ArrayList<>();
    private final Set<String> silent = new HashSet<>();
    private long bytes;

    /// Bytes of the parts, and shares of groups, that are complete.
    private long done;

    /// The head of a volume or one of its snapshots.
    ///
    /// @param snapshot empty for the head
    record Part(Volume volume, String snapshot, long sizeBytes) {
        /// What it counts in the progress. The files of a share lie far apart in it: how far it is
        /// cannot be told from where it is.
        long weight() {
            return ShareNames.isShare(volume.name()) ? 0 : sizeBytes;
        }
    }

    Verification(SystemState state, List<Part> parts, Progress progress) {
        this.state = state;
        this.progress = progress;
        Set<Long> ids = new LinkedHashSet<>();
        parts.forEach(part -> ids.add(part.volume().group()));
        groups = ids.stream().map(id -> Objects.requireNonNull(state.groups().get(id))).toList();
        long weight = parts.stream().mapToLong(Part::weight).sum();
        rowsShare = groups.isEmpty() ? 0 : weight / ROWS_SHARE / groups.size();
        total = weight + rowsShare * groups.size();
        progress.report(0, total, -1);
    }

    Group group(Volume volume) {
        return Objects.requireNonNull(state.groups().get(volume.group()));
    }

    /// Groups of the volumes.
    List<Group> groups() {
        return groups;
    }

    /// Takes out of the findings that replicas which do not vote yet could not be asked: nothing
    /// depends on them, and their copies may have just begun.
    ///
    /// @param now the state at the end
    /// @return a note for each
    List<String> notesOfJoining(SystemState now) {
        List<String> notes = new ArrayList<>();
        for (Group group : groups) {
            Group after = now.groups().get(group.id());
            Set<String> joining = new LinkedHashSet<>(learners(group));
            if (after != null) {
                joining.addAll(learners(after));
            }
            for (String peer : joining) {
                if (findings.removeIf(finding -> isUnasked(finding, peer))) {
                    notes.add(
                            peer
                                    + " is joining g"
                                    + group.id()
                                    + " and does not vote yet: it was not compared; verify again"
                                    + " when 'cistern status' does not list it as joining");
                }
            }
        }
        return notes;
    }

    private static List<String> learners(Group group) {
        return group.replicas().stream()
                .filter(r -> r.role() == SystemState.Role.LEARNER)
                .map(SystemState.Replica::peer)
                .toList();
    }

    private static boolean isUnasked(String finding, String peer) {
        return finding.startsWith(peer + UNASKED)
                || finding.contains(": " + peer + UNASKED)
                || finding.contains(": " + UNASKED.strip() + ": " + peer + ":");
    }

    /// Nodes with replicas of them.
    Set<String> nodes() {
        Set<String> nodes = new LinkedHashSet<>();
        groups.forEach(group -> group.dataVoters().forEach(replica -> nodes.add(replica.node())));
        return nodes;
    }

    /// A part was compared up to the granule `next`; negative: all of it.
    void compared(Part part, NodeOrder.Done found, long next) {
        add(found, part.volume().id());
        if (next < 0) {
            done += part.weight();
            report(0);
        } else {
            report(Math.min(part.weight(), next * Slots.SLOT_BYTES));
        }
    }

    /// The rows of all replicas of a group were compared.
    void comparedRows(NodeOrder.Done found) {
        add(found, 0);
        done += rowsShare;
        report(0);
    }

    /// @param volume that all findings are about; 0: they tell themselves
    void add(NodeOrder.Done found, long volume) {
        bytes += found.bytes();
        for (int i = 0; i < found.findings().size(); i++) {
            String text = named(volume == 0 ? found.volume(i) : volume) + found.findings().get(i);
            if (findings.size() < MAX_FINDINGS && !findings.contains(text)) {
                findings.add(text);
            }
        }
    }

    private void report(long within) {
        long sofar = done + within;
        double spentMillis = (System.nanoTime() - beganNanos) / 1e6;
        progress.report(
                sofar, total, sofar == 0 ? -1 : (long) (spentMillis * (total - sofar) / sofar));
    }

    private String named(long id) {
        if (id == 0) {
            return "";
        }
        return state.volumes().values().stream()
                .filter(v -> v.id() == id)
                .map(v -> ShareNames.shown(v.name()) + ": ")
                .findFirst()
                .orElse("volume with id " + id + ": ");
    }

    List<String> findings() {
        return findings;
    }

    /// A node that did not answer is not given another order.
    void silent(String node) {
        silent.add(node);
    }

    boolean isSilent(String node) {
        return silent.contains(node);
    }

    long bytes() {
        return bytes;
    }
}
