package io.cistern.storage.group;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.raft.GroupId;
import io.cistern.raft.net.Responder;
import io.cistern.raft.net.RpcHandlers;
import io.netty.buffer.ByteBuf;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.function.BiConsumer;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// Answers other nodes on the node wire: space, status, blocks for repair, copies, digests.
final class PeerServer {
    private final Function<GroupId, @Nullable Replica> replicas;
    private final Supplier<List<ReplicaStatus>> statuses;
    private final NodeParts node;

    PeerServer(
            Function<GroupId, @Nullable Replica> replicas,
            Supplier<List<ReplicaStatus>> statuses,
            NodeParts node) {
        this.replicas = replicas;
        this.statuses = statuses;
        this.node = node;
    }

    void register(RpcHandlers server) {
        GroupServer.on(server, Wire.SPACE, this::space);
        GroupServer.on(server, Wire.REPLICAS, this::replicas);
        GroupServer.on(server, Wire.FETCH_BLOCKS, this::fetch);
        GroupServer.on(server, Wire.DIGESTS, this::digests);
        GroupServer.on(server, Wire.SCRUB, this::scrub);
        GroupServer.on(server, Wire.COPY_OPEN, this::open);
        GroupServer.on(server, Wire.COPY_TABLE, this::table);
        GroupServer.on(server, Wire.COPY_PAGE, this::page);
        GroupServer.on(server, Wire.COPY_ROWS, this::rows);
        GroupServer.on(server, Wire.COPY_FILES, this::files);
        GroupServer.on(server, Wire.COPY_CLOSE, this::close);
    }

    private Replica replica(GroupId group) {
        Replica replica = replicas.apply(group);
        if (replica == null) {
            throw new CisternException(
                    ErrorCode.NOT_FOUND, "this node has no replica of group " + group);
        }
        return replica;
    }

    private void space(ByteBuf message, Responder responder) {
        WirePeer.SpaceRequest r = Wire.decode(message, WirePeer.SpaceRequest::decode);
        GroupServer.reply(
                responder,
                CompletableFuture.completedFuture(replica(r.group()).space(r.leaderApplied())),
                WireAnswer::putUsage);
    }

    private void replicas(ByteBuf message, Responder responder) {
        Wire.decode(message, in -> true);
        reply(node.workers(), responder, statuses, ReplicaStatus::encodeList);
    }

    private void fetch(ByteBuf message, Responder responder) {
        WirePeer.FetchBlocks r = Wire.decode(message, WirePeer.FetchBlocks::decode);
        Replica replica = replica(r.group());
        reply(node.menders(), responder, () -> replica.fetch(r), WirePeer::putGranule);
    }

    private void digests(ByteBuf message, Responder responder) {
        WirePeer.DigestRequest r = Wire.decode(message, WirePeer.DigestRequest::decode);
        Verifier verifier = replica(r.group()).running().verifier();
        GroupServer.reply(
                responder,
                verifier.ready(r)
                        .thenCompose(ready ->
                                NodeParts.supply(node.workers(), () -> verifier.digests(r))),
                WirePeer.Digests::encode);
    }

    private void scrub(ByteBuf message, Responder responder) {
        WireRequest.Describe r = Wire.decode(message, WireRequest.Describe::decode);
        replica(r.group()).running().scrubber().scrub(r.volume());
        GroupServer.reply(responder, CompletableFuture.completedFuture(true), (out, nothing) -> {});
    }

    private void open(ByteBuf message, Responder responder) {
        WireRequest.Plain r = Wire.decode(message, WireRequest.Plain::decode);
        Replica replica = replica(r.group());
        reply(
                node.workers(),
                responder,
                () -> replica.openCopy(responder.peer()),
                (out, opened) -> opened.encode(out));
    }

    private void table(ByteBuf message, Responder responder) {
        WireCopy.TableRequest r = Wire.decode(message, WireCopy.TableRequest::decode);
        Replica replica = replica(r.group());
        reply(
                node.workers(),
                responder,
                () -> replica.source().table(r.session(), r.offset()),
                ByteBuf::writeBytes);
    }

    private void page(ByteBuf message, Responder responder) {
        WireCopy.PageRequest r = Wire.decode(message, WireCopy.PageRequest::decode);
        CopySource source = replica(r.group()).source();
        paced(source, responder, () -> source.page(r), WireCopy::putPage);
    }

    private void rows(ByteBuf message, Responder responder) {
        WireCopy.RowsRequest r = Wire.decode(message, WireCopy.RowsRequest::decode);
        CopySource source = replica(r.group()).source();
        paced(source, responder, () -> source.rows(r), WireCopy::putRows);
    }

    private void files(ByteBuf message, Responder responder) {
        WireCopy.FilesRequest r = Wire.decode(message, WireCopy.FilesRequest::decode);
        CopySource source = replica(r.group()).source();
        paced(source, responder, () -> source.files(r), WireCopy::putFiles);
    }

    /// Users first: what is copied is read after a rest, on no thread meanwhile.
    private <T> void paced(
            CopySource source, Responder responder, Supplier<T> task, BiConsumer<ByteBuf, T> form) {
        long rest = source.restNanos();
        if (rest == 0) {
            reply(node.workers(), responder, task, form);
            return;
        }
        node.timer()
                .schedule(
                        () -> reply(node.workers(), responder, task, form),
                        rest,
                        TimeUnit.NANOSECONDS);
    }

    private void close(ByteBuf message, Responder responder) {
        WireCopy.CloseRequest r = Wire.decode(message, WireCopy.CloseRequest::decode);
        Replica replica = replica(r.group());
        reply(
                node.workers(),
                responder,
                () -> {
                    replica.source().close(r.session());
                    return true;
                },
                (out, nothing) -> {});
    }

    /// Answers with what `task` yields on one of `executor`'s threads.
    private static <T> void reply(
            Executor executor, Responder responder, Supplier<T> task, BiConsumer<ByteBuf, T> form) {
        GroupServer.reply(responder, NodeParts.supply(executor, task), form);
    }
}
