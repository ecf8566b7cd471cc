package io.cistern.volume.node;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.raft.GroupId;
import io.cistern.raft.Peer;
import io.cistern.raft.RaftGroup;
import io.cistern.raft.net.Responder;
import io.cistern.raft.net.RpcServer;
import io.cistern.storage.Outcome;
import io.cistern.storage.group.GroupHost;
import io.cistern.storage.group.ReplicaCheck;
import io.cistern.storage.group.Verifier;
import io.cistern.volume.IscsiExport;
import io.cistern.volume.ShareUse;
import io.cistern.volume.client.Waits;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.LongConsumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// Answers the cluster's opcodes on the node wire, see [Opcodes].
final class WireService implements AutoCloseable {
    private static final Duration PATIENCE = Duration.ofSeconds(10);
    private static final Duration VERIFY = Duration.ofDays(7);

    /// After which a verification reports how far it is.
    private static final Duration VERIFY_PIECE = Duration.ofSeconds(1);

    /// An order is small; a longer one is refused.
    private static final int MAX_ORDER_BYTES = 64 << 10;

    private final LocalNode local;
    private final GroupHost host;
    private final Supplier<NodeReport> report;
    private final LongConsumer stateKnown;
    private final Work work;
    private final ExecutorService threads =
            Executors.newThreadPerTaskExecutor(Thread.ofVirtual().name("orders-", 0).factory());

    private volatile Supplier<List<IscsiExport.Session>> sessions = List::of;

    private volatile Supplier<ShareUse> shareUse = () -> new ShareUse(List.of(), List.of());

    /// @param stateKnown told the versions of the system state that others know; must not block
    WireService(
            LocalNode local,
            GroupHost host,
            Work work,
            Supplier<NodeReport> report,
            LongConsumer stateKnown) {
        this.stateKnown = stateKnown;
        this.work = work;
        this.local = local;
        this.host = host;
        this.report = report;
    }

    /// Tells others of a portal's sessions.
    void show(Supplier<List<IscsiExport.Session>> shown) {
        sessions = shown;
    }

    /// Tells others who uses this node's shares.
    void showShareUse(Supplier<ShareUse> shown) {
        shareUse = shown;
    }

    void register(RpcServer server) {
        server.register(Opcodes.PROPOSE, this::propose);
        server.register(Opcodes.STATE, this::state);
        server.register(
                Opcodes.REPORT,
                (request, responder) -> {
                    if (request.readableBytes() >= Long.BYTES) {
                        stateKnown.accept(request.readLong());
                    }
                    later(responder, () -> Json.buffer(NodeReport.class, report.get()));
                });
        server.register(Opcodes.ORDER, this::order);
        server.register(
                Opcodes.SHARE_USE,
                (request, responder) ->
                        later(responder, () -> Json.buffer(ShareUse.class, shareUse.get())));
        server.register(
                Opcodes.SESSIONS,
                (request, responder) ->
                        later(
                                responder,
                                () ->
                                        Json.buffer(
                                                IscsiSessions.class,
                                                new IscsiSessions(sessions.get()))));
    }

    private SystemGroup system() {
        SystemGroup system = local.system();
        if (system == null) {
            throw new CisternException(
                    ErrorCode.NOT_LEADER,
                    "node " + local.file().name() + " has no replica of the system group");
        }
        return system;
    }

    private void propose(ByteBuf request, Responder responder) {
        ByteBuffer command = ByteBuffer.wrap(ByteBufUtil.getBytes(request));
        system().propose(command)
                .whenComplete((outcome, failure) -> {
                    if (failure == null) {
                        responder.ok(Json.buffer(Outcome.class, outcome));
                    } else {
                        responder.fail(CisternException.of(failure));
                    }
                });
    }

    private void state(ByteBuf request, Responder responder) {
        StateRequest asked = StateRequest.decode(request);
        SystemGroup system = system();
        if (!asked.fresh()) {
            answer(system, asked, responder);
            return;
        }
        system.fresh()
                .whenComplete((state, failure) -> {
                    if (failure == null) {
                        answer(system, asked, responder);
                    } else {
                        responder.fail(CisternException.of(failure));
                    }
                });
    }

    private void answer(SystemGroup system, StateRequest asked, Responder responder) {
        long version = system.machine().state().version();
        if (version <= asked.version()) {
            responder.ok(Unpooled.EMPTY_BUFFER);
        } else if (asked.versionAlone()) {
            responder.ok(Unpooled.buffer(StateRequest.VERSION_BYTES).writeLong(version));
        } else {
            later(responder, () -> Unpooled.wrappedBuffer(system.encoded(asked.newest())));
        }
    }

