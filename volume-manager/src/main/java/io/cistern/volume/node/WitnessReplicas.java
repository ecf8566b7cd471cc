package io.cistern.volume.node;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.FileTrees;
import io.cistern.raft.GroupId;
import io.cistern.raft.Halt;
import io.cistern.raft.Leadership;
import io.cistern.raft.Peer;
import io.cistern.raft.RaftGroup;
import io.cistern.raft.RaftHost;
import io.cistern.raft.WitnessState;
import io.cistern.volume.node.NodeFile.LocalReplica;
import io.cistern.volume.node.NodeReport.ReplicaReport;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The witnesses of data groups on this node: they vote, and keep nothing of what is written.
///
/// A witness's log lies where those of other replicas do, its position in
/// `<home>/witness/<group>/<peer>`. Opening and dropping block, and are done by one thread at a
/// time.
final class WitnessReplicas implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(WitnessReplicas.class);

    private final Path home;
    private final RaftHost raft;
    private final Halt halt;
    private final Map<Long, RaftGroup> open = new ConcurrentSkipListMap<>();
    private final Map<String, Damaged> damaged = new ConcurrentSkipListMap<>();
    private final ExecutorService writer =
            Executors.newThreadPerTaskExecutor(Thread.ofVirtual().name("witness-", 0).factory());

    private record Damaged(long group, String reason) {}

    WitnessReplicas(Path home, RaftHost raft, Halt halt) {
        this.home = home;
        this.raft = raft;
        this.halt = halt;
    }

    private Path directory(LocalReplica replica) {
        return home.resolve("witness")
                .resolve(new GroupId(replica.group()).toString())
                .resolve(replica.peer());
    }

    private Path logDirectory(LocalReplica replica) {
        return RaftHost.directory(home, new GroupId(replica.group()), replica.peer());
    }

    /// Opens a witness. Where it is damaged it stays closed, and [#quarantined] tells why: another
    /// one takes its place.
    ///
    /// @throws CisternException IO
    void open(LocalReplica replica) {
        try {
            WitnessState state = WitnessState.open(directory(replica), writer, halt);
            if (state.checkpointed().index() >= 0 && !Files.exists(logDirectory(replica))) {
                throw new CisternException(
                        ErrorCode.CORRUPT,
                        "the log of " + replica.peer() + " is gone, and with it its vote");
            }
            open.put(
                    replica.group(),
                    raft.open(
                            new GroupId(replica.group()),
                            replica.peer(),
                            LocalNode.peers(replica.members()),
                            state));
            damaged.remove(replica.peer());
        } catch (CisternException e) {
            if (e.code() != ErrorCode.CORRUPT) {
                throw e;
            }
            log.error("witness {} is out of use: {}", replica.peer(), e.getMessage());
            damaged.put(
                    replica.peer(), new Damaged(replica.group(), String.valueOf(e.getMessage())));
        }
    }

    /// Closes a witness, if it is open, and deletes it for good; a damaged one's log is set aside.
    ///
    /// @throws CisternException IO
    void drop(LocalReplica replica) {
        GroupId id = new GroupId(replica.group());
        RaftGroup group = open.get(replica.group());
        if (group != null && group.self().id().equals(replica.peer())) {
            open.remove(replica.group());
            raft.remove(id);
        } else if (Files.exists(logDirectory(replica))) {
            raft.quarantine(id, replica.peer());
        }
        damaged.remove(replica.peer());
        try {
            FileTrees.delete(directory(replica));
        } catch (IOException e) {
            throw new CisternException(
                    ErrorCode.IO, "cannot delete " + directory(replica) + ": " + e, e);
        }
    }

    /// Why a witness is out of use; null if it is not.
    @Nullable String quarantined(String peer) {
        Damaged known = damaged.get(peer);
        return known == null ? null : known.reason;
    }

    List<ReplicaReport> reports() {
        List<ReplicaReport> reports = new ArrayList<>();
        open.forEach((id, group) -> reports.add(report(id, group)));
        damaged.forEach((peer, d) -> reports.add(Reporter.closed(d.group, peer, d.reason)));
        return reports;
    }

    private static ReplicaReport report(long id, RaftGroup group) {
        Leadership leadership = group.leadership();
        Peer leader = leadership.leader();
        return new ReplicaReport(
                id,
                group.self().id(),
                false,
                leader == null ? null : leader.id(),
                leadership.term(),
                group.appliedIndex(),
                -1,
                Reporter.ids(group),
                false,
                null,
                null,
                0,
                0,
                NodeReport.Amounts.NONE,
                false);
    }

    @Override
    public void close() {
        open.values().forEach(RaftGroup::close);
        open.clear();
        writer.shutdown();
    }
}
