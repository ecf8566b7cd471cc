package io.cistern.chaos.sim;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.chaos.check.Op;
import io.cistern.storage.Command;
import io.cistern.storage.Command.AttachMode;
import io.cistern.storage.group.SimNode;
import io.cistern.storage.group.VolumeGroup.ReadRequest;
import io.cistern.volume.VolumeDevice;
import io.cistern.volume.client.Member;
import io.cistern.volume.client.SimClient;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// What the clients of a simulated cluster do, and the history of it.
///
/// The registers are sectors of 512 bytes, each filled with the number of the operation that wrote
/// it. In each volume one range is only changed as a whole (by atomic writes and compares), one is
/// a counter, and one is written after the same in the other volume.
public final class Workload {
    public static final int SECTOR = 512;
    static final int BLOCK = 4096;
    static final int VOLUME_BYTES = 10 * 16 * BLOCK;

    /// Blocks that are written at will: a few, so that operations meet.
    private static final int[] HOT = {0, 1, 2, 3, 14, 15, 16, 17, 40, 41, 64, 150};

    private static final int CELL_BLOCK = 32;
    private static final int CELL_BYTES = 2 * BLOCK;
    private static final int COUNTER_BLOCK = 48;
    private static final int DEPENDENT_BLOCK = 80;

    /// Of a client that looks on.
    private static final int READS = 100;

    /// How often somebody looks in who only passes by: 64 ended attachments are remembered.
    private static final int PASSINGS = 200;

    private static final Duration REQUEST = Duration.ofSeconds(40);
    private static final Duration ATTEMPT = Duration.ofMillis(700);

    /// @param clients processes that use the volumes
    /// @param mode of their attachments
    /// @param local clients are in the nodes' own processes
    /// @param operations per client
    /// @param fill writes spread over all of the volume instead of the few blocks
    /// @param restless who was fenced off comes back soon; beside its operations each client reads
    public record Plan(
            int clients,
            AttachMode mode,
            boolean local,
            int operations,
            boolean fill,
            boolean restless) {}

    /// One use of a volume from its attaching to its end.
    private static final class Tenure {
        final String client;
        final int volume;
        final @Nullable Machine machine;
        long attachment;
        long endsAt = Op.NEVER;

        Tenure(String client, int volume, @Nullable Machine machine) {
            this.client = client;
            this.volume = volume;
            this.machine = machine;
        }
    }

    private record Entry(Tenure tenure, String register, Op op) {}

    private final Sim sim;
    private final SimCluster cluster;
    private final Plan plan;
    private final SimClient admin;
    private final List<Entry> entries = new ArrayList<>();
    private final List<Tenure> holders = new ArrayList<>();
    private final Map<Recording, Recorder> open = new LinkedHashMap<>();
    private final long[] lastCell = new long[3];
    private final List<Snapshots.Taken> snapshots = new ArrayList<>();
    private final List<String> wrong = new ArrayList<>();
    private final List<Long> raised = new ArrayList<>();
    private long raisedUnknown;
    private long nextValue = 1;
    private long operations;
    private long refused;
    private long noSpace;
    private long healedAt = Op.NEVER;
    private long worstStall;
    private String slowest = "";
    private boolean stopping;

    public Workload(Sim sim, SimCluster cluster, Plan plan) {
        this.sim = sim;
        this.cluster = cluster;
        this.plan = plan;
        this.admin = client("admin", sim.machine("admin", 1, 0), null);
    }

    private SimClient client(String host, Machine machine, SimCluster.@Nullable Node home) {
        List<Member> members = new ArrayList<>();
        for (SimCluster.Node node : cluster.nodes()) {
            var remote =
                    SimNode.remote(
                            cluster.net(),
                            home == null ? host : home.name(),
                            machine,
                            node.name(),
                            SimCluster.GROUP,
                            ATTEMPT.multipliedBy(3));
            members.add(
                    node == home
                            ? SimClient.local(
                                    node.name(),
                                    () -> {
                                        SimNode process = node.process();
                                        return process == null || machine != node.machine()
                                                ? null
                                                : process.host().group(SimCluster.GROUP);
                                    },
                                    remote)
                            : SimClient.remote(node.name(), remote));
        }
        return new SimClient(sim, machine, members, REQUEST, ATTEMPT);
    }

