package io.cistern.volume.system;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.raft.LogPosition;
import io.cistern.storage.Command.Limits;
import io.cistern.volume.system.SystemCodec.Asked;
import io.cistern.volume.system.SystemCodec.Checkpoint;
import io.cistern.volume.system.SystemCommand.Place;
import io.cistern.volume.system.SystemRules.Step;
import io.cistern.volume.system.SystemState.Chap;
import io.cistern.volume.system.SystemState.Disk;
import io.cistern.volume.system.SystemState.Export;
import io.cistern.volume.system.SystemState.Group;
import io.cistern.volume.system.SystemState.Node;
import io.cistern.volume.system.SystemState.Phase;
import io.cistern.volume.system.SystemState.Policy;
import io.cistern.volume.system.SystemState.Role;
import io.cistern.volume.system.SystemState.Settings;
import io.cistern.volume.system.SystemState.Source;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/// The rules of the system group, driven by random commands, and its formats.
class SystemRulesTest {
    private static final List<String> NODES = List.of("n0", "n1", "n2", "n3", "n4");

    static Node node(String name) {
        return new Node(
                name,
                "default",
                "http://" + name,
                name + ":1",
                name + ":2",
                null,
                null,
                false,
                1,
                1,
                List.of(new Disk(0, "/d/" + name, 0, false)));
    }

    private static SystemCommand.Form form() {
        return new SystemCommand.Form(
                "form",
                "c1",
                Settings.DEFAULT,
                NODES.stream().map(SystemRulesTest::node).toList(),
                NODES.subList(0, 3));
    }

    private static SystemCommand random(Random r, int i) {
        String request = r.nextInt(20) == 0 ? "r" + r.nextInt(i + 1) : "r" + i;
        String node = NODES.get(r.nextInt(NODES.size()));
        long group = r.nextInt(4);
        String peer = node + "." + r.nextInt(12);
        long volume = r.nextInt(12);
        return switch (r.nextInt(25)) {
            case 0 -> new SystemCommand.CreateGroup(request, places(r));
            case 1 -> new SystemCommand.GroupReady(request, group);
            case 2 -> new SystemCommand.AddReplica(request, group, new Place(node, r.nextInt(2)));
            case 3 -> new SystemCommand.PromoteReplica(request, group, peer, null);
            case 4 -> new SystemCommand.RetireReplica(request, group, peer);
            case 5 -> new SystemCommand.RemoveReplica(request, group, peer);
            case 6, 7, 8 ->
                    new SystemCommand.CreateVolume(
                            request,
                            "v" + r.nextInt(6),
                            group,
                            512,
                            Limits.NONE,
                            r.nextBoolean() ? null : new Source(volume, "v", "s"),
                            i);
            case 9 -> new SystemCommand.VolumeReady(request, volume);
            case 10 -> new SystemCommand.RenameVolume(request, volume, "v" + r.nextInt(6));
            case 11 -> new SystemCommand.DeleteVolume(request, volume);
            case 12 -> new SystemCommand.RemoveVolume(request, volume);
            case 13 -> new SystemCommand.KeepVolume(request, volume);
            case 14 -> new SystemCommand.AddDisk(request, node, "/e/" + r.nextInt(3), 0);
            case 15 -> new SystemCommand.RemoveDisk(request, node, r.nextInt(3));
            case 16 -> new SystemCommand.DrainNode(request, node, r.nextBoolean());
            case 17, 18 -> new SystemCommand.ExportVolume(request, volume, export(i));
            case 19 -> new SystemCommand.UnexportVolume(request, volume);
            case 20 -> new SystemCommand.NumberNode(request, node);
            case 22 ->
                    r.nextInt(5) == 0
                            ? new SystemCommand.GiveUp(request, "c" + i, node, List.of())
                            : new SystemCommand.UnexportVolume(request, volume);
            case 21 ->
                    new SystemCommand.SetPolicy(
                            request, new Policy(r.nextInt(1000), r.nextBoolean(), r.nextInt(5)));
            case 23 ->
                    new SystemCommand.RaiseLevel(
                            request, r.nextInt(3), r.nextBoolean() ? NODES : NODES.subList(0, 4));
            default -> new SystemCommand.RemoveNode(request, node);
        };
    }

