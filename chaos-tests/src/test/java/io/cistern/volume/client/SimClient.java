package io.cistern.volume.client;

import io.cistern.chaos.sim.Machine;
import io.cistern.chaos.sim.Sim;
import io.cistern.chaos.sim.SimTimer;
import io.cistern.storage.Command;
import io.cistern.storage.Command.AttachMode;
import io.cistern.storage.group.RemoteVolumeGroup;
import io.cistern.storage.group.VolumeGroup;
import io.cistern.storage.group.VolumeGroup.Receipt;
import io.cistern.volume.ClientConfig;
import io.cistern.volume.VolumeDevice;
import io.cistern.volume.system.Level;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// The volume client in one life of a process.
public final class SimClient {
    private static final long GROUP = 1;

    private final Client client;

    /// @param members the group's replicas as the process reaches them
    public SimClient(
            Sim sim, Machine machine, List<Member> members, Duration request, Duration attempt) {
        ClusterMap map =
                new ClusterMap() {
                    @Override
                    public Location locate(String volume) {
                        return location(volume);
                    }

                    @Override
                    public int level() {
                        return Level.NEWEST;
                    }

                    @Override
                    public List<Member> members(long group) {
                        return members;
                    }
                };
        client =
                new Client(
                        map,
                        new ClientConfig(List.of(), "sim", null, request, attempt, request),
                        () -> {},
                        new Client.Surroundings(
                                new SimTimer(sim, machine, 50_000),
                                machine::nanoTime,
                                machine.clock(),
                                sim.random()::nextLong));
    }

    private static ClusterMap.Location location(String volume) {
        return new ClusterMap.Location(Long.parseLong(volume.substring(1)), GROUP);
    }

    /// @param volume `v` and its id
    public CompletableFuture<VolumeDevice> attach(String volume, AttachMode mode, String holder) {
        return client.attach(volume, location(volume), mode, holder).thenApply(d -> d);
    }

    /// Has the leader execute a command, again and elsewhere while that may help.
    public CompletableFuture<Receipt> execute(Command command) {
        return control(group -> group.execute(command));
    }

    public <T> CompletableFuture<T> control(Function<VolumeGroup, CompletableFuture<T>> call) {
        return client.control(GROUP, call, null);
    }

    /// A replica of another process.
    public static Member remote(String node, RemoteVolumeGroup group) {
        return new Member() {
            @Override
            public String peer() {
                return node;
            }

            @Override
            public String node() {
                return node;
            }

            @Override
            public boolean local() {
                return false;
            }

            @Override
            public VolumeGroup group() {
                return group;
            }

            @Override
            public long appliedIndex() {
                return -1;
            }

            @Override
            public void reset() {
                group.reset();
            }
        };
    }

    /// The replica of the client's own process; `otherwise` stands in where there is none.
    public static Member local(
            String node,
            Supplier<io.cistern.storage.group.@Nullable GroupReplica> replica,
            RemoteVolumeGroup otherwise) {
        return new Member() {
            @Override
            public String peer() {
                return node;
            }

            @Override
            public String node() {
                return node;
            }

            @Override
            public boolean local() {
                return replica.get() != null;
            }

            @Override
            public VolumeGroup group() {
                VolumeGroup here = replica.get();
                return here == null ? otherwise : here;
            }

            @Override
            public long appliedIndex() {
                io.cistern.storage.group.GroupReplica here = replica.get();
                return here == null ? -1 : here.appliedIndex();
            }

            @Override
            public long visibleIndex() {
                io.cistern.storage.group.GroupReplica here = replica.get();
                return here == null ? -1 : here.visibleIndex();
            }

            @Override
            public void reset() {}
        };
    }
}