    SimClient admin() {
        return admin;
    }

    // ---- life

    /// Makes the volumes and starts the clients.
    public void start() {
        for (int volume = 1; volume <= 2; volume++) {
            CompletableFuture<?> made =
                    admin.execute(
                            new Command.CreateVolume(volume, VOLUME_BYTES, Command.Limits.NONE, 1));
            if (!sim.run(60_000_000_000L, made::isDone) || failed(made)) {
                throw new IllegalStateException("no volume could be made: " + made);
            }
        }
        for (int i = 0; i < plan.clients; i++) {
            if (plan.local) {
                live(i, 0);
            } else {
                be(i, 0, sim.machine("c" + i, 1, 0), null);
            }
        }
        if (plan.mode == AttachMode.SHARED) {
            depend();
        }
    }

    /// An answer may be lost, and the command sent once more.
    private static boolean failed(CompletableFuture<?> made) {
        return made.isCompletedExceptionally()
                && CisternException.of(made.exceptionNow()).code() != ErrorCode.ALREADY_EXISTS;
    }

    /// A client within a node, from now until the node's process ends; then another one.
    private void live(int client, int life) {
        SimCluster.Node home = cluster.node(client % cluster.nodes().size());
        Machine machine = home.machine();
        if (stopping) {
            return;
        }
        if (machine == null || home.process() == null || machine.dead()) {
            sim.after(sim.harness(), 50_000_000, () -> live(client, life));
            return;
        }
        be(client, life, machine, home);
        watch(client, life, machine);
    }

    private void watch(int client, int life, Machine machine) {
        sim.after(
                sim.harness(),
                50_000_000,
                () -> {
                    if (machine.dead()) {
                        live(client, life + 1);
                    } else {
                        watch(client, life, machine);
                    }
                });
    }

    private void be(int client, int life, Machine machine, SimCluster.@Nullable Node home) {
        String name = "c" + client + (life == 0 ? "" : "/" + life);
        SimClient connected = client("c" + client, machine, home);
        int volume = 1 + client % 2;
        sim.after(
                machine,
                sim.between(0, 200_000_000),
                () -> attach(connected, machine, name, volume, plan.operations));
    }

    private void attach(SimClient client, Machine machine, String name, int volume, int left) {
        if (stopping || left <= 0) {
            return;
        }
        Tenure tenure = new Tenure(name, volume, machine);
        client.attach("v" + volume, plan.mode, name)
                .whenComplete((device, failure) -> {
                    if (failure != null) {
                        CisternException reason = CisternException.of(failure);
                        if (!reason.code().retryable() && reason.code() != ErrorCode.FENCED) {
                            wrong.add(name + " could not attach: " + reason);
                        }
                        sim.after(
                                machine,
                                100_000_000,
                                () -> attach(client, machine, name, volume, left));
                        return;
                    }
                    if (plan.mode == AttachMode.EXCLUSIVE) {
                        hold(tenure, device.attachment());
                    }
                    int depth = 1 + sim.random().nextInt(4);
                    int[] budget = {left};
                    for (int i = 0; i < depth; i++) {
                        next(client, machine, device, tenure, budget);
                    }
                    if (plan.restless) {
                        look(machine, device, tenure, READS);
                    }
                    takeOverAgain(client, machine, device, tenure, budget);
                });
    }

    /// Attachments end those before them; their answers may come in another order.
    private void hold(Tenure tenure, long attachment) {
        tenure.attachment = attachment;
        for (Tenure other : holders) {
            if (other.volume == tenure.volume && other.attachment < attachment) {
                other.endsAt = Math.min(other.endsAt, sim.now());
            } else if (other.volume == tenure.volume) {
                tenure.endsAt = Math.min(tenure.endsAt, sim.now());
            }
        }
        holders.add(tenure);
    }

