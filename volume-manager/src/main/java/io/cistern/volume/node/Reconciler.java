package io.cistern.volume.node;

import io.cistern.block.CisternException;
import io.cistern.volume.client.Waits;
import io.cistern.volume.system.SystemCodec;
import io.cistern.volume.system.SystemCommand;
import io.cistern.volume.system.SystemCommand.Place;
import io.cistern.volume.system.SystemState;
import io.cistern.volume.system.SystemState.Disk;
import io.cistern.volume.system.SystemState.Group;
import io.cistern.volume.system.SystemState.Node;
import io.cistern.volume.system.SystemState.Phase;
import io.cistern.volume.system.SystemState.Volume;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The system leader's regular work: forms the cluster, makes data groups, finishes what was left
/// half done, has members replaced. Each step looks at the state and does the next thing; any may
/// be repeated, and by an old leader and a new one at once.
final class Reconciler {
    private static final Logger log = LoggerFactory.getLogger(Reconciler.class);

    /// How long somebody else may take for the second half of a creation or deletion.
    private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(5);

    private final LocalNode local;
    private final Cluster cluster;
    private final SystemCommand.Form form;
    private final Volumes volumes;
    private final Memberships memberships;
    private final Leftovers leftovers;
    private final Silence silence = new Silence(System::nanoTime);
    private final Spread spread;
    private final Journeys journeys;
    private final Map<Long, Long> unfinishedSince = new HashMap<>();

    /// @param form what to propose where the cluster is not formed yet
    /// @param soon has [#step] called again without waiting, from any thread
    Reconciler(
            LocalNode local, Cluster cluster, Work work, SystemCommand.Form form, Runnable soon) {
        this.local = local;
        this.cluster = cluster;
        this.form = form;
        this.volumes = new Volumes(cluster);
        this.memberships = new Memberships(Memberships.Actions.of(cluster), silence, soon);
        this.spread = new Spread(cluster, System::nanoTime);
        this.journeys = new Journeys(work, silence, System::currentTimeMillis);
        this.leftovers = new Leftovers(cluster);
    }

    /// Does what is to be done now, if this node leads the system group. Blocks; called by one
    /// thread.
    void step() {
        SystemGroup system = local.system();
        if (system == null || !system.leads()) {
            unfinishedSince.clear();
            memberships.reset();
            leftovers.reset();
            silence.reset();
            spread.reset();
            journeys.reset();
            return;
        }
        SystemState state = system.machine().state();
        if (state.clusterId().isEmpty()) {
            if (!form.nodes().isEmpty()) {
                attempt("form the cluster", () -> propose(form));
            }
            return;
        }
        if (!state.clusterId().equals(local.file().clusterId())) {
            attempt("give up the lost nodes", () -> giveUpOthers(system));
            return;
        }
        Map<String, NodeReport> reports = cluster.reports();
        silence.heard(state, reports);
        attempt("raise the format level", () -> Levels.raise(cluster, state, reports));
        attempt("make groups", () -> makeGroups(state, reports));
        Moves moves = moves(state, reports);
        for (Group group : state.groups().values()) {
            attempt("look after g" + group.id(), () -> lookAfter(state, group, reports, moves));
        }
        attempt("spread replicas and leaders", () -> spread.step(state, reports));
        attempt("forget emptied disks", () -> forgetDisks(state));
        journeys.step(state, reports);
        finishVolumes(state);
        leftovers.step(state, reports, Leftovers.PATIENCE_NANOS);
    }

    /// This node alone makes a cluster anew, see [Rescue]. The others, whom the state still names,
    /// are not asked.
    private void giveUpOthers(SystemGroup system) {
        NodeFile file = local.file();
        List<SystemCommand.Held> held =
                file.replicas().stream()
                        .map(r -> new SystemCommand.Held(r.group(), r.peer(), disk(file, r.disk())))
                        .toList();
        SystemCommand command =
                new SystemCommand.GiveUp(Cluster.request(), file.clusterId(), file.name(), held);
        log.warn("giving up all nodes but {}", local.file().name());
        Waits.get(system.propose(SystemCodec.encode(command)), Cluster.CONTROL);
    }

    private static Disk disk(NodeFile file, int number) {
        NodeFile.LocalDisk disk =
                file.disks().stream().filter(d -> d.number() == number).findFirst().orElseThrow();
        return new Disk(number, disk.path(), disk.sizeBytes(), false);
    }

    private static void attempt(String what, Runnable step) {
        try {
            step.run();
        } catch (CisternException e) {
            log.debug("cannot {} yet: {}", what, e.getMessage());
        }
    }