    private static Export export(int i) {
        return new Export(
                List.of("iqn.1993-08.org.debian:01:a" + i),
                new Chap("user", "a secret of " + i),
                null,
                512,
                i);
    }

    private static List<Place> places(Random r) {
        List<Place> places = new ArrayList<>();
        int count = 1 + 2 * r.nextInt(2);
        for (int i = 0; i < count; i++) {
            places.add(new Place(NODES.get((i + r.nextInt(2)) % NODES.size()), 0));
        }
        return places;
    }

    @Property(tries = 200)
    void invariantsHoldAndReplicasAgree(@ForAll long seed) {
        Random random = new Random(seed);
        SystemState state = SystemRules.apply(SystemState.EMPTY, form()).state();
        SystemState other = state;
        Set<String> peersEver = peers(state);
        Set<Long> volumesEver = new HashSet<>();
        for (int i = 0; i < 120; i++) {
            SystemCommand command = random(random, i);
            Set<String> before = peers(state);
            Set<Long> volumesBefore = state.volumes().keySet();
            Step step = SystemRules.apply(state, command);
            Step again = SystemRules.apply(other, SystemCodec.decode(SystemCodec.encode(command)));
            assertThat(again.outcome()).isEqualTo(step.outcome());
            assertThat(again.state()).isEqualTo(step.state());
            assertThat(SystemRules.apply(step.state(), command).outcome())
                    .isEqualTo(step.outcome());
            assertThat(SystemRules.apply(step.state(), command).state()).isEqualTo(step.state());
            for (String peer : peers(step.state())) {
                assertThat(before.contains(peer) || peersEver.add(peer)).as(peer).isTrue();
            }
            for (Long id : step.state().volumes().keySet()) {
                assertThat(volumesBefore.contains(id) || volumesEver.add(id)).isTrue();
            }
            state = step.state();
            other = again.state();
            check(state);
        }
        Checkpoint checkpoint = new Checkpoint(new LogPosition(3, 99), state);
        assertThat(SystemCodec.decodeCheckpoint(SystemCodec.encode(checkpoint), "test"))
                .isEqualTo(checkpoint);
    }

    private static Set<String> peers(SystemState state) {
        Set<String> peers = new HashSet<>();
        state.groups()
                .values()
                .forEach(g -> g.replicas().forEach(r -> peers.add(g.id() + "/" + r.peer())));
        return peers;
    }

    private static void check(SystemState state) {
        assertThat(state.volumes().keySet()).containsAll(state.targets().exports().keySet());
        state.targets()
                .exports()
                .keySet()
                .forEach(id ->
                        assertThat(Objects.requireNonNull(state.volumes().get(id)).phase())
                                .isEqualTo(Phase.READY));
        assertThat(state.nodes().keySet()).containsAll(state.targets().numbers().keySet());
        assertThat(state.targets().numbers().values())
                .doesNotHaveDuplicates()
                .allMatch(n -> n >= 1 && n < state.targets().nextNumber());
        Set<String> names = new HashSet<>();
        state.volumes().values().forEach(v -> assertThat(names.add(v.name())).isTrue());
        state.volumes().values().forEach(v -> assertThat(state.groups()).containsKey(v.group()));
        for (Group group : state.groups().values()) {
            assertThat(group.voters()).isNotEmpty();
            assertThat(group.replicas().stream().filter(r -> r.role() == Role.LEARNER).count())
                    .isLessThanOrEqualTo(1);
            group.replicas()
                    .forEach(r -> {
                        Node node = state.nodes().get(r.node());
                        assertThat(node).as(r.toString()).isNotNull();
                        assertThat(Objects.requireNonNull(node).disks())
                                .anyMatch(d -> d.number() == r.disk());
                    });
        }
    }

