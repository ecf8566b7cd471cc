package io.cistern.storage.group;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.raft.GroupId;
import io.cistern.raft.net.Responder;
import io.cistern.raft.net.RpcHandler;
import io.cistern.raft.net.RpcHandlers;
import io.cistern.storage.Command;
import io.cistern.storage.CommandCodec;
import io.cistern.storage.group.VolumeGroup.Receipt;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import java.nio.ByteBuffer;
import java.util.concurrent.CompletableFuture;
import java.util.function.BiConsumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// Answers volume clients on the node wire. A read that needs no waiting is answered at once, on
/// the connection's event loop; everything else when its future completes. What one connection may
/// have in flight is bounded by the server.
final class GroupServer {
    private final Function<GroupId, @Nullable GroupReplica> replicas;

    /// @param replicas the replicas open on this node
    GroupServer(Function<GroupId, @Nullable GroupReplica> replicas) {
        this.replicas = replicas;
    }

    void register(RpcHandlers server) {
        server.register(Wire.WRITE, this::write);
        server.register(Wire.READ, this::read);
        on(server, Wire.ATOMIC_WRITE, this::writeAtomic);
        on(server, Wire.RECORD, this::record);
        on(server, Wire.ZERO, this::zero);
        on(server, Wire.EXECUTE, this::execute);
        on(server, Wire.EXTENTS, this::extents);
        on(server, Wire.DESCRIBE, this::describe);
        on(server, Wire.VOLUME_USAGE, this::usage);
        on(server, Wire.DIFF, this::diff);
        on(server, Wire.FILE_CHANGE, this::fileChange);
        on(server, Wire.FILE_QUERY, this::fileQuery);
    }

    /// Registers a handler whose malformed requests are refused with INVALID.
    static void on(RpcHandlers server, int opcode, RpcHandler handler) {
        server.register(
                opcode,
                (request, responder) -> {
                    try {
                        handler.handle(request, responder);
                    } catch (IndexOutOfBoundsException shorter) {
                        throw Wire.malformed("it ends early");
                    }
                });
    }

    private GroupReplica replica(GroupId group) {
        GroupReplica replica = replicas.apply(group);
        if (replica == null) {
            throw new CisternException(
                    ErrorCode.NOT_LEADER,
                    "this node has no replica of group " + group + "; ask another node");
        }
        return replica;
    }

    private void write(ByteBuf message, Responder responder) {
        WireRequest.Write request;
        try {
            request = WireRequest.Write.decode(message);
        } catch (IndexOutOfBoundsException shorter) {
            throw Wire.malformed("it ends early");
        }
        GroupReplica replica = replica(request.group());
        ByteBuffer data = message.nioBuffer();
        message.retain();
        replica.write(
                        request.volume(),
                        request.origin(),
                        request.firstPiece(),
                        request.offset(),
                        data)
                .whenComplete((receipt, failed) -> {
                    message.release();
                    answer(responder, receipt, failed);
                });
    }

    private void writeAtomic(ByteBuf message, Responder responder) {
        WireRequest.Atomic request = WireRequest.Atomic.decode(message);
        GroupReplica replica = replica(request.group());
        AtomicWrite write = request.with(message.nioBuffer());
        message.retain();
        replica.writeAtomic(request.volume(), request.origin(), write)
                .whenComplete((receipt, failed) -> {
                    message.release();
                    answer(responder, receipt, failed);
                });
    }

    private void record(ByteBuf message, Responder responder) {
        WireRequest.Describe r = Wire.decode(message, WireRequest.Describe::decode);
        reply(responder, replica(r.group()).record(r.volume()), WireAnswer::putRecord);
    }

    private static void answer(
            Responder responder, @Nullable Receipt receipt, @Nullable Throwable failed) {
        if (receipt == null) {
            responder.fail(CisternException.of(java.util.Objects.requireNonNull(failed)));
            return;
        }
        ByteBuf out = ByteBufAllocator.DEFAULT.directBuffer(WireAnswer.RECEIPT_BYTES);
        WireAnswer.putReceipt(out, receipt);
        responder.ok(out);
    }

