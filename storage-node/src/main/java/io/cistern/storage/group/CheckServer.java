package io.cistern.storage.group;

import io.cistern.raft.net.Responder;
import io.cistern.raft.net.RpcHandlers;
import io.netty.buffer.ByteBuf;
import java.util.concurrent.CompletableFuture;

/// Answers, on the node wire, the one who compares replicas.
final class CheckServer {
    private final ReplicaChecks.Host host;
    private final Recopies recopies;
    private final NodeParts node;

    CheckServer(ReplicaChecks.Host host, Recopies recopies, NodeParts node) {
        this.host = host;
        this.recopies = recopies;
        this.node = node;
    }

    void register(RpcHandlers server) {
        GroupServer.on(server, Wire.CUT_OPEN, this::open);
        GroupServer.on(server, Wire.CUT_STEP, this::step);
        GroupServer.on(server, Wire.CUT_PAGE, this::page);
        GroupServer.on(server, Wire.RECOPY, this::recopy);
        GroupServer.on(server, Wire.RECOPY_CONFIRM, this::confirm);
    }

    private void open(ByteBuf message, Responder responder) {
        WireCut.OpenRequest r = Wire.decode(message, WireCut.OpenRequest::decode);
        r.check();
        Replica replica = host.replica(r.group());
        replica.running();
        GroupServer.reply(
                responder,
                NodeParts.supply(node.workers(), () -> replica.cuts().open()),
                (out, opened) -> opened.encode(out));
    }

    private void step(ByteBuf message, Responder responder) {
        WireCut.StepRequest r = Wire.decode(message, WireCut.StepRequest::decode);
        Cuts cuts = host.replica(r.group()).cuts();
        if (r.index() == WireCut.StepRequest.READY) {
            GroupServer.reply(
                    responder, cuts.ready(r.session()), (out, ready) -> ready.encode(out));
            return;
        }
        GroupServer.reply(
                responder,
                NodeParts.supply(
                        node.workers(),
                        () -> {
                            if (r.index() == WireCut.StepRequest.CLOSE) {
                                cuts.close(r.session());
                            } else {
                                cuts.at(r.session(), r.index());
                            }
                            return true;
                        }),
                (out, nothing) -> {});
    }

    private void page(ByteBuf message, Responder responder) {
        WireCut.PageRequest r = Wire.decode(message, WireCut.PageRequest::decode);
        Cuts cuts = host.replica(r.group()).cuts();
        GroupServer.reply(
                responder,
                NodeParts.supply(node.workers(), () -> cuts.page(r)),
                (out, page) -> page.encode(out));
    }

    private void recopy(ByteBuf message, Responder responder) {
        WireCut.RecopyRequest r = Wire.decode(message, WireCut.RecopyRequest::decode);
        GroupServer.reply(
                responder,
                NodeParts.supply(
                        node.workers(),
                        () -> {
                            recopies.hinted(r);
                            return true;
                        }),
                (out, nothing) -> {});
    }

    private void confirm(ByteBuf message, Responder responder) {
        WireCut.RecopyQuestion r = Wire.decode(message, WireCut.RecopyQuestion::decode);
        GroupServer.reply(
                responder,
                CompletableFuture.completedFuture(recopies.confirm(r.group(), r.peer())),
                (out, order) -> order.encode(out));
    }
}
