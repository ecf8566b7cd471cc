package io.cistern.iscsi.session;

import io.cistern.iscsi.login.Parameters;
import io.cistern.iscsi.pdu.DataOut;
import io.cistern.iscsi.pdu.ScsiRequest;
import io.cistern.iscsi.scsi.Nexus;
import io.cistern.iscsi.scsi.ScsiCommand;
import io.cistern.iscsi.scsi.ScsiResult;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/// The SCSI commands of a session: gathers their data, gives them to the nexus in order, and sends
/// what comes back. Event loop only, unless a method says otherwise.
///
/// Invariant: `byTag` holds every task that has not ended.
final class TaskSet {
    private final Connection connection;
    private final Nexus nexus;
    private final int maxTransferBytes;
    private final WriteCollector writes;
    private final Memory readMemory;
    private final ResponseSender responses;
    private final SessionStats stats;

    private final Map<Integer, Task> byTag = new HashMap<>();
    private final DeliveryQueue deliveries = new DeliveryQueue(this::reserveRead, this::execute);

    private final LoopQueue completions;

    private int windowTasks;
    private int immediateTasks;
    private boolean closed;
    private Runnable onEnd = () -> {};
    private Runnable onChange = () -> {};

    TaskSet(Connection connection, Session session, Nexus nexus, int maxTransferBytes) {
        this.connection = connection;
        this.nexus = nexus;
        this.maxTransferBytes = maxTransferBytes;
        Parameters parameters = session.login().parameters();
        this.stats = session.stats();
        Shared shared = connection.shared();
        var memory = shared.config().limits().memory();
        this.completions = new LoopQueue(connection::execute);
        Memory writeMemory =
                new Memory(memory.sessionWrites(), shared.writes(), this::memoryCameFree);
        this.writes = new WriteCollector(connection, parameters, writeMemory, new Writes());
        this.readMemory = new Memory(memory.sessionReads(), shared.reads(), this::memoryCameFree);
        this.responses = new ResponseSender(connection, parameters);
    }

    ResponseSender responses() {
        return responses;
    }

    Nexus nexus() {
        return nexus;
    }

    /// @param end called when a task has ended, before it is answered
    /// @param change called after a task has ended or a write has its data
    void listen(Runnable end, Runnable change) {
        onEnd = end;
        onChange = change;
    }

    @Nullable Task find(int itt) {
        return byTag.get(itt);
    }

    /// Non-immediate commands under way.
    int windowTasks() {
        return windowTasks;
    }

    int immediateTasks() {
        return immediateTasks;
    }

    /// How many more commands could bring unasked data.
    int room(int most) {
        return writes.room(most);
    }

    // ---- arrival -------------------------------------------------------------------------------

    /// A command whose turn it is. Its tag is not in use.
    void arrive(ScsiRequest request) {
        Task task =
                new Task(
                        request,
                        new ScsiCommand(
                                request.lun(),
                                request.cdb(),
                                attribute(request),
                                request.flags().write()
                                        ? request.expectedLength() & 0xffffffffL
                                        : 0));
        byTag.put(task.itt(), task);
        if (task.immediate()) {
            immediateTasks++;
        } else {
            windowTasks++;
        }
        stats.inFlight(byTag.size());
        if (task.reads() && task.writes()) {
            request.release();
            fail(task, Sense.INVALID_OPERATION_CODE);
            return;
        }
        task.wanted = nexus.dataOutLength(task.command());
        deliveries.arrived(task);
        writes.collect(task);
    }

    private static ScsiCommand.Attribute attribute(ScsiRequest request) {
        return switch (request.flags().attribute()) {
            case 2 -> ScsiCommand.Attribute.ORDERED;
            case 3 -> ScsiCommand.Attribute.HEAD_OF_QUEUE;
            case 4 -> ScsiCommand.Attribute.ACA;
            default -> ScsiCommand.Attribute.SIMPLE;
        };
    }

    /// A Data-Out PDU.
    ///
    /// @return false where its target transfer tag belongs to nothing
    boolean dataOut(DataOut pdu) {
        Task task = byTag.get(pdu.itt());
        return task == null || writes.data(task, pdu); // none: it was aborted or has been answered
    }

    /// A Data-Out PDU was lost to a wrong digest.
    void dataLost(int itt, int ttt, boolean last) {
        Task task = byTag.get(itt);
        if (task != null) {
            writes.lost(task, ttt, last);
        }
    }

    /// What becomes of writes whose data is collected.
    private final class Writes implements WriteCollector.Outcome {
        @Override
        public void ready(Task task) {
            deliveries.ready(task);
        }

        @Override
        public void refuse(Task task) {
            answer(task, ScsiResult.status(ScsiResult.TASK_SET_FULL));
        }

