package io.cistern.iscsi.session;

import io.cistern.iscsi.login.Parameters;
import io.cistern.iscsi.pdu.DataIn;
import io.cistern.iscsi.pdu.Residual;
import io.cistern.iscsi.pdu.ScsiResponse;
import io.cistern.iscsi.scsi.ScsiResult;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import org.jspecify.annotations.Nullable;

/// Sends data and status of commands (RFC 7143 11.4, 11.7). Event loop only.
final class ResponseSender {
    /// SAM-5 table 46; the only status beside GOOD that comes without sense data and may ride on
    /// data.
    private static final int CONDITION_MET = 0x04;

    private final Connection connection;
    private Parameters parameters;

    ResponseSender(Connection connection, Parameters parameters) {
        this.connection = connection;
        this.parameters = parameters;
    }

    /// After the initiator has declared another MaxRecvDataSegmentLength.
    void parameters(Parameters renegotiated) {
        parameters = renegotiated;
    }

    /// @param sent called when the data has left, or never will
    void send(Task task, ScsiResult result, Runnable sent) {
        ByteBuf data = result.dataIn();
        long expected = task.expected();
        if (task.reads() && task.writes()) {
            data.release();
            respond(
                    task,
                    result,
                    Residual.of(expected, 0),
                    Residual.of(Integer.toUnsignedLong(task.request().readLength()), 0));
            sent.run();
            return;
        }
        // A write that is sent as a read has been given nothing, and nothing is given back.
        long available =
                task.reads() ? data.readableBytes() : Math.max(data.readableBytes(), task.wanted);
        Residual residual = Residual.of(expected, task.writes() ? task.wanted : available);
        int length = task.reads() ? (int) Math.min(data.readableBytes(), expected) : 0;
        if (length == 0) {
            data.release();
            respond(task, result, residual, Residual.NONE);
            sent.run();
            return;
        }
        boolean inLast =
                result.sense().length == 0
                        && (result.status() == ScsiResult.GOOD || result.status() == CONDITION_MET);
        DataIn.End end = inLast ? new DataIn.End(result.status(), residual) : null;
        sendData(task, data.slice(data.readerIndex(), length), end, sent);
        data.release();
        if (!inLast) {
            respond(task, result, residual, Residual.NONE);
        }
    }

    private void sendData(Task task, ByteBuf data, DataIn.@Nullable End end, Runnable sent) {
        int length = data.readableBytes();
        int at = 0;
        int burstEnd = Math.min(parameters.maxBurst(), length);
        Outbox out = connection.out();
        while (at < length) {
            int n = Math.min(parameters.maxSendSegment(), burstEnd - at);
            boolean lastOfAll = at + n == length;
            DataIn pdu =
                    new DataIn(
                            at + n == burstEnd,
                            lastOfAll ? end : null,
                            task.request().lun(),
                            task.itt(),
                            lastOfAll && end != null ? out.next() : out.peek(),
                            task.dataSn++,
                            at,
                            data.retainedSlice(at, n));
            if (lastOfAll) {
                out.sendTracked(pdu).addListener(done -> sent.run());
            } else {
                out.send(pdu);
            }
            at += n;
            if (at == burstEnd) {
                burstEnd = Math.min(burstEnd + parameters.maxBurst(), length);
            }
        }
    }

    private void respond(Task task, ScsiResult result, Residual residual, Residual readResidual) {
        connection
                .out()
                .send(
                        new ScsiResponse(
                                ScsiResponse.COMPLETED,
                                result.status(),
                                task.itt(),
                                connection.out().next(),
                                task.dataSn,
                                readResidual,
                                residual,
                                sense(result.sense())));
    }

    /// RFC 7143 11.4.7: two bytes of length, then the sense data.
    private ByteBuf sense(byte[] sense) {
        if (sense.length == 0) {
            return Unpooled.EMPTY_BUFFER;
        }
        int length = Math.min(sense.length, parameters.maxSendSegment() - 2);
        return connection
                .channel()
                .alloc()
                .ioBuffer(2 + length)
                .writeShort(length)
                .writeBytes(sense, 0, length);
    }
}