    @Test
    void aTokenAdmitsOneNodeOnce() {
        SystemState state = SystemRules.apply(SystemState.EMPTY, form()).state();
        state = SystemRules.apply(state, new SystemCommand.AddToken("t", "hash", 1000, 0)).state();
        Step late =
                SystemRules.apply(state, new SystemCommand.JoinNode("a", "hash", 1001, node("x")));
        assertThat(late.outcome().error()).isEqualTo(ErrorCode.UNAUTHORIZED);
        Step joined =
                SystemRules.apply(state, new SystemCommand.JoinNode("b", "hash", 999, node("x")));
        assertThat(joined.outcome().error()).isNull();
        assertThat(joined.state().nodes()).containsKey("x");
        Step second =
                SystemRules.apply(
                        joined.state(), new SystemCommand.JoinNode("c", "hash", 999, node("y")));
        assertThat(second.outcome().error()).isEqualTo(ErrorCode.UNAUTHORIZED);
    }

    private static Checkpoint sample() {
        SystemState state = SystemRules.apply(SystemState.EMPTY, form()).state();
        for (SystemCommand command :
                List.of(
                        new SystemCommand.AddToken("t", "0a1b", 5000, 0),
                        new SystemCommand.CreateGroup(
                                "g",
                                List.of(
                                        new Place("n0", 0),
                                        new Place("n1", 0),
                                        new Place("n2", 0))),
                        new SystemCommand.GroupReady("h", 1),
                        new SystemCommand.CreateVolume(
                                "v", "web1", 1, 1 << 30, new Limits(100, 0), null, 77),
                        new SystemCommand.VolumeReady("w", 1),
                        new SystemCommand.CreateVolume(
                                "x",
                                "copy",
                                1,
                                1 << 30,
                                Limits.NONE,
                                new Source(1, "web1", "monday"),
                                78),
                        new SystemCommand.AddReplica("y", 1, new Place("n3", 0)))) {
            state = SystemRules.apply(state, command).state();
        }
        return new Checkpoint(new LogPosition(4, 1234), state);
    }

    /// The committed file of version 1 is read, and is what this version writes.
    @Test
    void readsAndWritesTheGoldenCheckpoint() throws IOException {
        try (InputStream in =
                Objects.requireNonNull(
                        SystemRulesTest.class.getResourceAsStream("system-v1.ckpt"))) {
            byte[] golden = in.readAllBytes();
            assertThat(SystemCodec.decodeCheckpoint(golden, "golden")).isEqualTo(sample());
            assertThat(SystemCodec.encode(sample())).isEqualTo(golden);
        }
    }

    private static SystemState apply(SystemState state, SystemCommand command) {
        Step step = SystemRules.apply(state, command);
        assertThat(step.outcome().error()).as("%s", command).isNull();
        return step.state();
    }

    private static ErrorCode refusal(SystemState state, SystemCommand command) {
        return Objects.requireNonNull(SystemRules.apply(state, command).outcome().error());
    }

    /// With an export, the second version; also written and read again as committed.
    @Test
    void readsAndWritesTheSecondGoldenCheckpoint() throws IOException {
        SystemState state = sample().state();
        state = apply(state, new SystemCommand.NumberNode("n", "n1"));
        state = apply(state, new SystemCommand.ExportVolume("e", 1, export(7)));
        Checkpoint now = new Checkpoint(new LogPosition(4, 1240), state);
        String write = System.getProperty("cistern.golden");
        if (write != null) {
            java.nio.file.Files.write(
                    java.nio.file.Path.of(write, "system-v2.ckpt"), SystemCodec.encode(now));
        }
        try (InputStream in =
                Objects.requireNonNull(
                        SystemRulesTest.class.getResourceAsStream("system-v2.ckpt"))) {
            byte[] golden = in.readAllBytes();
            assertThat(SystemCodec.decodeCheckpoint(golden, "golden")).isEqualTo(now);
            assertThat(SystemCodec.encode(now)).isEqualTo(golden);
        }
    }

