package io.cistern.iscsi;

import io.cistern.block.MemoryBlockDevice;
import io.cistern.iscsi.scsi.Nexus;
import io.cistern.iscsi.scsi.NexusId;
import io.cistern.iscsi.scsi.ScsiCommand;
import io.cistern.iscsi.scsi.ScsiResult;
import io.cistern.iscsi.scsi.ScsiTarget;
import io.cistern.iscsi.scsi.TaskManagement;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.buffer.Unpooled;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import org.jspecify.annotations.Nullable;

/// A disk in memory with as few commands as initiators need: what the transport is tested with.
/// Requests that the device's gate holds stay under way until they pass or are aborted.
final class MemoryTarget implements ScsiTarget {
    static final int BLOCK = 512;
    private static final byte[] INVALID_OPCODE = sense(5, 0x20, 0);
    private static final byte[] INVALID_FIELD = sense(5, 0x24, 0);
    private static final byte[] OUT_OF_RANGE = sense(5, 0x21, 0);
    private static final byte[] WRONG_LUN = sense(5, 0x25, 0);

    private final MemoryBlockDevice device;

    /// Every nexus that was opened and not closed.
    final Map<NexusId, MemoryNexus> nexuses = new ConcurrentHashMap<>();

    /// Everything that was asked of [Nexus#manage].
    final List<TaskManagement> managed = new CopyOnWriteArrayList<>();

    /// What [Nexus#gone] says of every nexus.
    volatile CompletableFuture<Void> gone = CompletableFuture.completedFuture(null);

    /// What [Nexus#descriptorSense] says of every nexus.
    volatile boolean descriptorSense;

    MemoryTarget(MemoryBlockDevice device) {
        this.device = device;
    }

    MemoryBlockDevice device() {
        return device;
    }

    private static byte[] sense(int key, int asc, int ascq) {
        byte[] bytes = new byte[18];
        bytes[0] = 0x70;
        bytes[2] = (byte) key;
        bytes[7] = 10;
        bytes[12] = (byte) asc;
        bytes[13] = (byte) ascq;
        return bytes;
    }

    @Override
    public int maxTransferBytes() {
        return 8 << 20;
    }

    @Override
    public Nexus open(NexusId id, NexusEvents events) {
        MemoryNexus nexus = new MemoryNexus(id, events);
        MemoryNexus before = nexuses.put(id, nexus);
        if (before != null) {
            before.close();
        }
        return nexus;
    }

    /// The range of a READ or WRITE, null for other commands.
    private record Range(boolean write, long offset, int length) {}

    private static @Nullable Range range(ByteBuffer cdb) {
        int opcode = cdb.get(0) & 0xff;
        return switch (opcode) {
            case 0x28, 0x2a ->
                    new Range(
                            opcode == 0x2a,
                            (cdb.getInt(2) & 0xffffffffL) * BLOCK,
                            (cdb.getShort(7) & 0xffff) * BLOCK);
            case 0x88, 0x8a ->
                    new Range(
                            opcode == 0x8a,
                            // Beyond any end, and without overflow.
                            Math.clamp(cdb.getLong(2), 0, 1L << 40) * BLOCK,
                            (int) Math.min(cdb.getInt(10) & 0xffffffffL, 1L << 21) * BLOCK);
            default -> null;
        };
    }

    final class MemoryNexus implements Nexus {
        private final NexusId id;
        final NexusEvents events;

        /// Under way.
        final Map<ScsiCommand, Completion> running = new ConcurrentHashMap<>();

        /// Opcodes in the order in which they came.
        final List<Integer> executed = new CopyOnWriteArrayList<>();

        @Override
        public CompletableFuture<Void> gone() {
            return gone;
        }

        @Override
        public boolean descriptorSense() {
            return descriptorSense;
        }

        private MemoryNexus(NexusId id, NexusEvents events) {
            this.id = id;
            this.events = events;
        }

        @Override
        public int dataOutLength(ScsiCommand command) {
            Range range = range(command.cdb());
            boolean valid =
                    range != null
                            && range.write
                            && range.length <= maxTransferBytes()
                            && range.offset + range.length <= device.sizeBytes();
            return valid && range != null ? range.length : 0;
        }

        @Override
        public void execute(ScsiCommand command, ByteBuf dataOut, Completion completion) {
            executed.add(command.operationCode());
            running.put(command, completion);
            Range range = range(command.cdb());
            if (command.lun() != 0 && command.operationCode() != 0xa0) {
                finish(command, dataOut, ScsiResult.checkCondition(WRONG_LUN));
            } else if (range == null) {
                finish(command, dataOut, other(command.cdb()));
            } else if (range.length > maxTransferBytes()
                    || range.offset + range.length > device.sizeBytes()) {
                finish(command, dataOut, ScsiResult.checkCondition(OUT_OF_RANGE));
            } else if (range.write) {
                device.write(range.offset, dataOut.nioBuffer())
                        .whenComplete((ok, failure) -> finish(command, dataOut, ScsiResult.good()));
            } else {
                ByteBuf data = ByteBufAllocator.DEFAULT.directBuffer(Math.max(1, range.length));
                device.read(range.offset, data.nioBuffer(0, range.length))
                        .whenComplete((ok, failure) ->
                                finish(
                                        command,
                                        dataOut,
                                        ScsiResult.good(data.writerIndex(range.length))));
            }
        }