    /// Who was fenced off comes back after a while, and fences the other one off.
    private void takeOverAgain(
            SimClient client, Machine machine, VolumeDevice device, Tenure tenure, int[] budget) {
        device.ended()
                .thenAccept(reason ->
                        sim.after(
                                machine,
                                plan.restless
                                        ? sim.between(50_000_000, 600_000_000)
                                        : sim.between(500_000_000, 3_000_000_000L),
                                () -> {
                                    int left = budget[0];
                                    budget[0] = 0;
                                    attach(client, machine, tenure.client, tenure.volume, left);
                                }));
    }

    public void stop() {
        stopping = true;
    }

    /// From now on nothing goes wrong any more.
    public void healed() {
        healedAt = sim.now();
    }

    // ---- operations

    private void next(
            SimClient client, Machine machine, VolumeDevice device, Tenure tenure, int[] budget) {
        sim.after(
                machine,
                sim.between(1_000_000, 60_000_000),
                () -> {
                    if (stopping || budget[0] <= 0) {
                        return;
                    }
                    budget[0]--;
                    operations++;
                    step(device, tenure)
                            .whenComplete((done, failure) -> {
                                CisternException reason =
                                        failure == null ? null : CisternException.of(failure);
                                if (reason != null
                                        && (reason.code() == ErrorCode.FENCED
                                                || reason.code() == ErrorCode.INTERNAL)) {
                                    if (reason.code() == ErrorCode.INTERNAL) {
                                        wrong.add("internal error: " + SimCluster.trace(reason));
                                    }
                                    return;
                                }
                                next(client, machine, device, tenure, budget);
                            });
                });
    }

    /// Reads only, so that it goes on where writes wait for a leader.
    private void look(Machine machine, VolumeDevice device, Tenure tenure, int left) {
        sim.after(
                machine,
                sim.between(1_000_000, 60_000_000),
                () -> {
                    if (stopping || left <= 0) {
                        return;
                    }
                    operations++;
                    read(device, tenure, hot(), BLOCK * (1 + sim.random().nextInt(3)))
                            .whenComplete((done, failure) -> {
                                if (failure == null
                                        || CisternException.of(failure).code()
                                                != ErrorCode.FENCED) {
                                    look(machine, device, tenure, left - 1);
                                }
                            });
                });
    }

    private long hot() {
        return (long) HOT[sim.random().nextInt(HOT.length)] * BLOCK;
    }

    private CompletableFuture<?> step(VolumeDevice device, Tenure tenure) {
        int dice = sim.random().nextInt(100);
        if (plan.fill && dice < 50) {
            long block = 16L * sim.random().nextInt(10) + sim.random().nextInt(2);
            return write(device, tenure, block * BLOCK, 2 * BLOCK);
        }
        long at = hot();
        if (dice < 30) {
            return write(device, tenure, at, BLOCK * (1 + sim.random().nextInt(3)));
        }
        if (dice < 45) {
            int sector = sim.random().nextInt(16);
            return write(
                    device,
                    tenure,
                    at + (long) sector * SECTOR,
                    SECTOR * (1 + sim.random().nextInt(10)));
        }
        if (dice < 72) {
            return read(device, tenure, at, BLOCK * (1 + sim.random().nextInt(3)));
        }
        if (dice < 79) {
            return zero(device, tenure, at);
        }
        if (dice < 92) {
            return cell(device, tenure);
        }
        return count(device, tenure);
    }

    private boolean reserved(long offset, int length) {
        for (int block : new int[] {CELL_BLOCK, CELL_BLOCK + 1, COUNTER_BLOCK, DEPENDENT_BLOCK}) {
            long from = (long) block * BLOCK;
            if (offset < from + BLOCK && from < offset + length) {
                return true;
            }
        }
        return false;
    }