    /// With a policy, the third version.
    @Test
    void readsAndWritesTheThirdGoldenCheckpoint() throws IOException {
        SystemState state =
                apply(sample().state(), new SystemCommand.SetPolicy("p", new Policy(30, false, 7)));
        assertThat(refusal(state, new SystemCommand.SetPolicy("q", new Policy(1, true, 0))))
                .isEqualTo(ErrorCode.INVALID);
        Checkpoint now = new Checkpoint(new LogPosition(4, 1241), state);
        String write = System.getProperty("cistern.golden");
        if (write != null) {
            java.nio.file.Files.write(
                    java.nio.file.Path.of(write, "system-v3.ckpt"), SystemCodec.encode(now));
        }
        try (InputStream in =
                Objects.requireNonNull(
                        SystemRulesTest.class.getResourceAsStream("system-v3.ckpt"))) {
            byte[] golden = in.readAllBytes();
            assertThat(SystemCodec.decodeCheckpoint(golden, "golden")).isEqualTo(now);
            assertThat(SystemCodec.encode(now)).isEqualTo(golden);
        }
    }

    /// With a level, the fourth version.
    @Test
    void readsAndWritesTheFourthGoldenCheckpoint() throws IOException {
        SystemState state = apply(sample().state(), new SystemCommand.RaiseLevel("l", 1, NODES));
        Checkpoint now = new Checkpoint(new LogPosition(4, 1242), state);
        String write = System.getProperty("cistern.golden");
        if (write != null) {
            java.nio.file.Files.write(
                    java.nio.file.Path.of(write, "system-v4.ckpt"), SystemCodec.encode(now));
        }
        try (InputStream in =
                Objects.requireNonNull(
                        SystemRulesTest.class.getResourceAsStream("system-v4.ckpt"))) {
            byte[] golden = in.readAllBytes();
            assertThat(SystemCodec.decodeCheckpoint(golden, "golden")).isEqualTo(now);
            assertThat(SystemCodec.encode(now)).isEqualTo(golden);
        }
        // A driver of the release before is sent what it can read.
        Checkpoint older = SystemCodec.decodeCheckpoint(SystemCodec.encode(now, 3), "older");
        assertThat(SystemCodec.encode(now, 3)[11]).isEqualTo((byte) 3);
        assertThat(older.state()).isEqualTo(state.withLevel(0));
        assertThat(SystemCodec.encode(sample(), 3)).isEqualTo(SystemCodec.encode(sample()));
    }

    @Test
    void theLevelIsRaisedWhenAllNodesKnowItAndNeverLowered() {
        SystemState formed = apply(SystemState.EMPTY, form());
        assertThat(formed.level()).isZero();
        assertThat(refusal(formed, new SystemCommand.RaiseLevel("a", 1, NODES.subList(0, 4))))
                .as("n4 has not said so")
                .isEqualTo(ErrorCode.BUSY);
        SystemState state = apply(formed, new SystemCommand.RaiseLevel("b", 2, NODES));
        assertThat(state.level()).isEqualTo(2);
        state = apply(state, new SystemCommand.RaiseLevel("c", 1, NODES));
        assertThat(state.level()).isEqualTo(2);
        state = apply(state, new SystemCommand.GiveUp("g", "c2", "n0", List.of()));
        assertThat(state.level()).isEqualTo(2);
    }

    /// Outcomes are remembered by number, and a request may be late by any.
    @Test
    void aRequestThatArrivesWhenItsOutcomeIsForgottenIsRefused() {
        SystemState state = apply(SystemState.EMPTY, form());
        List<Place> places = NODES.subList(0, 3).stream().map(n -> new Place(n, 0)).toList();
        state = apply(state, new SystemCommand.CreateGroup("g", places));
        Step created = SystemRules.apply(state, create("v", null));
        state = created.state();
        long volume = created.outcome().value();
        Asked delete = new Asked(new SystemCommand.DeleteVolume("d", volume), state.version());
        Asked same = SystemCodec.decode(SystemCodec.encode(delete.command(), delete.since()));
        assertThat(same).isEqualTo(delete);
        state = SystemRules.apply(state, delete).state();
        state = apply(state, new SystemCommand.KeepVolume("k", volume));
        for (int i = 0; i < SystemState.MAX_RECENT - 1; i++) {
            assertThat(SystemRules.apply(state, delete).outcome().error())
                    .as("%d later", i)
                    .isNull();
            state = apply(state, new SystemCommand.VolumeReady("r" + i, volume));
        }
        Step late = SystemRules.apply(state, delete);
        assertThat(late.outcome().error()).isEqualTo(ErrorCode.CHANGED);
        assertThat(late.state()).isEqualTo(state);
        Asked next = new Asked(new SystemCommand.DeleteVolume("e", volume), state.version());
        assertThat(SystemRules.apply(state, next).outcome().error()).isNull();
        assertThat(SystemRules.apply(state, delete.command()).outcome().error())
                .as("of an older program, which does not say what it had seen")
                .isNull();
    }

