package io.cistern.volume.node;

import io.cistern.storage.Slots;
import io.cistern.volume.Progress;
import io.cistern.volume.client.ShareNames;
import io.cistern.volume.system.SystemState;
import io.cistern.volume.system.SystemState.Group;
import io.cistern.volume.system.SystemState.Volume;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// A verification under way: what it has found, and how far it is.
final class Verification {
    private static final int MAX_FINDINGS = 100;

    /// Why one replica could not be asked; a reason may name an index, which is another each time.
    private static final int MAX_REASONS = 3;

    /// How nodes of earlier releases say that a replica could not be asked, in a comparison of a
    /// volume and in one of rows.
    private static final Pattern FORMERLY =
            Pattern.compile(
                    "(?:([^ :]+) could not be asked|g[0-9]+: could not be asked: ([^ :]+)): (.*)",
                    Pattern.DOTALL);

    /// Comparing the rows of all replicas of a group takes about this part of reading its volumes.
    private static final int ROWS_SHARE = 10;

    private final SystemState state;
    private final Progress progress;
    private final List<Group> groups;
    private final long rowsShare;
    private final long total;
    private final long beganNanos = System.nanoTime();
    private final List<String> findings = new ArrayList<>();

    /// Replicas that could not be asked, by group and peer id, and the sentences about each.
    private final Map<Long, Map<String, Set<String>>> unasked = new TreeMap<>();

    /// What else could not be asked.
    private final List<String> notAsked = new ArrayList<>();

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
            Map<String, Set<String>> here = unasked.getOrDefault(group.id(), new HashMap<>());
            for (String peer : joining) {
                if (here.remove(peer) != null) {
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

    /// Nodes with replicas of them.
    Set<String> nodes() {
        Set<String> nodes = new LinkedHashSet<>();
        groups.forEach(group -> group.dataVoters().forEach(replica -> nodes.add(replica.node())));
        return nodes;
    }

    /// A part was compared up to the granule `next`; negative: all of it.
    void compared(Part part, NodeOrder.Done found, long next) {
        add(found, part.volume().id());
        addUnasked(part.volume().group(), found);
        if (next < 0) {
            done += part.weight();
            report(0);
        } else {
            report(Math.min(part.weight(), next * Slots.SLOT_BYTES));
        }
    }

    /// The rows of all replicas of a group were compared.
    void comparedRows(Group group, NodeOrder.Done found) {
        add(found, 0);
        addUnasked(group.id(), found);
        done += rowsShare;
        report(0);
    }

    /// @param volume that all findings are about; 0: they tell themselves
    void add(NodeOrder.Done found, long volume) {
        bytes += found.bytes();
        for (int i = 0; i < found.findings().size(); i++) {
            if (found.unasked() == null && formerly(found.findings().get(i)) != null) {
                continue; // see addUnasked
            }
            String text = named(volume == 0 ? found.volume(i) : volume) + found.findings().get(i);
            if (findings.size() < MAX_FINDINGS && !findings.contains(text)) {
                findings.add(text);
            }
        }
    }

    private void addUnasked(long group, NodeOrder.Done found) {
        List<NodeOrder.Unasked> listed = found.unasked();
        if (listed == null) {
            listed =
                    found.findings().stream()
                            .map(Verification::formerly)
                            .filter(Objects::nonNull)
                            .toList();
        }
        for (NodeOrder.Unasked replica : listed) {
            Set<String> reasons =
                    unasked.computeIfAbsent(group, g -> new TreeMap<>())
                            .computeIfAbsent(replica.peer(), peer -> new LinkedHashSet<>());
            if (reasons.size() < MAX_REASONS) {
                reasons.add(replica.why());
            }
        }
    }

    /// The replica that a finding of a node of an earlier release says could not be asked.
    private static NodeOrder.@Nullable Unasked formerly(String finding) {
        Matcher matcher = FORMERLY.matcher(finding);
        return !matcher.matches()
                ? null
                : matcher.group(1) != null
                        ? new NodeOrder.Unasked(matcher.group(1), matcher.group(3))
                        : new NodeOrder.Unasked(matcher.group(2), matcher.group(3));
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

    /// What was found, and last what could not be asked.
    List<String> findings() {
        List<String> all = new ArrayList<>(findings);
        all.addAll(unasked());
        return all;
    }

    List<String> unasked() {
        List<String> all = new ArrayList<>();
        unasked.forEach((group, peers) ->
                peers.forEach((peer, reasons) ->
                        reasons.forEach(why ->
                                all.add("g" + group + ": " + new NodeOrder.Unasked(peer, why)))));
        all.addAll(notAsked);
        return all;
    }

    /// @param what could not be asked, as a sentence
    void notAsked(String what) {
        notAsked.add(what);
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
