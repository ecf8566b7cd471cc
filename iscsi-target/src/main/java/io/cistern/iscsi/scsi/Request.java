package io.cistern.iscsi.scsi;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.nio.ByteBuffer;
import java.util.concurrent.CompletableFuture;
import java.util.function.UnaryOperator;

/// A command being carried out: what an [Operation] works with.
record Request(LogicalUnit unit, Task task, Cdb cdb, GuardedIo io) {
    LuNexus nexus() {
        return task.nexus();
    }

    NexusId nexusId() {
        return task.nexus().id();
    }

    ScsiState state() {
        return unit.shared().view().state();
    }

    /// The first bytes of what the initiator sent, big-endian, from position 0 to the limit. There
    /// are as many as [Operation#dataOutLength] asked for.
    ByteBuffer dataOut(int length) {
        if (length == 0) {
            return ByteBuffer.allocate(0);
        }
        ByteBuf data = task.dataOut();
        return data.nioBuffer(data.readerIndex(), length).slice();
    }

    /// As [#dataOut], cut to what there is.
    ByteBuffer sentOf(long length) {
        return dataOut((int) Math.min(length, task.dataOut().readableBytes()));
    }

    /// Changes the shared state, as a command of this nexus: not once its task is aborted, nor
    /// against a reservation that was made meanwhile.
    CompletableFuture<SharedState.View> update(UnaryOperator<ScsiState> change) {
        return unit.shared()
                .update(state -> {
                    if (task.ended()) {
                        throw Refusal.busy();
                    }
                    Reservations.check(state, nexusId(), io.access());
                    return change.apply(state);
                });
    }

    /// GOOD with data cut to an allocation length.
    static ScsiResult reply(byte[] data, long allocationLength) {
        int length = (int) Math.min(data.length, allocationLength);
        return ScsiResult.good(Unpooled.wrappedBuffer(data, 0, length));
    }

    /// As the other, with what has been put into `data`.
    static ScsiResult reply(ByteBuffer data, long allocationLength) {
        byte[] bytes = new byte[data.position()];
        data.get(0, bytes);
        return reply(bytes, allocationLength);
    }
}
