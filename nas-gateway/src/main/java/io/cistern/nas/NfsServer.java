package io.cistern.nas;

import io.cistern.nas.mount.MountProgram;
import io.cistern.nas.recovery.Recovery;
import io.cistern.nas.rpc.Portmapper;
import io.cistern.nas.rpc.RpcLimits;
import io.cistern.nas.rpc.RpcServer;
import io.cistern.nas.rpc.RpcStats;
import io.cistern.nas.share.HandleCodec;
import io.cistern.nas.share.ShareCatalog;
import io.cistern.nas.share.Shares;
import io.cistern.nas.state.NfsState;
import io.cistern.nas.v3.Nfs3;
import io.cistern.nas.v4.Nfs4;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// An NFS server of one node: NFSv3 with MOUNT and NFSv4.1/4.2 on the same ports. Any thread.
public final class NfsServer implements AutoCloseable {
    private static final int MAX_MESSAGE_BYTES = (1 << 20) + (32 << 10);
    private static final Logger LOG = LoggerFactory.getLogger(NfsServer.class);
    private static final int SWEEP_SECONDS = 2;

    /// A share that nobody uses is given up after that, so that another node may serve it.
    private static final int IDLE_SHARE_SECONDS = 60;

    private static final int MAX_LOCKS_SHOWN = 10_000;

    private final Shares shares;
    private final Recovery recovery = new Recovery();
    private final NfsState state;
    private final Nfs3 v3;
    private final Nfs4 v4;
    private final MountProgram mounts;
    private final RpcServer rpc;
    private final List<InetSocketAddress> addresses = new ArrayList<>();
    private final ScheduledExecutorService sweeper =
            Executors.newSingleThreadScheduledExecutor(
                    Thread.ofPlatform().daemon().name("nfs-sweep").factory());
    private @Nullable RpcServer portmapper;

    private NfsServer(NfsConfig config, ShareCatalog catalog) {
        HandleCodec handles = new HandleCodec(config.handleKey());
        this.shares = new Shares(catalog, handles);
        this.state =
                new NfsState(
                        newBoot(), config.state(), MAX_MESSAGE_BYTES, System::nanoTime, recovery);
        recovery.state(state);
        shares.listener(recovery);
        Nfs4.Service service =
                Nfs4.create(shares, state, recovery, config.serverId(), config.scope());
        this.v3 = new Nfs3(shares, service.openFiles(), config.cachedReplies());
        this.v4 = service.program();
        this.mounts = new MountProgram(shares);
        this.rpc =
                new RpcServer(
                        List.of(new NfsProgram(v3, v4), mounts),
                        config.rpc(),
                        config.tls(),
                        config.ioThreads());
    }

    /// Differs from that of every server that a client may still remember.
    private static int newBoot() {
        return ThreadLocalRandom.current().nextInt(1, Integer.MAX_VALUE);
    }

    /// Begins to serve.
    ///
    /// @throws CisternException BUSY where an address is in use
    public static NfsServer start(NfsConfig config, ShareCatalog catalog) {
        NfsServer server = new NfsServer(config, catalog);
        try {
            for (InetSocketAddress address : config.addresses()) {
                server.addresses.add(server.rpc.listen(address));
            }
            if (config.portmapper() != null) {
                server.servePortmapper(config.portmapper(), config.rpc());
            }
        } catch (RuntimeException e) {
            server.close();
            throw e;
        }
        server.sweeper.scheduleWithFixedDelay(
                server::sweep, SWEEP_SECONDS, SWEEP_SECONDS, TimeUnit.SECONDS);
        return server;
    }

    private void sweep() {
        try {
            state.sweep();
            recovery.tidy();
            shares.releaseIdle(
                    TimeUnit.SECONDS.toNanos(IDLE_SHARE_SECONDS),
                    share -> state.hasOpens(share.entry().id()));
        } catch (RuntimeException e) {
            LOG.error("sweeping failed", e);
        }
    }

    private void servePortmapper(InetSocketAddress address, RpcLimits limits) {
        int port = addresses.getFirst().getPort();
        RpcServer server =
                new RpcServer(
                        List.of(
                                new Portmapper(
                                        List.of(
                                                new Portmapper.Mapping(
                                                        Portmapper.PROGRAM, 2, address.getPort()),
                                                new Portmapper.Mapping(NfsProgram.PROGRAM, 3, port),
                                                new Portmapper.Mapping(NfsProgram.PROGRAM, 4, port),
                                                new Portmapper.Mapping(
                                                        MountProgram.PROGRAM, 3, port)))),
                        limits,
                        null,
                        1);
        portmapper = server;
        server.listen(address);
    }

    /// Where it listens, with the ports that were found where the configuration left them open.
    public List<InetSocketAddress> addresses() {
        return List.copyOf(addresses);
    }

    /// Clients with NFSv4 state.
    public List<NfsState.ClientView> clients() {
        return state.clients();
    }

    /// Byte-range locks, the first 10,000.
    public List<NfsState.LockView> locks() {
        return state.locks(MAX_LOCKS_SHOWN);
    }

    /// What NFSv3 clients said they mounted.
    public List<MountProgram.Mount> mounts() {
        return mounts.mounts();
    }

    /// Hosts of NFSv3 clients that mounted each share that is served here.
    public Map<Long, Set<String>> mountsByShare() {
        Map<String, Long> ids = new HashMap<>();
        shares.opened().forEach(s -> ids.put(s.entry().name(), s.entry().id()));
        Map<Long, Set<String>> hosts = new HashMap<>();
        for (MountProgram.Mount mount : mounts.mounts()) {
            String name = mount.path().replaceFirst("^/+", "").replaceFirst("/.*", "");
            Long id = ids.get(name);
            if (id != null) {
                hosts.computeIfAbsent(id, i -> new TreeSet<>()).add(mount.host());
            }
        }
        return hosts;
    }

    /// Figures since the start.
    ///
    /// @param calls NFSv3 procedures and NFSv4 operations by name, such as `v3.read`
    public record Metrics(
            RpcStats.Snapshot rpc,
            int connections,
            int inFlight,
            long heldBytes,
            NfsState.Counts state,
            Map<String, Long> calls) {}

    public Metrics metrics() {
        Map<String, Long> calls = new TreeMap<>();
        for (int i = 0; i < Nfs3.PROCEDURES; i++) {
            calls.put("v3." + Nfs3.nameOf(i), v3.calls(i));
        }
        v4.calls().forEach((name, count) -> calls.put("v4." + name, count));
        return new Metrics(
                rpc.stats().snapshot(),
                rpc.connections(),
                rpc.inFlight(),
                rpc.heldBytes(),
                state.counts(),
                calls);
    }

    /// Stops serving, then gives the shares up.
    @Override
    public void close() {
        sweeper.shutdownNow();
        RpcServer mapper = portmapper;
        if (mapper != null) {
            mapper.close();
        }
        rpc.close();
        shares.close();
    }
}
