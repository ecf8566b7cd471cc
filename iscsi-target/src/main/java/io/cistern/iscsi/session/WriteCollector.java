package io.cistern.iscsi.session;

import io.cistern.iscsi.login.Parameters;
import io.cistern.iscsi.pdu.DataOut;
import io.cistern.iscsi.pdu.Pdu;
import io.cistern.iscsi.pdu.ReadyToTransfer;
import io.netty.buffer.ByteBuf;
import java.util.ArrayDeque;
import java.util.Deque;

/// Collects the data of writes: takes memory for it, asks for it by R2Ts, and passes a write on
/// when all of it is there or its first mistake is known. Event loop only.
final class WriteCollector {
    /// What becomes of a write.
    interface Outcome {
        /// It has its data, or needs none.
        void ready(Task task);

        /// There is no memory for its data.
        void refuse(Task task);

        /// Its data did not come as it should.
        void fail(Task task, Sense sense);

        /// It was to be aborted, and nothing of it is on its way any more.
        void discard(Task task);

        /// A write has got its data or ended, which others may have waited for.
        void changed();
    }

    private final Connection connection;
    private final Parameters parameters;
    private final Memory memory;
    private final Outcome outcome;

    /// Writes that wait for memory before they ask for their data.
    private final Deque<Task> ungranted = new ArrayDeque<>();

    private int nextTtt;

    WriteCollector(Connection connection, Parameters parameters, Memory memory, Outcome outcome) {
        this.connection = connection;
        this.parameters = parameters;
        this.memory = memory;
        this.outcome = outcome;
    }

    /// How many more commands could bring unasked data.
    int room(int most) {
        int each = parameters.unsolicitedBytes();
        return each == 0 ? most : (int) Math.clamp(memory.freeUnasked() / each, 0, most);
    }

    /// Begins with the data that the command itself brought.
    void collect(Task task) {
        ByteBuf data = task.request().data();
        boolean last = task.request().flags().last();
        if (!task.writes() || task.expected() == 0 && !data.isReadable() && last) {
            data.release();
            outcome.ready(task);
            return;
        }
        int wanted = (int) Math.min(task.wanted, task.expected());
        long unasked =
                last ? data.readableBytes() : Math.min(parameters.firstBurst(), task.expected());
        boolean whole = last && data.readableBytes() >= wanted;
        long all = Math.max(wanted, unasked);
        WriteGather gather =
                new WriteGather(parameters, connection.channel().alloc(), task.expected(), wanted);
        boolean granted = !whole && memory.tryTake(all);
        if (!granted && unasked > 0 && !memory.tryTakeUnasked(unasked)) {
            data.release();
            outcome.refuse(task);
            return;
        }
        task.writeReserved = granted ? all : unasked;
        task.gather = gather;
        gather.immediate(data, last);
        if (granted) {
            gather.grant();
        }
        advance(task, gather);
    }

    /// A Data-Out PDU of the task.
    ///
    /// @return false where its target transfer tag belongs to nothing
    boolean data(Task task, DataOut pdu) {
        WriteGather gather = task.gather;
        if (gather == null || task.state != Task.State.GATHERING) {
            return true; // it has been answered
        }
        boolean known =
                gather.data(
                        pdu.ttt(),
                        pdu.dataSn(),
                        Integer.toUnsignedLong(pdu.bufferOffset()),
                        pdu.data(),
                        pdu.last());
        if (known) {
            advance(task, gather);
        }
        return known;
    }

    /// A Data-Out PDU of the task was lost to a wrong digest.
    void lost(Task task, int ttt, boolean last) {
        WriteGather gather = task.gather;
        if (gather != null && task.state == Task.State.GATHERING) {
            gather.lost(ttt, last);
            advance(task, gather);
        }
    }

    /// Does what the gathering of a write allows now.
    private void advance(Task task, WriteGather gather) {
        if (gather.ended()) {
            Sense failure = gather.failure();
            if (task.doomed) {
                outcome.discard(task);
            } else if (failure != null) {
                outcome.fail(task, failure);
            } else {
                task.dataOut = gather.take();
                task.gather = null;
                outcome.ready(task);
            }
            outcome.changed();
            return;
        }
        if (gather.needsGrant()) {
            long more = gatherMore(task);
            if (!memory.takeOrAwait(more)) {
                ungranted.add(task);
                return;
            }
            task.writeReserved += more;
            gather.grant();
        }
        ask(task, gather);
    }

    private static long gatherMore(Task task) {
        return Math.max(0, Math.min(task.wanted, task.expected()) - task.writeReserved);
    }

    private void ask(Task task, WriteGather gather) {
        if (task.doomed) {
            return;
        }
        while (true) {
            int ttt = nextTtt == Pdu.NO_TAG ? 0 : nextTtt;
            WriteGather.Wanted part = gather.ask(ttt);
            if (part == null) {
                return;
            }
            nextTtt = ttt + 1;
            connection
                    .out()
                    .send(
                            new ReadyToTransfer(
                                    task.request().lun(),
                                    task.itt(),
                                    ttt,
                                    connection.out().peek(),
                                    task.dataSn++,
                                    part.offset(),
                                    part.length()));
        }
    }

    /// Whether writes wait for memory.
    boolean waiting() {
        return !ungranted.isEmpty();
    }

    /// Memory may have come free.
    void retry() {
        int tries = ungranted.size();
        for (int i = 0; i < tries; i++) {
            Task task = ungranted.poll();
            if (task != null && task.state == Task.State.GATHERING && task.gather != null) {
                advance(task, task.gather);
            }
        }
    }

    /// Gives back the memory of a task that has ended.
    void release(Task task) {
        memory.give(task.writeReserved);
        task.writeReserved = 0;
    }
}