    private CompletableFuture<?> write(
            VolumeDevice device, Tenure tenure, long offset, int length) {
        if (offset + length > VOLUME_BYTES || reserved(offset, length)) {
            return CompletableFuture.completedFuture(null);
        }
        long value = nextValue++;
        Recording recording = begin(tenure, "write");
        return recording.changes(
                device.write(offset, filled(value, length)),
                ended ->
                        sectors(
                                tenure,
                                offset,
                                length,
                                Op.write(tenure.client, value, recording.from, ended)));
    }

    private CompletableFuture<?> zero(VolumeDevice device, Tenure tenure, long offset) {
        int length = BLOCK * (1 + sim.random().nextInt(20));
        int shift = sim.chance(0.3) ? SECTOR * sim.random().nextInt(8) : 0;
        long from = offset + shift;
        if (from + length > VOLUME_BYTES || reserved(from, length)) {
            return CompletableFuture.completedFuture(null);
        }
        boolean unmap = sim.chance(0.7);
        Recording recording = begin(tenure, "zero");
        return recording.changes(
                device.zero(from, length, unmap),
                ended ->
                        sectors(
                                tenure,
                                from,
                                length,
                                Op.write(tenure.client, 0, recording.from, ended)));
    }

    private CompletableFuture<?> read(VolumeDevice device, Tenure tenure, long offset, int length) {
        if (offset + length > VOLUME_BYTES) {
            return CompletableFuture.completedFuture(null);
        }
        ByteBuffer into = ByteBuffer.allocate(length);
        Recording recording = begin(tenure, "read");
        if (sim.chance(0.5) && device.tryRead(offset, into)) {
            into.clear();
            recording.end();
            recordReads(tenure, offset, into, recording.from, sim.now());
            return CompletableFuture.completedFuture(null);
        }
        into.clear();
        return device.read(offset, into)
                .whenComplete((done, failure) -> {
                    recording.end();
                    if (failure == null) {
                        recordReads(tenure, offset, into, recording.from, sim.now());
                    } else {
                        failedRead(failure);
                    }
                });
    }

    private void failedRead(Throwable failure) {
        ErrorCode code = CisternException.of(failure).code();
        if (!code.retryable() && code != ErrorCode.FENCED) {
            wrong.add("a read failed: " + SimCluster.trace(CisternException.of(failure)));
        }
    }

    /// Whole-cell operations.
    private CompletableFuture<?> cell(VolumeDevice device, Tenure tenure) {
        long offset = (long) CELL_BLOCK * BLOCK;
        String register = "v" + tenure.volume + "/cell";
        int dice = sim.random().nextInt(10);
        if (dice < 4) {
            ByteBuffer into = ByteBuffer.allocate(CELL_BYTES);
            Recording recording = begin(tenure, "read cell");
            return device.read(offset, into)
                    .whenComplete((done, failure) -> {
                        recording.end();
                        if (failure == null) {
                            long value = uniform(into, 0, CELL_BYTES, register);
                            add(
                                    tenure,
                                    register,
                                    Op.read(tenure.client, value, recording.from, sim.now()));
                            lastCell[tenure.volume] = value;
                        } else {
                            failedRead(failure);
                        }
                    });
        }
        long value = nextValue++;
        if (dice < 7) {
            Recording recording = begin(tenure, "write cell");
            return recording.changes(
                    device.writeAtomic(offset, filled(value, CELL_BYTES), VolumeDevice.NO_GUARD),
                    ended ->
                            add(
                                    tenure,
                                    register,
                                    Op.write(tenure.client, value, recording.from, ended)));
        }
        long expected = lastCell[tenure.volume];
        return compare(device, tenure, register, offset, CELL_BYTES, expected, value);
    }