        @Override
        public void fail(Task task, Sense sense) {
            TaskSet.this.fail(task, sense);
        }

        @Override
        public void discard(Task task) {
            end(task);
        }

        @Override
        public void changed() {
            onChange.run();
        }
    }

    // ---- delivery ------------------------------------------------------------------------------

    /// Holds back deliveries while a task management function is waiting.
    void hold(boolean on) {
        deliveries.hold(on);
    }

    private boolean reserveRead(Task task) {
        long bytes = task.reads() ? Math.min(task.expected(), maxTransferBytes) : 0;
        if (bytes == 0) {
            return true;
        }
        if (!readMemory.takeOrAwait(bytes)) {
            return false;
        }
        task.readReserved = bytes;
        return true;
    }

    private void execute(Task task) {
        task.state = Task.State.EXECUTING;
        ByteBuf data = task.dataOut;
        task.dataOut = Unpooled.EMPTY_BUFFER;
        nexus.execute(task.command(), data, result -> completed(task, result));
    }

    // ---- completion ----------------------------------------------------------------------------

    /// Any thread.
    private void completed(Task task, ScsiResult result) {
        if (connection.channel().eventLoop().inEventLoop()) {
            finish(task, result);
        } else {
            later(() -> finish(task, result));
        }
    }

    /// Any thread: runs it on the event loop after the completions that came before.
    void later(Runnable action) {
        completions.add(action);
    }

    private void finish(Task task, ScsiResult result) {
        if (task.state == Task.State.ENDED) {
            result.dataIn().release();
            return;
        }
        answer(task, result);
        onChange.run();
    }

    private void fail(Task task, Sense sense) {
        answer(task, ScsiResult.checkCondition(sense.encode(nexus.descriptorSense())));
    }

    private void answer(Task task, ScsiResult result) {
        long readReserved = task.readReserved;
        task.readReserved = 0;
        end(task);
        boolean wrote = task.writes() && result.status() == ScsiResult.GOOD;
        long written = wrote ? Math.min(task.wanted, task.expected()) : 0;
        long read = Math.min(result.dataIn().readableBytes(), task.expected());
        stats.completed(task, read, written);
        PortalMetrics metrics = connection.shared().metrics();
        metrics.commands.increment();
        metrics.bytesRead.add(read);
        metrics.bytesWritten.add(written);
        responses.send(
                task,
                result,
                () -> {
                    readMemory.give(readReserved);
                    retry();
                });
    }

    /// The task is over: gives back what it holds, except memory of data that is being sent.
    private void end(Task task) {
        if (task.state == Task.State.ENDED) {
            return;
        }
        deliveries.remove(task);
        task.state = Task.State.ENDED;
        byTag.remove(task.itt());
        if (task.immediate()) {
            immediateTasks--;
        } else {
            windowTasks--;
        }
        task.releaseData();
        writes.release(task);
        readMemory.give(task.readReserved);
        task.readReserved = 0;
        stats.inFlight(byTag.size());
        onEnd.run();
        if (writes.waiting() || !deliveries.isEmpty()) {
            retry();
        }
    }

    /// Memory has come free, or a task has gone that others waited for.
    void retry() {
        if (closed) {
            return;
        }
        writes.retry();
        deliveries.retry();
    }

    /// Any thread.
    private void memoryCameFree() {
        later(this::retry);
    }

    // ---- abortion ------------------------------------------------------------------------------

    /// Tasks for which it holds, oldest last in no particular order.
    List<Task> select(Predicate<Task> which) {
        return byTag.values().stream().filter(which).toList();
    }

    /// Ends the task without an answer.
    void discard(Task task) {
        end(task);
    }

    /// The device server has ended these; they are not answered.
    void aborted(Collection<ScsiCommand> commands) {
        Set<ScsiCommand> gone =
                java.util.Collections.newSetFromMap(new java.util.IdentityHashMap<>());
        gone.addAll(commands);
        select(task -> gone.contains(task.command())).forEach(this::discard);
        onChange.run();
    }

    /// Whether a write has waited for its initiator since before that time.
    boolean stalledSince(long nanos) {
        for (Task task : byTag.values()) {
            WriteGather gather = task.gather;
            if (gather != null
                    && task.state == Task.State.GATHERING
                    && gather.waitsForInitiator()
                    && gather.lastProgress() - nanos < 0) {
                return true;
            }
        }
        return false;
    }

    int size() {
        return byTag.size();
    }

    /// The session is over.
    void close() {
        if (closed) {
            return;
        }
        closed = true;
        nexus.close();
        deliveries.hold(true);
        new ArrayList<>(byTag.values()).forEach(this::end);
        completions.drain();
    }
}