        private void finish(ScsiCommand command, ByteBuf dataOut, ScsiResult result) {
            dataOut.release();
            Completion completion = running.remove(command);
            if (completion == null) {
                result.dataIn().release();
            } else {
                completion.completed(result);
            }
        }

        private ScsiResult other(ByteBuffer cdb) {
            return switch (cdb.get(0) & 0xff) {
                case 0x00, 0x35, 0x91 -> ScsiResult.good();
                case 0x12 -> inquiry(cdb);
                case 0x1a -> cut(ByteBuffer.allocate(4).put(0, (byte) 3), cdb.get(4) & 0xff);
                case 0x25 -> {
                    long last = device.sizeBytes() / BLOCK - 1;
                    yield ScsiResult.good(
                            Unpooled.buffer(8)
                                    .writeInt((int) Math.min(last, 0xffffffffL))
                                    .writeInt(BLOCK));
                }
                case 0x9e ->
                        (cdb.get(1) & 0x1f) != 0x10
                                ? ScsiResult.checkCondition(INVALID_FIELD)
                                : cut(
                                        ByteBuffer.allocate(32)
                                                .putLong(0, device.sizeBytes() / BLOCK - 1)
                                                .putInt(8, BLOCK),
                                        cdb.getInt(10));
                case 0xa0 -> cut(ByteBuffer.allocate(16).putInt(0, 8), cdb.getInt(6));
                default -> ScsiResult.checkCondition(INVALID_OPCODE);
            };
        }

        private ScsiResult inquiry(ByteBuffer cdb) {
            if ((cdb.get(1) & 1) != 0) {
                int page = cdb.get(2) & 0xff;
                return page == 0
                        ? cut(ByteBuffer.allocate(5).put(3, (byte) 1), cdb.getShort(3) & 0xffff)
                        : ScsiResult.checkCondition(INVALID_FIELD);
            }
            ByteBuffer data = ByteBuffer.allocate(36);
            data.put(2, (byte) 6).put(3, (byte) 0x12).put(4, (byte) 31).put(7, (byte) 2);
            data.put(8, "CISTERN TEST DISK       1   ".getBytes(StandardCharsets.US_ASCII));
            return cut(data, cdb.getShort(3) & 0xffff);
        }

        private ScsiResult cut(ByteBuffer data, int allocation) {
            int length = Math.min(data.capacity(), allocation);
            return ScsiResult.good(Unpooled.wrappedBuffer(data.array(), 0, length));
        }

        @Override
        public CompletableFuture<TaskManagement.Response> manage(
                TaskManagement function, long lun, @Nullable ScsiCommand referenced) {
            managed.add(function);
            TaskManagement.Response response =
                    switch (function) {
                        case ABORT_TASK ->
                                referenced != null && running.remove(referenced) != null
                                        ? TaskManagement.Response.COMPLETE
                                        : TaskManagement.Response.NO_TASK;
                        case QUERY_TASK ->
                                referenced != null && running.containsKey(referenced)
                                        ? TaskManagement.Response.SUCCEEDED
                                        : TaskManagement.Response.NO_TASK;
                        case CLEAR_ACA -> TaskManagement.Response.REJECTED;
                        case QUERY_TASK_SET, QUERY_ASYNC_EVENT -> TaskManagement.Response.COMPLETE;
                        default -> {
                            if (lun != 0 && function == TaskManagement.LOGICAL_UNIT_RESET) {
                                yield TaskManagement.Response.INCORRECT_LUN;
                            }
                            clear(function);
                            yield TaskManagement.Response.COMPLETE;
                        }
                    };
            return CompletableFuture.completedFuture(response);
        }

        private void clear(TaskManagement function) {
            running.clear();
            if (function == TaskManagement.ABORT_TASK_SET
                    || function == TaskManagement.I_T_NEXUS_RESET) {
                return;
            }
            for (MemoryNexus other : nexuses.values()) {
                if (other != this) {
                    Set<ScsiCommand> gone = Set.copyOf(other.running.keySet());
                    other.running.clear();
                    other.events.aborted(List.copyOf(gone));
                }
            }
        }

        @Override
        public void close() {
            nexuses.remove(id, this);
            running.clear();
        }
    }
}