    private CompletableFuture<Long> compare(
            VolumeDevice device,
            Tenure tenure,
            String register,
            long offset,
            int length,
            long expected,
            long value) {
        Recording recording = begin(tenure, "compare");
        boolean[] success = new boolean[1];
        CompletableFuture<Long> asked =
                device.compareAndWrite(
                                offset,
                                filled(expected, length),
                                filled(value, length),
                                VolumeDevice.NO_GUARD)
                        .thenApply(differs -> {
                            success[0] = differs < 0;
                            return differs;
                        });
        recording.changes(
                asked,
                ended ->
                        add(
                                tenure,
                                register,
                                Op.compare(
                                        tenure.client,
                                        expected,
                                        value,
                                        success[0],
                                        recording.from,
                                        ended)));
        return asked;
    }

    /// Raises the counter: reads it, and compares and writes one more.
    private CompletableFuture<?> count(VolumeDevice device, Tenure tenure) {
        if (tenure.volume != 1) {
            return CompletableFuture.completedFuture(null);
        }
        long offset = (long) COUNTER_BLOCK * BLOCK + SECTOR;
        ByteBuffer into = ByteBuffer.allocate(SECTOR);
        Recording recording = begin(tenure, "read counter");
        return device.read(offset, into)
                .whenComplete((done, failure) -> recording.end())
                .thenCompose(done -> {
                    long seen = uniform(into, 0, SECTOR, "counter");
                    add(
                            tenure,
                            "v1/counter",
                            Op.read(tenure.client, seen, recording.from, sim.now()));
                    raisedUnknown++;
                    CompletableFuture<Long> compare =
                            compare(device, tenure, "v1/counter", offset, SECTOR, seen, seen + 1);
                    return compare.whenComplete((differs, failure) -> {
                        if (failure == null) {
                            raisedUnknown--;
                            if (differs < 0) {
                                raised.add(seen);
                            }
                        }
                    });
                });
    }

    // ---- the dependent writer, and snapshots

    private void depend() {
        Machine machine = sim.machine("dependent", 1, 0);
        SimClient client = client("dependent", machine, null);
        CompletableFuture<VolumeDevice> first = client.attach("v1", AttachMode.SHARED, "dependent");
        CompletableFuture<VolumeDevice> second =
                client.attach("v2", AttachMode.SHARED, "dependent");
        first.thenAcceptBoth(second, (a, b) -> depend(machine, a, b, 1));
    }

    private void depend(Machine machine, VolumeDevice a, VolumeDevice b, long n) {
        if (stopping) {
            return;
        }
        long offset = (long) DEPENDENT_BLOCK * BLOCK;
        ByteBuffer data = filled(n, BLOCK);
        a.write(offset, data)
                .thenCompose(done -> b.write(offset, data.duplicate()))
                .whenComplete((done, failure) ->
                        sim.after(
                                machine,
                                sim.between(1_000_000, 20_000_000),
                                () -> {
                                    if (failure == null) {
                                        depend(machine, a, b, n + 1);
                                    }
                                }));
    }

    /// Takes a snapshot of both volumes at once.
    public void snapshot() {
        Snapshots.take(this, "s" + (snapshots.size() + 1));
    }

    /// Deletes one of the snapshots. Where requests arrive late the next one gets its name.
    public void deleteSnapshot() {
        List<Snapshots.Taken> there =
                snapshots.stream().filter(s -> s.known() && !s.gone()).toList();
        if (!there.isEmpty()) {
            Snapshots.Taken taken = there.get(sim.random().nextInt(there.size()));
            boolean again = plan.restless && sim.chance(0.5);
            taken.delete(
                    this,
                    () -> {
                        if (again && !stopping) {
                            Snapshots.take(this, taken.name());
                        }
                    });
        }
    }

    /// Somebody looks into both volumes again and again, so that more attachments end than are
    /// remembered.
    void passBy() {
        Machine machine = sim.machine("passer", 1, 0);
        SimClient client = client("passer", machine, null);
        for (int volume = 1; volume <= 2; volume++) {
            passBy(client, machine, volume, PASSINGS);
        }
    }

