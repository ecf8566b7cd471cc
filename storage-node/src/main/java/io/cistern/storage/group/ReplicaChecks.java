package io.cistern.storage.group;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.raft.GroupId;
import io.cistern.raft.Peer;
import io.cistern.storage.BooksReport;
import io.cistern.storage.Disk;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Checks that were asked for on this node: of the groups it leads, see [ReplicaCheck], and of its
/// disks' books.
final class ReplicaChecks {
    private static final Logger log = LoggerFactory.getLogger(ReplicaChecks.class);

    private final String node;
    private final NodeParts parts;
    private final Host host;
    private final Recopies recopies;
    private final Map<GroupId, ReplicaStatus.Progress> running = new ConcurrentHashMap<>();

    /// The node's replicas.
    interface Host {
        /// @throws CisternException NOT_FOUND
        Replica replica(GroupId id);

        List<Replica> replicas();

        List<ReplicaStatus> status();

        /// See [LocalReplicas#recopy].
        void recopy(GroupId id, String peer, List<String> sources, String reason);

        /// Takes a damaged replica out of use.
        void damaged(GroupId id, Throwable cause);
    }

    ReplicaChecks(String node, NodeParts parts, Host host, Recopies recopies) {
        this.node = node;
        this.parts = parts;
        this.host = host;
        this.recopies = recopies;
    }

    /// The checks of replicas under way, by group.
    Map<GroupId, ReplicaStatus.Progress> running() {
        return Map.copyOf(running);
    }

    /// Blocks.
    ReplicaCheck.Report check(GroupId id, boolean repair) {
        Replica replica = host.replica(id);
        Replica.Running now = replica.running();
        now.parts().leadingTerm();
        long began = parts.clock().millis();
        ReplicaStatus.Progress start = ReplicaStatus.Progress.of(0, 0, began, began);
        if (running.putIfAbsent(id, start) != null) {
            throw new CisternException(
                    ErrorCode.BUSY, "group " + id + " is being compared already");
        }
        try {
            return new ReplicaCheck(
                            now.parts(),
                            replica.cuts(),
                            replica::userRequests,
                            (done, total) ->
                                    running.put(
                                            id,
                                            ReplicaStatus.Progress.of(
                                                    done, total, began, parts.clock().millis())),
                            recopy(id))
                    .run(repair);
        } finally {
            running.remove(id);
        }
    }

    private ReplicaCheck.Recopy recopy(GroupId id) {
        return new ReplicaCheck.Recopy() {
            @Override
            public void begin(Peer replica, List<String> sources, String reason) {
                recopies.begin(id, replica, sources, reason);
            }

            @Override
            public @Nullable ReplicaStatus status(Peer replica) {
                try {
                    return replica.node().equals(node)
                            ? ReplicaStatus.find(host.status(), id, replica.id())
                            : parts.status(id, replica);
                } catch (CisternException silent) {
                    return null;
                }
            }
        };
    }

    // ---- books

    /// Compares the books of all disks that replicas here are on. Blocks.
    ///
    /// @return findings, one sentence each
    List<String> books() {
        Set<Disk> disks = new LinkedHashSet<>();
        host.replicas().forEach(replica -> disks.add(replica.disk()));
        List<String> findings = new ArrayList<>();
        for (Disk disk : disks) {
            String name = "disk " + disk.id() + " of " + node;
            try {
                BooksReport report = settled(disk);
                findings.addAll(findings(name, report));
                report.shared().forEach(shared -> giveUp(disk, shared));
            } catch (CisternException e) {
                findings.add(name + ": its books could not be compared: " + e.getMessage());
            }
        }
        return findings;
    }

    /// Tries again where a replica was being opened or copied.
    private BooksReport settled(Disk disk) {
        BooksReport report = compared(disk);
        for (int i = 0;
                i < 3 && !report.complete() && report.leaked() + report.marked() == 0;
                i++) {
            if (!parts.threads().sleep(1_000_000_000L)) {
                break;
            }
            report = compared(disk);
        }
        return report;
    }

    /// Waits for a comparison under way: what was changed before the call must be looked at.
    private BooksReport compared(Disk disk) {
        while (true) {
            try {
                return disk.checkBooks(this::rest);
            } catch (CisternException e) {
                if (e.code() != ErrorCode.BUSY || !parts.threads().sleep(200_000_000L)) {
                    throw e;
                }
            }
        }
    }

    private void rest(long workedNanos) {
        parts.threads().sleep(workedNanos);
    }

    private static List<String> findings(String disk, BooksReport report) {
        List<String> findings = new ArrayList<>();
        if (!report.complete()) {
            findings.add(
                    disk
                            + ": its books could not be compared while a replica on it was opened,"
                            + " closed or copied; verify again");
        }
        if (report.leaked() > 0) {
            findings.add(
                    "%s: %d slots of 64 KiB were given out and belonged to nobody; %d were freed"
                            .formatted(disk, report.leaked(), report.freed()));
        }
        if (report.marked() > 0) {
            findings.add(
                    "%s: %d slots in use were not marked so; they are now"
                            .formatted(disk, report.marked()));
        }
        for (BooksReport.Shared shared : report.shared()) {
            findings.add(
                    "%s: slot %d is used twice, by %s"
                            .formatted(disk, shared.slot(), shared.groups()));
        }
        return findings;
    }

    /// Two rows with one slot: one of them has lost its data, and mending the one would damage the
    /// other. So the replica is built anew, as it would be at the next start, where the others of
    /// its group are a majority without it.
    private void giveUp(Disk disk, BooksReport.Shared shared) {
        for (Replica replica : host.replicas()) {
            long group = replica.id().value();
            if (!replica.disk().equals(disk) || !shared.groups().contains(group)) {
                continue;
            }
            Replica.Running now = replica.running();
            int members = now.parts().raft().dataMembers().size();
            if (members < 3 || now.parts().raft().leadership().leader() == null) {
                log.error(
                        "slot {} of {} is used twice, by groups {}; {} replicas are too few to"
                                + " build this one anew",
                        shared.slot(),
                        disk.id(),
                        shared.groups(),
                        members);
                continue;
            }
            host.damaged(
                    replica.id(),
                    new CisternException(
                            ErrorCode.CORRUPT,
                            "slot "
                                    + shared.slot()
                                    + " is used twice: this replica must be rebuilt"));
        }
    }

    /// Runs `task` on a thread of its own.
    <T> CompletableFuture<T> start(String name, Function<ReplicaChecks, T> task) {
        CompletableFuture<T> done = new CompletableFuture<>();
        parts.threads()
                .start(
                        name,
                        () -> {
                            try {
                                done.complete(task.apply(this));
                            } catch (Throwable e) {
                                done.completeExceptionally(e);
                            }
                        });
        return done;
    }
}
