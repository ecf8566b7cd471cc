package io.cistern.volume.node;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.storage.group.ReplicaStatus;
import io.cistern.volume.ClusterStatus.WorkInfo;
import io.cistern.volume.node.NodeFile.LocalReplica;
import io.cistern.volume.system.SystemState;
import io.cistern.volume.system.SystemState.Group;
import io.cistern.volume.system.SystemState.Replica;
import io.cistern.volume.system.SystemState.Role;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What is left of replicas that are out of use.
class OldLogsTest {
    private static final long HOUR = 3_600_000;

    @TempDir Path home;
    private final List<LocalReplica> here = new ArrayList<>();
    private long nowMillis = 1_000_000 * HOUR;
    private OldLogs logs;

    @BeforeEach
    void start() {
        logs = logs(10 * HOUR);
    }

    private NodeFile file() {
        return new NodeFile(
                1, "c", "n1", List.of(), List.copyOf(here), new TreeMap<>(), null, null);
    }

    private Path log(String group, String name, long ageMillis) throws IOException {
        Path directory = home.resolve("raft").resolve(group).resolve(name);
        Path current = Files.createDirectories(directory.resolve("u/current"));
        Path segment = Files.write(current.resolve("log_0"), new byte[1000]);
        FileTime time = FileTime.from(Instant.ofEpochMilli(nowMillis - ageMillis));
        for (Path at : List.of(segment, current, directory.resolve("u"), directory)) {
            Files.setLastModifiedTime(at, time);
        }
        return directory;
    }

    private OldLogs logs(long keepMillis) {
        return new OldLogs(home, this::file, keepMillis, () -> Instant.ofEpochMilli(nowMillis), 0);
    }

    private static SystemState state(Role third) {
        List<Replica> replicas =
                List.of(
                        new Replica("n0.0", "n0", 0, Role.VOTER),
                        new Replica("n1.7", "n1", 0, third),
                        new Replica("n2.0", "n2", 0, Role.VOTER));
        return OldLogsTest.state(Map.of(1L, new Group(1, 3, true, replicas)));
    }

    /// Has given out n1.0 to n1.7.
    private static SystemState.Node node() {
        return new SystemState.Node("n1", "", "a", "w", "r", null, null, false, 8, 1, List.of());
    }

    private static SystemState state(Map<Long, Group> groups) {
        SystemState none = SystemState.EMPTY;
        return new SystemState(
                1,
                "c",
                1,
                2,
                none.settings(),
                new TreeMap<>(Map.of("n1", node())),
                new TreeMap<>(groups),
                none.volumes(),
                none.tokens(),
                none.targets(),
                none.policy(),
                none.level(),
                none.recent());
    }

    private static ReplicaStatus status(String peer, ReplicaStatus.Role role) {
        return new ReplicaStatus(
                new io.cistern.raft.GroupId(1),
                peer,
                "n1",
                role,
                null,
                0,
                0,
                0,
                0,
                ReplicaStatus.Log.NONE,
                new io.cistern.storage.Usage(0, 0, 0, 0),
                ReplicaStatus.Repairs.NONE,
                null,
                null,
                null);
    }

    private void tidy(SystemState state, ReplicaStatus.Role role) {
        logs.tidy(state, () -> List.of(status("n1.7", role)));
    }

    @Test
    void aDamagedLogIsListedAndDeletedWhenTheGroupHasLongBeenWhole() throws IOException {
        here.add(new LocalReplica(1, "n1.7", 0, List.of()));
        Path own = log("g1", "n1.7", 100 * HOUR);
        Path damaged = log("g1", "n1.3", 9 * HOUR);
        Path aside = log("g1", "n1.2.quarantine-disk", 100 * HOUR);
        Path foreign = log("notes", "n1.2", 100 * HOUR);

        tidy(state(Role.LEARNER), ReplicaStatus.Role.FOLLOWER);
        assertThat(logs.known()).extracting(OldLogs.Old::path).containsExactly(aside, damaged);
        assertThat(logs.work("n1")).extracting(WorkInfo::total).isEqualTo(2000L);
        tidy(state(Role.VOTER), ReplicaStatus.Role.CATCHING_UP);
        assertThat(aside).exists();

        tidy(state(Role.VOTER), ReplicaStatus.Role.FOLLOWER);
        assertThat(aside).doesNotExist();
        assertThat(damaged).exists();
        assertThat(logs.work("n1")).extracting(WorkInfo::etaMillis).isEqualTo(HOUR);
        nowMillis += 2 * HOUR;
        tidy(state(Role.VOTER), ReplicaStatus.Role.FOLLOWER);
        assertThat(damaged).doesNotExist();
        assertThat(logs.work("n1")).isNull();
        assertThat(own).exists();
        assertThat(foreign).exists();
    }

    @Test
    void aLogWhoseReplicaIsStillAMemberIsKept() throws IOException {
        logs = logs(0);
        Path lost = log("g1", "n1.7", 100 * HOUR);
        tidy(state(Role.VOTER), ReplicaStatus.Role.FOLLOWER);
        assertThat(lost).exists();
    }

    /// As of a node of whose state the last changes are lost, or the group itself: after a rescue.
    @Test
    void aLogThatTheStateKnowsNothingOfIsKept() throws IOException {
        logs = logs(0);
        Path younger = log("g1", "n1.8", 100 * HOUR);
        Path unknown = log("g7", "n1.2", 100 * HOUR);
        Path foreign = log("g1", "n5.2", 100 * HOUR);
        tidy(state(Role.VOTER), ReplicaStatus.Role.FOLLOWER);
        assertThat(List.of(younger, unknown, foreign)).allSatisfy(log -> assertThat(log).exists());
        Path lost = log("g1", "n1.2", 100 * HOUR);
        logs.tidy(state(Map.of()), List::of);
        assertThat(lost).as("its group is not there any more").exists();
        assertThat(logs.known()).hasSize(4);
        assertThat(logs.work("n1")).extracting(WorkInfo::etaMillis).isEqualTo(-1L);
    }
}
