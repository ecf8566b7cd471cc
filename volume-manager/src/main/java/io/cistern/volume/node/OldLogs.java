package io.cistern.volume.node;

import io.cistern.block.FileTrees;
import io.cistern.raft.Peer;
import io.cistern.storage.group.ReplicaStatus;
import io.cistern.volume.ClusterStatus.WorkInfo;
import io.cistern.volume.system.SystemState;
import io.cistern.volume.system.SystemState.Group;
import io.cistern.volume.system.SystemState.Role;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Logs of replicas that were damaged, or lost with their disk: kept for inspection, listed, and
/// deleted some time after their group is whole again.
///
/// They are the directories in `raft/<group>/` that belong to none of the node's replicas. One is
/// deleted only where the cluster's state has given out its replica's id and does not list it any
/// more, lists the group, and as many voters as it is to have, and this node's own replica of the
/// group, if it has one, serves; and when nothing in it has changed for the time that is set.
///
/// Any other is kept until somebody deletes it by hand: a state that does not know group or replica
/// is older than the log, or has lost the group, as after the loss of a majority; then the log may
/// be all there is.
final class OldLogs {
    private static final Logger log = LoggerFactory.getLogger(OldLogs.class);

    /// What a directory of a replica whose disk was damaged is called, behind its peer id.
    private static final String ASIDE = ".quarantine-";

    private static final long SCAN_MILLIS = 30_000;

    private final Path raft;
    private final Supplier<NodeFile> file;
    private final long keepMillis;
    private final InstantSource clock;
    private final long scanMillis;
    private volatile List<Old> known = List.of();
    private volatile long scannedMillis = Long.MIN_VALUE;

    /// @param changedMillis when anything in it was made or removed last
    record Old(Path path, long group, String peer, long bytes, long changedMillis) {}

    /// @param home the node's; its logs are in `raft/`
    /// @param keepMillis how long they are kept; 0: until the group is whole
    OldLogs(Path home, Supplier<NodeFile> file, long keepMillis, InstantSource clock) {
        this(home, file, keepMillis, clock, SCAN_MILLIS);
    }

    OldLogs(
            Path home,
            Supplier<NodeFile> file,
            long keepMillis,
            InstantSource clock,
            long scanMillis) {
        this.raft = home.resolve("raft");
        this.file = file;
        this.keepMillis = keepMillis;
        this.clock = clock;
        this.scanMillis = scanMillis;
    }

    /// Looks for them, and deletes what has been kept long enough. Blocks; one call at a time.
    ///
    /// @param replicas on this node
    void tidy(SystemState state, Supplier<List<ReplicaStatus>> replicas) {
        long now = clock.millis();
        long scanned = scannedMillis;
        if (scanned != Long.MIN_VALUE && now - scanned < scanMillis) {
            return;
        }
        scannedMillis = now;
        List<Old> found = scan();
        List<Old> kept = new ArrayList<>();
        for (Old old : found) {
            boolean due = now - old.changedMillis >= keepMillis;
            if (!due || !whole(state, old, replicas) || !delete(old)) {
                kept.add(old);
            }
        }
        known = List.copyOf(kept);
    }

    private List<Old> scan() {
        Set<String> used = new HashSet<>();
        file.get().replicas().forEach(r -> used.add(r.group() + "/" + r.peer()));
        List<Old> found = new ArrayList<>();
        for (Path group : list(raft)) {
            long id = number(group);
            if (id < 0) {
                continue;
            }
            for (Path directory : list(group)) {
                String name = directory.getFileName().toString();
                int aside = name.indexOf(ASIDE);
                String peer = aside < 0 ? name : name.substring(0, aside);
                if (aside >= 0 || !used.contains(id + "/" + peer)) {
                    add(found, directory, id, peer);
                }
            }
        }
        return found;
    }

    private static void add(List<Old> found, Path directory, long group, String peer) {
        long bytes = 0;
        long changed = 0;
        try (Stream<Path> tree = Files.walk(directory)) {
            for (Path path : tree.toList()) {
                if (Files.isRegularFile(path)) {
                    bytes += Files.size(path);
                }
                changed = Math.max(changed, Files.getLastModifiedTime(path).toMillis());
            }
        } catch (IOException e) {
            log.warn("cannot read {}: {}", directory, e.toString());
            return;
        }
        found.add(new Old(directory, group, peer, bytes, changed));
    }

    private static List<Path> list(Path directory) {
        if (!Files.isDirectory(directory)) {
            return List.of();
        }
        try (Stream<Path> entries = Files.list(directory)) {
            return entries.filter(Files::isDirectory).sorted().toList();
        } catch (IOException e) {
            log.warn("cannot list {}: {}", directory, e.toString());
            return List.of();
        }
    }

    /// The number of a group's directory, as `g1`; -1 where it is no group's.
    private static long number(Path directory) {
        String name = directory.getFileName().toString();
        return name.matches("g[0-9]{1,18}") ? Long.parseLong(name.substring(1)) : -1;
    }

    private boolean whole(SystemState state, Old old, Supplier<List<ReplicaStatus>> replicas) {
        Group group = state.groups().get(old.group);
        if (group == null || !state.issued(old.group, old.peer)) {
            return false;
        }
        boolean complete =
                group.replica(old.peer) == null
                        && group.voters().size() >= Memberships.wanted(state, group)
                        && group.replicas().stream().allMatch(r -> r.role() == Role.VOTER);
        if (!complete) {
            return false;
        }
        NodeFile.LocalReplica here = file.get().replica(old.group);
        if (here != null && old.path.endsWith(here.peer())) {
            return false;
        }
        return here == null
                || old.group == 0
                || Peer.isWitness(here.peer())
                || serves(here.peer(), replicas.get());
    }

    private static boolean serves(String peer, List<ReplicaStatus> replicas) {
        return replicas.stream()
                .anyMatch(r ->
                        r.peer().equals(peer)
                                && (r.role() == ReplicaStatus.Role.LEADER
                                        || r.role() == ReplicaStatus.Role.FOLLOWER));
    }

    private static boolean delete(Old old) {
        try {
            FileTrees.delete(old.path);
        } catch (IOException e) {
            log.warn("cannot delete {}: {}", old.path, e.toString());
            return false;
        }
        log.info(
                "deleted the log of {} of g{}, out of use: {} bytes",
                old.peer,
                old.group,
                old.bytes);
        return true;
    }

    /// Those that are kept, as the last look found them.
    List<Old> known() {
        return known;
    }

    /// What `status` shows of them; null where there are none.
    ///
    /// @param node this one's name
    @Nullable WorkInfo work(String node) {
        List<Old> kept = known;
        if (kept.isEmpty()) {
            return null;
        }
        long bytes = kept.stream().mapToLong(Old::bytes).sum();
        long oldest = kept.stream().mapToLong(Old::changedMillis).min().orElse(0);
        long left = oldest + keepMillis - clock.millis();
        return new WorkInfo(
                "old-logs-" + node,
                "keep",
                kept.size() + (kept.size() == 1 ? " log" : " logs") + " out of use on " + node,
                node,
                0,
                bytes,
                "bytes",
                oldest,
                left > 0 ? left : -1);
    }
}