    private long propose(SystemCommand command) {
        return cluster.system().propose(command, Cluster.CONTROL);
    }

    // ---- groups

    /// The replicas of volumes that ask for nothing special.
    static int defaultReplicas(SystemState state) {
        long data = state.nodes().values().stream().filter(n -> !n.witness()).count();
        boolean usual =
                data >= 3
                        || state.groups().values().stream()
                                .anyMatch(g -> g.id() != 0 && g.wanted() >= 3);
        boolean witnessed =
                (data == Group.WITNESSED_REPLICAS && data < state.nodes().size())
                        || state.groups().values().stream().anyMatch(g -> g.wantedWitnesses() > 0);
        return usual ? 3 : witnessed ? Group.WITNESSED_REPLICAS : 1;
    }

    /// How many groups with `replicas` voters the cluster should have.
    static int wantedGroups(SystemState state, int replicas) {
        int per = Math.max(1, state.settings().nodesPerGroup());
        int active =
                (int)
                        state.nodes().values().stream()
                                .filter(n -> !n.draining() && !n.witness())
                                .count();
        int wanted = (active + per - 1) / per;
        return active < replicas ? 0 : Math.max(1, wanted);
    }

    private void makeGroups(SystemState state, Map<String, NodeReport> reports) {
        int replicas = defaultReplicas(state);
        long existing =
                state.groups().values().stream()
                        .filter(g -> g.id() != 0 && g.wanted() == replicas)
                        .count();
        boolean pending = state.groups().values().stream().anyMatch(g -> !g.ready());
        if (existing >= wantedGroups(state, replicas) || pending) {
            return;
        }
        List<Place> places = Placement.forGroup(state, reports, replicas);
        if (places != null) {
            long id = propose(new SystemCommand.CreateGroup(Cluster.request(), places));
            log.info("made group g{} on {}", id, places);
        }
    }

    private Moves moves(SystemState state, Map<String, NodeReport> reports) {
        return new Moves(
                state,
                state.groups().values().stream()
                        .anyMatch(g -> memberships.lossToMend(state, g, reports)));
    }

    /// Disks that were to be emptied and are: whoever asked need not have waited.
    private void forgetDisks(SystemState state) {
        for (Node node : state.nodes().values()) {
            for (Disk disk : node.disks()) {
                boolean used =
                        state.groups().values().stream()
                                .flatMap(g -> g.replicas().stream())
                                .anyMatch(r ->
                                        r.node().equals(node.name()) && r.disk() == disk.number());
                if (disk.draining() && !used) {
                    log.info("disk {}/{} is empty and leaves", node.name(), disk.number());
                    propose(
                            new SystemCommand.RemoveDisk(
                                    Cluster.request(), node.name(), disk.number()));
                }
            }
        }
    }

    private void lookAfter(
            SystemState state, Group group, Map<String, NodeReport> reports, Moves moves) {
        if (group.ready()) {
            memberships.step(state, group, reports, moves);
            return;
        }
        boolean open =
                group.replicas().stream()
                        .allMatch(r -> {
                            NodeReport report = reports.get(r.node());
                            return report != null && report.replica(r.peer(), group.id()) != null;
                        });
        if (open) {
            propose(new SystemCommand.GroupReady(Cluster.request(), group.id()));
        }
    }

    /// True where the cluster is formed and no group is being made or changed.
    static boolean settled(SystemState state) {
        return state.groups().size() > 1
                && state.groups().values().stream()
                        .allMatch(g -> g.ready() && g.voters().size() == g.replicas().size());
    }

    // ---- volumes

    private void finishVolumes(SystemState state) {
        unfinishedSince
                .keySet()
                .removeIf(id -> {
                    Volume volume = state.volumes().get(id);
                    return volume == null || volume.phase() == Phase.READY;
                });
        long now = System.nanoTime();
        for (Volume volume : state.volumes().values()) {
            if (volume.phase() == Phase.READY) {
                continue;
            }
            long since = unfinishedSince.computeIfAbsent(volume.id(), id -> now);
            if (now - since >= PATIENCE_NANOS) {
                attempt("finish volume " + volume.name(), () -> finish(volume));
            }
        }
    }

    private void finish(Volume volume) {
        log.info("finishing volume {}, left {}", volume.name(), volume.phase());
        if (volume.phase() == Phase.CREATING) {
            volumes.finishCreation(volume);
        } else {
            volumes.finishDeletion(volume);
        }
    }
}