    @Test
    void aVolumeWithClonesStaysFromTheSecondLevelOn() {
        SystemState state = apply(SystemState.EMPTY, form());
        List<Place> places = NODES.subList(0, 3).stream().map(n -> new Place(n, 0)).toList();
        state = apply(state, new SystemCommand.CreateGroup("g", places));
        Step created = SystemRules.apply(state, create("v", null));
        long volume = created.outcome().value();
        state = apply(created.state(), new SystemCommand.VolumeReady("r", volume));
        Step cloned = SystemRules.apply(state, create("c", new Source(volume, "v", "s")));
        state = cloned.state();
        assertThat(apply(state, new SystemCommand.DeleteVolume("a", volume))).isNotNull();
        state = apply(state, new SystemCommand.RaiseLevel("l", Level.LATE_REQUESTS, NODES));
        assertThat(refusal(state, new SystemCommand.DeleteVolume("b", volume)))
                .isEqualTo(ErrorCode.BUSY);
        long clone = cloned.outcome().value();
        state = apply(state, new SystemCommand.DeleteVolume("x", clone));
        state = apply(state, new SystemCommand.RemoveVolume("y", clone));
        apply(state, new SystemCommand.DeleteVolume("z", volume));
    }

    private static SystemCommand create(String name, @Nullable Source source) {
        return new SystemCommand.CreateVolume(
                "create " + name, name, 1, 1 << 20, Limits.NONE, source, 1);
    }

    /// The survivor's state lacks the last changes: a replica that was moved to another disk of the
    /// node, a group that was made, volumes. What the node has is what there is.
    @Test
    void aSurvivorKeepsTheReplicasThatItsStateDoesNotKnow() {
        SystemState state = apply(SystemState.EMPTY, form());
        List<Place> places = NODES.subList(0, 3).stream().map(n -> new Place(n, 0)).toList();
        state = apply(state, new SystemCommand.CreateGroup("a", places));
        state = apply(state, new SystemCommand.CreateGroup("b", places));
        long nextVolume = state.nextVolume();
        Disk second = new Disk(4, "/d/second", 0, false);
        Disk first = Objects.requireNonNull(state.nodes().get("n0")).disks().getFirst();
        String system = Objects.requireNonNull(state.groups().get(0L)).replicas().getFirst().peer();
        assertThat(state.issued(1, "n0.9")).isFalse();
        SystemCommand giveUp =
                new SystemCommand.GiveUp(
                        "g",
                        "c2",
                        "n0",
                        List.of(
                                new SystemCommand.Held(0, system, first),
                                new SystemCommand.Held(1, "n0.9", second),
                                new SystemCommand.Held(7, "n0.8", first)));
        assertThat(SystemCodec.encode(giveUp).get(0)).isEqualTo((byte) 5);
        assertThat(SystemCodec.decode(SystemCodec.encode(giveUp)).command()).isEqualTo(giveUp);
        state = apply(state, giveUp);
        check(state);
        assertThat(state.groups().keySet()).containsExactly(0L, 1L, 7L);
        assertThat(peers(state)).containsExactlyInAnyOrder("0/" + system, "1/n0.9", "7/n0.8");
        assertThat(state.groups().values()).allMatch(g -> g.voters().size() == 1 && g.ready());
        assertThat(state.nextGroup()).isEqualTo(8);
        assertThat(state.nextVolume()).isGreaterThan(nextVolume + 1_000_000);
        Node node = Objects.requireNonNull(state.nodes().get("n0"));
        assertThat(node.nextGeneration()).isEqualTo(10);
        assertThat(node.disks()).contains(second);
        assertThat(node.nextDisk()).isEqualTo(5);
        assertThat(state.issued(7, "n0.8")).isTrue();
    }