    private void passBy(SimClient client, Machine machine, int volume, int left) {
        if (stopping || left <= 0) {
            return;
        }
        long nonce = sim.random().nextLong();
        Command.Attach attach =
                new Command.Attach(volume, AttachMode.READ_ONLY, nonce, left, "passer", 1);
        client.control(group -> group.describe(volume))
                .thenCompose(now -> client.execute(attach.seen(now.version())))
                .thenCompose(granted ->
                        client.execute(new Command.Detach(volume, granted.value(), true)))
                .whenComplete((done, failure) ->
                        sim.after(
                                machine,
                                sim.between(1_000_000, 20_000_000),
                                () -> passBy(client, machine, volume, left - 1)));
    }

    List<Snapshots.Taken> snapshots() {
        return snapshots;
    }

    CompletableFuture<ByteBuffer> readNow(
            int volume, @Nullable String snapshot, long offset, int length) {
        Function<io.cistern.storage.group.VolumeGroup, CompletableFuture<ByteBuffer>> call =
                group -> {
                    ByteBuffer into = ByteBuffer.allocate(length);
                    ReadRequest request =
                            new ReadRequest(volume, snapshot, 0, ReadRequest.LEADER_LEASE);
                    return group.read(request, offset, into).thenApply(receipt -> into.clear());
                };
        return admin.control(call);
    }

    // ---- recording

    /// An operation that has begun.
    private final class Recording {
        final Tenure tenure;
        final String what;
        final long from = sim.now();

        Recording(Tenure tenure, String what) {
            this.tenure = tenure;
            this.what = what;
            open.put(this, ended -> {});
        }

        void end() {
            open.remove(this);
            if (healedAt != Op.NEVER) {
                long stall = sim.now() - Math.max(from, healedAt);
                if (stall > worstStall) {
                    worstStall = stall;
                    slowest = toString();
                }
            }
        }

        CompletableFuture<?> changes(CompletableFuture<?> change, Recorder recorder) {
            if (open.containsKey(this)) {
                open.put(this, recorder);
            }
            return change.whenComplete((done, failure) -> {
                end();
                if (failure == null) {
                    recorder.add(sim.now());
                    return;
                }
                ErrorCode code = CisternException.of(failure).code();
                if (code == ErrorCode.NO_SPACE) {
                    noSpace++;
                } else {
                    refused++;
                }
                boolean expected =
                        code.retryable() || code == ErrorCode.FENCED || code == ErrorCode.NO_SPACE;
                if (!expected) {
                    wrong.add(this + " failed: " + SimCluster.trace(CisternException.of(failure)));
                }
                unknown(recorder);
            });
        }

        @Override
        public String toString() {
            return what + " of " + tenure.client + " on v" + tenure.volume + " begun at " + from;
        }
    }

    private interface Recorder {
        void add(long ended);
    }

    private boolean recordUnknown;

    private void unknown(Recorder recorder) {
        recordUnknown = true;
        recorder.add(Op.NEVER);
        recordUnknown = false;
    }

    private Recording begin(Tenure tenure, String what) {
        return new Recording(tenure, what);
    }

    private void sectors(Tenure tenure, long offset, int length, Op op) {
        for (long at = offset; at < offset + length; at += SECTOR) {
            add(tenure, "v" + tenure.volume + "/" + at / SECTOR, op);
        }
    }

    private void add(Tenure tenure, String register, Op op) {
        entries.add(new Entry(tenure, register, recordUnknown ? op.unknown(Op.NEVER) : op));
    }

    private void recordReads(Tenure tenure, long offset, ByteBuffer bytes, long from, long to) {
        for (int at = 0; at < bytes.capacity(); at += SECTOR) {
            long sector = (offset + at) / SECTOR;
            if (reserved(offset + at, SECTOR)) {
                continue;
            }
            String register = "v" + tenure.volume + "/" + sector;
            long value = uniform(bytes, at, SECTOR, register);
            add(tenure, register, Op.read(tenure.client, value, from, to));
        }
    }