    private void read(ByteBuf message, Responder responder) {
        WireRequest.Read request = Wire.decode(message, WireRequest.Read::decode);
        GroupReplica replica = replica(request.group());
        int bytes = WireAnswer.RECEIPT_BYTES + request.length();
        ByteBuf out = ByteBufAllocator.DEFAULT.directBuffer(bytes, bytes);
        ByteBuffer data = out.nioBuffer(WireAnswer.RECEIPT_BYTES, request.length());
        boolean now;
        try {
            now = replica.tryRead(request.request(), request.offset(), data);
        } catch (RuntimeException e) {
            out.release();
            throw e;
        }
        if (now) {
            answer(responder, out, bytes, replica.receipt(request.request().volume()));
            return;
        }
        replica.read(request.request(), request.offset(), data)
                .whenComplete((receipt, failed) -> {
                    if (receipt == null) {
                        out.release();
                        answer(responder, null, failed);
                    } else {
                        answer(responder, out, bytes, receipt);
                    }
                });
    }

    private static void answer(Responder responder, ByteBuf out, int bytes, Receipt receipt) {
        WireAnswer.putReceipt(out, receipt);
        out.writerIndex(bytes);
        responder.ok(out);
    }

    private void zero(ByteBuf message, Responder responder) {
        WireRequest.Zero r = Wire.decode(message, WireRequest.Zero::decode);
        reply(
                responder,
                replica(r.group()).zero(r.volume(), r.origin(), r.offset(), r.length(), r.unmap()),
                WireAnswer::putReceipt);
    }

    private void execute(ByteBuf message, Responder responder) {
        GroupId group = WireRequest.groupOf(message);
        Command command = CommandCodec.decode(message.nioBuffer());
        reply(responder, replica(group).execute(command), WireAnswer::putReceipt);
    }

    private void fileChange(ByteBuf message, Responder responder) {
        WireRequest.FileChange r = WireRequest.FileChange.decode(message);
        GroupReplica replica = replica(r.group());
        ByteBuffer data = message.nioBuffer();
        message.retain();
        CompletableFuture<VolumeGroup.FileReceipt> done =
                replica.change(r.volume(), r.origin(), r.request(), data);
        reply(
                responder,
                done.whenComplete((receipt, failed) -> message.release()),
                WireAnswer::putFileReceipt);
    }

    private void fileQuery(ByteBuf message, Responder responder) {
        WireRequest.FileQuery r = Wire.decode(message, WireRequest.FileQuery::decode);
        reply(
                responder,
                replica(r.group()).query(r.request(), r.query()),
                WireAnswer::putFileReceipt);
    }

    private void extents(ByteBuf message, Responder responder) {
        WireRequest.Extents r = Wire.decode(message, WireRequest.Extents::decode);
        reply(
                responder,
                replica(r.group()).extents(r.request(), r.offset(), r.length(), r.max()),
                WireAnswer::putExtents);
    }

    private void describe(ByteBuf message, Responder responder) {
        WireRequest.Describe r = Wire.decode(message, WireRequest.Describe::decode);
        reply(responder, replica(r.group()).describe(r.volume()), WireAnswer::putVolume);
    }

    private void usage(ByteBuf message, Responder responder) {
        WireRequest.Plain r = Wire.decode(message, WireRequest.Plain::decode);
        reply(responder, replica(r.group()).usage(), WireAnswer::putVolumeUsages);
    }

    private void diff(ByteBuf message, Responder responder) {
        WireRequest.Diff r = Wire.decode(message, WireRequest.Diff::decode);
        reply(
                responder,
                replica(r.group()).diff(r.volume(), r.from(), r.to(), r.offset(), r.max()),
                WireAnswer::putRanges);
    }

    /// Answers when `future` completes.
    static <T> void reply(
            Responder responder, CompletableFuture<T> future, BiConsumer<ByteBuf, T> form) {
        future.whenComplete((value, failed) -> {
            if (failed != null) {
                responder.fail(CisternException.of(failed));
                return;
            }
            ByteBuf out = ByteBufAllocator.DEFAULT.buffer();
            try {
                form.accept(out, value);
            } catch (RuntimeException e) {
                out.release();
                responder.fail(CisternException.of(e));
                return;
            }
            responder.ok(out);
        });
    }
}