    private void order(ByteBuf request, Responder responder) {
        if (request.readableBytes() > MAX_ORDER_BYTES) {
            throw new CisternException(ErrorCode.LIMIT, "an order is at most 64 KiB");
        }
        NodeOrder order = Json.parse(NodeOrder.class, request, "an order");
        later(responder, () -> Json.buffer(NodeOrder.Done.class, carryOut(order)));
    }

    private void later(Responder responder, Supplier<ByteBuf> answer) {
        try {
            threads.execute(() -> {
                ByteBuf ready;
                try {
                    ready = answer.get();
                } catch (RuntimeException e) {
                    responder.fail(CisternException.of(e));
                    return;
                }
                responder.ok(ready);
            });
        } catch (RejectedExecutionException closing) {
            responder.fail(new CisternException(ErrorCode.UNAVAILABLE, "this node is stopping"));
        }
    }

    private NodeOrder.Done carryOut(NodeOrder order) {
        return switch (order) {
            case NodeOrder.SetMembers o -> {
                List<Peer> voters = LocalNode.peers(o.voters());
                List<Peer> learners = LocalNode.peers(o.learners());
                Waits.get(raft(o.group()).setMembers(voters, learners), PATIENCE);
                yield NodeOrder.Done.NOTHING;
            }
            case NodeOrder.Transfer o -> {
                Waits.get(
                        raft(o.group()).transferLeadership(o.peer(), Duration.ofSeconds(5)),
                        PATIENCE);
                yield NodeOrder.Done.NOTHING;
            }
            case NodeOrder.Scrub o -> {
                host.scrub(new GroupId(o.group()), o.volume());
                yield NodeOrder.Done.NOTHING;
            }
            case NodeOrder.Verify o -> verify(o);
            case NodeOrder.Check o -> check(o);
            case NodeOrder.Books o -> new NodeOrder.Done(0, Waits.get(host.checkBooks(), VERIFY));
            case NodeOrder.Working o -> {
                work.heard(o.work(), o.ended());
                yield NodeOrder.Done.NOTHING;
            }
        };
    }

    private NodeOrder.Done verify(NodeOrder.Verify order) {
        GroupId group = new GroupId(order.group());
        String snapshot = order.snapshot();
        Long from = order.from();
        Verifier.Report found =
                Waits.get(
                        snapshot == null || from == null
                                ? host.verify(group, order.volume())
                                : host.verify(group, order.volume(), snapshot, from, VERIFY_PIECE),
                        VERIFY);
        List<String> findings = new ArrayList<>();
        found.differences()
                .forEach(d ->
                        findings.add(
                                "granule at "
                                        + d.offset()
                                        + (d.snapshot().isEmpty()
                                                ? ""
                                                : " of snapshot " + d.snapshot())
                                        + " differs between "
                                        + d.replicas()));
        boolean complete = found.next() == Verifier.Report.DONE;
        return new NodeOrder.Done(
                found.bytes(),
                findings,
                null,
                complete ? -1 : found.next(),
                unasked(found.missing(), order.apart(), findings));
    }

    private NodeOrder.Done check(NodeOrder.Check order) {
        ReplicaCheck.Report found = Waits.get(host.check(new GroupId(order.group()), true), VERIFY);
        String group = "g" + order.group() + ": ";
        List<String> findings = new ArrayList<>();
        List<Long> volumes = new ArrayList<>();
        for (ReplicaCheck.Difference difference : found.differences()) {
            findings.add(difference.volume() == 0 ? group + difference.text() : difference.text());
            volumes.add(difference.volume());
        }
        found.repairs().forEach(repair -> findings.add(group + repair));
        List<NodeOrder.Unasked> unasked = unasked(found.missing(), order.apart(), findings);
        return new NodeOrder.Done(found.bytes(), findings, volumes, null, unasked);
    }

    /// Replicas that could not be asked, where who asked reads them apart from the findings; else
    /// they are added to those.
    private static @Nullable List<NodeOrder.Unasked> unasked(
            Map<String, String> missing, @Nullable Boolean apart, List<String> findings) {
        List<NodeOrder.Unasked> unasked = new ArrayList<>();
        missing.forEach((peer, why) -> unasked.add(new NodeOrder.Unasked(peer, why)));
        if (Boolean.TRUE.equals(apart)) {
            return unasked;
        }
        unasked.forEach(replica -> findings.add(replica.toString()));
        return null;
    }

    private RaftGroup raft(long group) {
        RaftGroup raft = group == 0 ? system().raft() : host.raft(new GroupId(group));
        if (raft == null) {
            throw new CisternException(
                    ErrorCode.NOT_LEADER, "this node has no open replica of g" + group);
        }
        return raft;
    }

    @Override
    public void close() {
        threads.shutdownNow();
    }
}
