package io.cistern.server.api;

import io.cistern.server.api.Requests.AddDisk;
import io.cistern.server.api.Requests.Check;
import io.cistern.server.api.Requests.JoinToken;
import io.cistern.server.api.Requests.Removal;
import io.cistern.server.api.Requests.Self;
import io.cistern.server.api.Requests.Verification;
import io.cistern.server.api.Route.Answer;
import io.cistern.volume.ClusterAdmin;
import io.cistern.volume.ClusterPolicy;
import io.cistern.volume.ClusterStatus;

/// The operations of the API on the cluster, its nodes and disks, each one call of [ClusterAdmin].
final class ClusterRoutes extends RouteTable {
    private final ClusterAdmin admin;
    private final Self self;
    private final Verifications verifications;

    ClusterRoutes(ClusterAdmin admin, Self self, Verifications verifications) {
        this.admin = admin;
        this.self = self;
        this.verifications = verifications;
        cluster();
        nodes();
        disks();
        policy();
        checks();
    }

    private void cluster() {
        get(
                "/v1/status",
                "getStatus",
                "Health, nodes, groups, volumes, capacity, running work",
                Answer.of(ClusterStatus.class),
                r -> admin.status());
        get("/v1/self", "getSelf", "The node that answers", Answer.of(Self.class), r -> self);
    }

    private void nodes() {
        get(
                "/v1/nodes",
                "listNodes",
                "All nodes",
                Answer.listOf(ClusterStatus.NodeInfo.class),
                r -> admin.nodes());
        post(
                "/v1/join-tokens",
                "createJoinToken",
                "Makes a secret with which one node may join",
                null,
                Answer.created(JoinToken.class),
                r -> new JoinToken(admin.createJoinToken()));
        post(
                "/v1/nodes/{node}/drain",
                "drainNode",
                "Moves all replicas of a node elsewhere, in the background",
                null,
                Answer.of(ClusterStatus.NodeInfo.class),
                r -> admin.drainNode(r.part("node")));
        delete(
                "/v1/nodes/{node}/drain",
                "keepNode",
                "Ends a drain: the node takes replicas again",
                Answer.of(ClusterStatus.NodeInfo.class),
                r -> admin.keepNode(r.part("node")));
        delete(
                "/v1/nodes/{node}",
                "removeNode",
                "Forgets a drained or lost node",
                Answer.NONE,
                r -> {
                    admin.removeNode(r.part("node"));
                    return null;
                });
    }

    private void disks() {
        get(
                "/v1/disks",
                "listDisks",
                "All disks",
                Answer.listOf(ClusterStatus.DiskInfo.class),
                r -> admin.disks());
        post(
                "/v1/disks",
                "addDisk",
                "Gives a directory of a node to the pool",
                AddDisk.class,
                Answer.created(ClusterStatus.DiskInfo.class),
                r -> {
                    AddDisk a = r.body(AddDisk.class);
                    long size = a.sizeBytes() == null ? 0 : a.sizeBytes();
                    return admin.addDisk(a.node(), a.path(), size);
                });
        delete(
                "/v1/disks/{node}/{disk}",
                "removeDisk",
                "Moves what a disk holds elsewhere and forgets it; a disk's id is NODE/N",
                Answer.of(Removal.class),
                r -> new Removal(admin.removeDisk(r.part("node") + "/" + r.part("disk"))));
    }

    private void policy() {
        get(
                "/v1/policy",
                "getPolicy",
                "How the cluster mends itself and spreads what it holds",
                Answer.of(ClusterPolicy.class),
                r -> admin.policy());
        put(
                "/v1/policy",
                "setPolicy",
                "Changes that, within a second",
                ClusterPolicy.class,
                Answer.of(ClusterPolicy.class),
                r -> admin.setPolicy(r.body(ClusterPolicy.class)));
    }

    private void checks() {
        post(
                "/v1/scrubs",
                "startScrub",
                "Starts reading and mending what a volume, or all, store; the status shows it",
                Check.class,
                Answer.NONE,
                r -> {
                    admin.scrub(r.body(Check.class).volume());
                    return null;
                });
        post(
                "/v1/verifications",
                "startVerification",
                "Starts reading everything from every replica and comparing it",
                Check.class,
                Answer.created(Verification.class),
                r -> verifications.start(r.body(Check.class).volume()));
        get(
                "/v1/verifications/{id}",
                "getVerification",
                "How far a verification is, and its report",
                Answer.of(Verification.class),
                r -> verifications.get(r.part("id")));
    }
}
