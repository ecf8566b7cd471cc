package io.cistern.volume.node;

import io.cistern.block.CisternException;
import io.cistern.block.fs.FileSystem;
import io.cistern.raft.net.RpcClient;
import io.cistern.raft.net.RpcIdentity;
import io.cistern.raft.net.RpcLoops;
import io.cistern.storage.Command.AttachMode;
import io.cistern.volume.ClientConfig;
import io.cistern.volume.ClusterAdmin;
import io.cistern.volume.ClusterClient;
import io.cistern.volume.Images;
import io.cistern.volume.VolumeDevice;
import io.cistern.volume.VolumeInfo.AttachmentInfo;
import io.cistern.volume.client.Client;
import io.cistern.volume.image.ImageService;
import java.net.InetSocketAddress;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;

/// A cluster as a program outside of its nodes uses it.
public final class RemoteCluster implements ClusterClient {
    private static final int LOOPS = 2;

    private final Client client;
    private final ClusterAdmin admin;
    private final Images images;

    /// Connects; the first call finds out whether a seed answers.
    ///
    /// @param name of this program, as nodes show it in logs
    /// @throws CisternException INVALID for TLS files or a cluster id that cannot be used
    public static RemoteCluster connect(ClientConfig config, String name) {
        return new RemoteCluster(config, name);
    }

    private RemoteCluster(ClientConfig config, String name) {
        Formations.requireUuid(config.clusterId());
        RpcLoops loops = new RpcLoops("wire-" + name, LOOPS);
        RpcIdentity identity =
                new RpcIdentity(
                        RpcIdentity.SERVICE_NODE, UUID.fromString(config.clusterId()), name);
        NodeLinks.Wire wire =
                new NodeLinks.Wire(identity, NodeLinks.LIMITS, Formations.tls(config.tls()), loops);
        RpcClient rpc = wire.client();
        Map<String, InetSocketAddress> seeds = new HashMap<>();
        config.seeds().forEach(seed -> seeds.put(Addresses.text(seed), seed));
        SystemClient[] ask = new SystemClient[1];
        Catalog catalog =
                new Catalog(
                        name,
                        seeds,
                        latest -> ask[0].newer(latest.version(), config.tryTimeout()).orElse(null));
        ask[0] = new SystemClient(rpc, catalog::systemMembers, catalog::state);
        NodeLinks links =
                new NodeLinks(
                        wire,
                        catalog,
                        config.requestTimeout(),
                        volume -> Cluster.location(learn(catalog, ask[0]), volume),
                        null);
        this.client =
                new Client(
                        links,
                        config,
                        () -> {
                            catalog.close();
                            links.close();
                            rpc.close();
                            loops.close();
                        });
        Cluster cluster = new Cluster(catalog, ask[0], rpc, client);
        ReportedWork work = new ReportedWork(name, cluster);
        this.admin = new AdminService(cluster, config.clusterId(), work);
        this.images = new ImageService(admin, client, work);
        catalog.start();
    }

    private static io.cistern.volume.system.SystemState learn(Catalog catalog, SystemClient ask) {
        io.cistern.volume.system.SystemState state = ask.latest();
        catalog.learned(state);
        return state;
    }

    /// Imports and exports by this process, which the cluster's status lists while they run.
    public Images images() {
        return images;
    }

    /// Administration, from here.
    public ClusterAdmin admin() {
        return admin;
    }

    @Override
    public VolumeDevice open(String volume, AttachMode mode, String holder) {
        return client.open(volume, mode, holder);
    }

    @Override
    public VolumeDevice resume(String volume, Resumption previous, String holder) {
        return client.resume(volume, previous, holder);
    }

    @Override
    public FileSystem openShare(String share, String holder) {
        return client.openShare(share, holder);
    }

    @Override
    public List<AttachmentInfo> attachments(String volume) {
        return client.attachments(volume);
    }

    @Override
    public void close() {
        client.close();
    }
}