    @Test
    void onlyWhatTheStateHasGivenOutIsIssued() {
        SystemState state = apply(SystemState.EMPTY, form());
        long next = Objects.requireNonNull(state.nodes().get("n0")).nextGeneration();
        assertThat(state.issued(0, "n0." + (next - 1))).isTrue();
        assertThat(state.issued(0, "n0.w" + (next - 1))).isTrue();
        assertThat(state.issued(0, "n0." + next)).isFalse();
        assertThat(state.issued(state.nextGroup(), "n0." + (next - 1))).isFalse();
        for (String peer : List.of("x.1", "n0.", "n0", "", "n0.1a", "n0.99999999999999999999")) {
            assertThat(state.issued(0, peer)).as(peer).isFalse();
        }
    }

    @Test
    void whetherMoreThanVolumesChangedIsSeen() {
        SystemState state = sample().state();
        SystemState created =
                apply(
                        state,
                        new SystemCommand.CreateVolume(
                                "another", "another", 1, 512, Limits.NONE, null, 1));
        assertThat(created.volumes()).hasSize(state.volumes().size() + 1);
        assertThat(created.sameButForVolumes(state)).isTrue();
        List<SystemCommand> others =
                List.of(
                        new SystemCommand.AddDisk("a", "n0", "/e/0", 0),
                        new SystemCommand.DrainNode("b", "n1", true),
                        new SystemCommand.NumberNode("c", "n1"),
                        new SystemCommand.SetPolicy("d", new Policy(30, false, 7)),
                        new SystemCommand.RaiseLevel("e", 1, NODES),
                        new SystemCommand.ExportVolume("f", 1, export(7)));
        for (SystemCommand other : others) {
            assertThat(apply(state, other).sameButForVolumes(state)).as("%s", other).isFalse();
        }
    }

    @Test
    void aNodeOlderThanTheClusterDoesNotJoin() {
        SystemState state = apply(SystemState.EMPTY, form());
        for (int i = 0; i < 2; i++) {
            state = apply(state, new SystemCommand.AddToken("t" + i, "hash" + i, 1000, 0));
        }
        state = apply(state, new SystemCommand.JoinNode("a", "hash0", 1, node("x")));
        assertThat(refusal(state, new SystemCommand.RaiseLevel("b", 1, NODES)))
                .as("x has joined meanwhile")
                .isEqualTo(ErrorCode.BUSY);
        List<String> all = new ArrayList<>(NODES);
        all.add("x");
        state = apply(state, new SystemCommand.RaiseLevel("c", 1, all));
        Step refused =
                SystemRules.apply(state, new SystemCommand.JoinNode("d", "hash1", 1, node("y")));
        assertThat(refused.outcome().error()).isEqualTo(ErrorCode.INVALID);
        assertThat(refused.outcome().message()).contains("'y' runs an older Cistern");
        state = apply(state, new SystemCommand.JoinNode("e", "hash1", 1, node("y"), 1));
        assertThat(state.nodes()).containsKey("y");
    }

    /// Byte for byte what the release before writes: its nodes read it.
    @Test
    void whatOlderNodesKnowIsWrittenForThem() {
        SystemCommand join = new SystemCommand.JoinNode("a", "hash", 1, node("x"));
        ByteBuffer encoded = SystemCodec.encode(join);
        assertThat(encoded.get(0)).isEqualTo((byte) 1);
        assertThat(new String(encoded.array(), java.nio.charset.StandardCharsets.UTF_8))
                .doesNotContain("level");
        assertThat(SystemCodec.decode(encoded).command()).isEqualTo(join);
        SystemCommand said = new SystemCommand.JoinNode("a", "hash", 1, node("x"), 1);
        assertThat(SystemCodec.encode(said).get(0)).isEqualTo((byte) 4);
        assertThat(SystemCodec.decode(SystemCodec.encode(said)).command()).isEqualTo(said);
        SystemCommand raise = new SystemCommand.RaiseLevel("r", 1, NODES);
        assertThat(SystemCodec.encode(raise).get(0)).isEqualTo((byte) 4);
        assertThat(SystemCodec.decode(SystemCodec.encode(raise)).command()).isEqualTo(raise);
    }