    /// Adds what a snapshot or the final state shows as reads at an instant between the two times.
    void observed(String who, int volume, long offset, ByteBuffer bytes, long from, long to) {
        Tenure nobody = new Tenure(who, volume, null);
        recordReads(nobody, offset, bytes, from, to);
        long cell = (long) CELL_BLOCK * BLOCK;
        if (offset <= cell && cell + CELL_BYTES <= offset + bytes.capacity()) {
            String register = "v" + volume + "/cell";
            long value = uniform(bytes, (int) (cell - offset), CELL_BYTES, register);
            add(nobody, register, Op.read(who, value, from, to));
        }
        long counter = (long) COUNTER_BLOCK * BLOCK + SECTOR;
        if (volume == 1 && offset <= counter && counter + SECTOR <= offset + bytes.capacity()) {
            long value = uniform(bytes, (int) (counter - offset), SECTOR, "counter");
            add(nobody, "v1/counter", Op.read(who, value, from, to));
        }
    }

    static long dependent(ByteBuffer bytes) {
        return bytes.getLong(DEPENDENT_BLOCK * BLOCK);
    }

    static long counter(ByteBuffer bytes) {
        return bytes.getLong(COUNTER_BLOCK * BLOCK + SECTOR);
    }

    private long uniform(ByteBuffer bytes, int from, int length, String register) {
        long value = bytes.getLong(from);
        for (int at = from; at < from + length; at += 8) {
            if (bytes.getLong(at) != value) {
                wrong.add(
                        register
                                + " is torn: it shows "
                                + value
                                + " and, "
                                + (at - from)
                                + " bytes on, "
                                + bytes.getLong(at));
                break;
            }
        }
        return value;
    }

    private static ByteBuffer filled(long value, int length) {
        ByteBuffer bytes = ByteBuffer.allocate(length);
        while (bytes.hasRemaining()) {
            bytes.putLong(value);
        }
        return bytes.flip();
    }

    // ---- results

    /// The operations on each register. What a client did before another took its place cannot have
    /// happened after that; what it read later is nobody's concern.
    public Map<String, List<Op>> history() {
        open.values().forEach(this::unknown);
        open.clear();
        Map<String, List<Op>> byRegister = new TreeMap<>();
        for (Entry entry : entries) {
            long end = entry.tenure.endsAt;
            Op op = entry.op;
            if (op.kind() == Op.Kind.READ && op.ended() > end) {
                continue;
            }
            if (op.ended() > end) {
                op =
                        new Op(
                                op.client(),
                                op.kind(),
                                op.value(),
                                op.expected(),
                                op.result(),
                                op.invoked(),
                                end,
                                op.known());
                if (op.invoked() > end && op.known()) {
                    wrong.add(op + " succeeded although another had the volume since " + end);
                }
            }
            byRegister.computeIfAbsent(entry.register, r -> new ArrayList<>()).add(op);
        }
        return byRegister;
    }

    public long operations() {
        return operations;
    }

    public long noSpace() {
        return noSpace;
    }

    public long refused() {
        return refused;
    }

    public List<String> wrong() {
        return wrong;
    }

    public List<Long> raised() {
        return raised;
    }

    public long raisedUnknown() {
        return raisedUnknown;
    }

    /// Operations of living processes that have not ended, with when they began.
    public Map<String, Long> open() {
        Map<String, Long> living = new TreeMap<>();
        for (Recording recording : open.keySet()) {
            Machine machine = recording.tenure.machine;
            if (machine != null && !machine.dead()) {
                living.put(recording.toString(), recording.from);
            }
        }
        return living;
    }

    public long worstStall() {
        return worstStall;
    }

    /// The operation that took [#worstStall].
    public String slowest() {
        return slowest;
    }

    Sim sim() {
        return sim;
    }
}