    @Test
    void aCommandThatLacksAPartIsRefusedAndStopsNobody() {
        SystemState state = SystemRules.apply(SystemState.EMPTY, form()).state();
        for (String body :
                List.of(
                        "{\"type\":\"DrainNode\",\"request\":\"a\",\"node\":null,\"on\":true}",
                        "{\"type\":\"CreateGroup\",\"request\":\"b\",\"places\":null}",
                        "{\"type\":\"DrainNode\",\"request\":null,\"node\":\"n0\",\"on\":true}")) {
            byte[] json = body.getBytes(java.nio.charset.StandardCharsets.UTF_8);
            ByteBuffer encoded = ByteBuffer.allocate(1 + json.length).put((byte) 1).put(json);
            Step step = SystemRules.apply(state, SystemCodec.decode(encoded.flip()));
            assertThat(step.outcome().error()).as(body).isEqualTo(ErrorCode.INVALID);
            assertThat(step.state().nodes()).isEqualTo(state.nodes());
            byte[] checkpoint =
                    SystemCodec.encode(new Checkpoint(new LogPosition(1, 1), step.state()));
            assertThat(SystemCodec.decodeCheckpoint(checkpoint, "it").state())
                    .isEqualTo(step.state());
        }
    }

    @Test
    void anExportFollowsItsVolumeAndHoldsIt() {
        SystemState state = apply(sample().state(), new SystemCommand.NumberNode("n", "n1"));
        assertThat(state.targets().numbers())
                .containsExactlyEntriesOf(
                        new java.util.TreeMap<>(
                                java.util.Map.of("n0", 1, "n1", 2, "n2", 3, "n3", 4, "n4", 5)));
        state = apply(state, new SystemCommand.ExportVolume("e", 1, export(7)));
        assertThat(refusal(state, new SystemCommand.ExportVolume("f", 1, export(8))))
                .isEqualTo(ErrorCode.ALREADY_EXISTS);
        assertThat(refusal(state, new SystemCommand.ExportVolume("c", 2, export(8))))
                .as("a volume that is being created")
                .isEqualTo(ErrorCode.NOT_FOUND);
        assertThat(refusal(state, new SystemCommand.DeleteVolume("d", 1)))
                .isEqualTo(ErrorCode.BUSY);
        assertThat(refusal(state, new SystemCommand.RenameVolume("u", 1, "a_b")))
                .isEqualTo(ErrorCode.INVALID);
        state = apply(state, new SystemCommand.RenameVolume("r", 1, "web2"));
        assertThat(state.targets().exports()).containsKey(1L);
        state = apply(state, new SystemCommand.UnexportVolume("x", 1));
        state = apply(state, new SystemCommand.DeleteVolume("y", 1));
        state = apply(state, new SystemCommand.RemoveNode("z", "n4"));
        assertThat(state.targets().numbers()).doesNotContainKey("n4");
        assertThat(state.targets().nextNumber()).isEqualTo(6);
    }

    private static Node witness(String name) {
        return node(name).withDisks(1, List.of());
    }

    @Test
    void aWitnessVotesForTwoReplicasAndTakesNoOtherPart() {
        SystemState state = apply(SystemState.EMPTY, form());
        for (String name : List.of("w1", "w2")) {
            state = apply(state, new SystemCommand.AddToken("t" + name, name, 1000, 0));
            state = apply(state, new SystemCommand.JoinNode("j" + name, name, 1, witness(name)));
        }
        Place n0 = new Place("n0", 0);
        Place n1 = new Place("n1", 0);
        Place w1 = new Place("w1", 0);
        Place w2 = new Place("w2", 0);
        for (List<Place> places :
                List.of(
                        List.of(n0, n1),
                        List.of(n0, w1),
                        List.of(w1),
                        List.of(n0, w1, w2),
                        List.of(n0, n1, w1, w2),
                        List.of(n0, n1, new Place("n2", 0), w1))) {
            assertThat(refusal(state, new SystemCommand.CreateGroup("c" + places, places)))
                    .isEqualTo(ErrorCode.INVALID);
        }
        state = apply(state, new SystemCommand.CreateGroup("g1", List.of(n0, n1, w1)));
        state =
                apply(
                        state,
                        new SystemCommand.CreateGroup("g2", List.of(n0, n1, new Place("n2", 0))));
        SystemState.Group group = Objects.requireNonNull(state.groups().get(1L));
        assertThat(group.wanted()).isEqualTo(2);
        assertThat(group.wantedVoters()).isEqualTo(3);
        assertThat(group.voters())
                .extracting(SystemState.Replica::peer)
                .containsExactly("n0.2", "n1.2", "w1.w1");
        assertThat(group.dataVoters())
                .extracting(SystemState.Replica::peer)
                .containsExactly("n0.2", "n1.2");
        assertThat(refusal(state, new SystemCommand.AddReplica("a", 2, w1)))
                .as("a group of three has no witness")
                .isEqualTo(ErrorCode.INVALID);
        assertThat(refusal(state, new SystemCommand.AddDisk("d", "w1", "/d", 0)))
                .isEqualTo(ErrorCode.INVALID);
        // A second one takes the place of the first, and never votes beside it.
        state = apply(state, new SystemCommand.AddReplica("b", 1, w2));
        assertThat(refusal(state, new SystemCommand.PromoteReplica("p", 1, "w2.w1", null)))
                .isEqualTo(ErrorCode.INVALID);
        assertThat(refusal(state, new SystemCommand.PromoteReplica("q", 1, "w2.w1", "n0.2")))
                .isEqualTo(ErrorCode.INVALID);
        state = apply(state, new SystemCommand.PromoteReplica("r", 1, "w2.w1", "w1.w1"));
        // Of the system group it holds all, as any node does.
        state = apply(state, new SystemCommand.AddReplica("s", 0, w1));
        SystemState.Replica system = Objects.requireNonNull(state.groups().get(0L)).replica("w1.2");
        assertThat(system).isNotNull();
        assertThat(system.witness()).isFalse();
        byte[] checkpoint = SystemCodec.encode(new Checkpoint(new LogPosition(1, 1), state));
        assertThat(SystemCodec.decodeCheckpoint(checkpoint, "it").state()).isEqualTo(state);
    }

    @Test
    void secretsAreNotPrinted() {
        SystemCommand command = new SystemCommand.ExportVolume("e", 1, export(7));
        assertThat(command.toString()).contains("user").doesNotContain("secret of");
        SystemState state =
                apply(sample().state(), new SystemCommand.ExportVolume("e", 1, export(7)));
        assertThat(state.toString()).doesNotContain("secret of");
    }

    @Test
    void damageAndNewerVersionsAreToldApart() {
        byte[] sound = SystemCodec.encode(sample());
        for (int i = 0; i < sound.length; i++) {
            byte[] damaged = sound.clone();
            damaged[i] ^= 0x20;
            assertThatThrownBy(() -> SystemCodec.decodeCheckpoint(damaged, "x"))
                    .isInstanceOf(CisternException.class);
        }
        byte[] newer = sound.clone();
        newer[11] = 9;
        assertThatThrownBy(() -> SystemCodec.decodeCheckpoint(newer, "x"))
                .hasMessageContaining("newer")
                .satisfies(e ->
                        assertThat(CisternException.of(e).code()).isEqualTo(ErrorCode.INVALID));
        byte[] shorter = Arrays.copyOf(sound, sound.length / 2);
        assertThatThrownBy(() -> SystemCodec.decodeCheckpoint(shorter, "x"))
                .satisfies(e ->
                        assertThat(CisternException.of(e).code()).isEqualTo(ErrorCode.CORRUPT));
    }

    @Property(tries = 300)
    void garbageIsNoCommand(@ForAll byte[] garbage) {
        try {
            SystemCodec.decode(ByteBuffer.wrap(garbage));
        } catch (CisternException refused) {
            assertThat(refused.code()).isIn(ErrorCode.CORRUPT, ErrorCode.INVALID);
        }
    }
}
