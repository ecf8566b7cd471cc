package io.cistern.iscsi.scsi;

import static org.assertj.core.api.Assertions.assertThat;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.nio.ByteBuffer;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;

/// An initiator port logged in to a logical unit: sends commands and waits for what comes of them.
final class Initiator implements ScsiTarget.NexusEvents {
    /// How a command ended, with its data taken out of its buffer.
    record Answer(int status, byte[] data, byte[] sense) {
        ByteBuffer buffer() {
            return ByteBuffer.wrap(data);
        }

        int key() {
            return sense.length == 0 ? -1 : (sense[0] & 0x7f) >= 0x72 ? sense[1] : sense[2];
        }

        int code() {
            boolean descriptor = (sense[0] & 0x7f) >= 0x72;
            return descriptor
                    ? (sense[2] & 0xff) << 8 | sense[3] & 0xff
                    : (sense[12] & 0xff) << 8 | sense[13] & 0xff;
        }

        Answer good() {
            assertThat(this).matches(a -> a.status == ScsiResult.GOOD, "GOOD");
            return this;
        }

        void conflict() {
            assertThat(status).as("status").isEqualTo(ScsiResult.RESERVATION_CONFLICT);
        }

        Answer fails(Condition condition) {
            assertThat(this)
                    .matches(a -> a.status == ScsiResult.CHECK_CONDITION, "CHECK CONDITION");
            assertThat(code()).isEqualTo(condition.code() << 8 | condition.qualifier());
            assertThat(key()).isEqualTo(condition.key());
            return this;
        }

        @Override
        public String toString() {
            return "status %02x, sense %s, %d bytes"
                    .formatted(status, HexFormat.of().formatHex(sense), data.length);
        }
    }

    final NexusId id;
    final Nexus nexus;
    final List<ScsiCommand> aborted = new CopyOnWriteArrayList<>();
    final List<String> closed = new CopyOnWriteArrayList<>();
    private final LogicalUnit unit;

    Initiator(LogicalUnit unit, String name, long isid, int port) {
        this.unit = unit;
        this.id = new NexusId("iqn.2026-11.test:" + name, isid, port);
        this.nexus = unit.open(id, this);
    }

    @Override
    public void aborted(List<ScsiCommand> commands) {
        aborted.addAll(commands);
    }

    @Override
    public void closed(String reason) {
        closed.add(reason);
    }

    static byte[] hex(String text) {
        return HexFormat.of().parseHex(text.replace(" ", ""));
    }

    static ScsiCommand command(String cdb) {
        return command(hex(cdb), ScsiCommand.Attribute.SIMPLE);
    }

    static ScsiCommand command(byte[] cdb, ScsiCommand.Attribute attribute) {
        return new ScsiCommand(0, ByteBuffer.wrap(cdb), attribute);
    }

    CompletableFuture<Answer> start(ScsiCommand command, byte[] dataOut) {
        int wanted = nexus.dataOutLength(command);
        ByteBuf data = Unpooled.buffer(Math.max(1, dataOut.length));
        data.writeBytes(dataOut, 0, Math.min(wanted, dataOut.length));
        CompletableFuture<Answer> answer = new CompletableFuture<>();
        nexus.execute(
                command,
                data,
                result -> {
                    byte[] bytes = new byte[result.dataIn().readableBytes()];
                    result.dataIn().readBytes(bytes);
                    result.dataIn().release();
                    answer.complete(new Answer(result.status(), bytes, result.sense()));
                });
        return answer;
    }

    Answer send(String cdb) {
        return send(cdb, new byte[0]);
    }

    Answer send(String cdb, byte[] dataOut) {
        return send(hex(cdb), dataOut);
    }

    Answer send(byte[] cdb, byte[] dataOut) {
        return await(start(command(cdb, ScsiCommand.Attribute.SIMPLE), dataOut));
    }

    static <T> T await(CompletableFuture<T> future) {
        return future.orTimeout(20, TimeUnit.SECONDS).join();
    }

    TaskManagement.Response manage(TaskManagement function) {
        return await(nexus.manage(function, 0, null));
    }

    /// Takes all pending unit attention conditions.
    void drain() {
        Answer answer = ready();
        for (int i = 0; i < UnitAttentions.LIMIT && answer.status() != ScsiResult.GOOD; i++) {
            answer = ready();
        }
    }

    Answer ready() {
        return send("00 00 00 00 00 00");
    }

    /// The next unit attention, as its code and qualifier.
    Optional<Integer> attention() {
        Answer answer = ready();
        return answer.status() == ScsiResult.GOOD ? Optional.empty() : Optional.of(answer.code());
    }

    Answer write(long lba, byte[] data) {
        return send(transfer(0x8a, lba, data.length / unit.blockBytes()), data);
    }

    CompletableFuture<Answer> startWrite(long lba, byte[] data) {
        byte[] cdb = transfer(0x8a, lba, data.length / unit.blockBytes());
        return start(command(cdb, ScsiCommand.Attribute.SIMPLE), data);
    }

    Answer read(long lba, int blocks) {
        return send(transfer(0x88, lba, blocks), new byte[0]);
    }

    Answer compareAndWrite(long lba, byte[] expected, byte[] data) {
        ByteBuffer cdb = ByteBuffer.allocate(16);
        cdb.put((byte) 0x89).put((byte) 0).putLong(lba);
        cdb.put(13, (byte) (data.length / unit.blockBytes()));
        ByteBuffer both = ByteBuffer.allocate(expected.length + data.length);
        both.put(expected).put(data);
        return send(cdb.array(), both.array());
    }

    static byte[] transfer(int opcode, long lba, int blocks) {
        ByteBuffer cdb = ByteBuffer.allocate(16);
        cdb.put((byte) opcode).put((byte) 0).putLong(lba).putInt(blocks);
        return cdb.array();
    }

    /// PERSISTENT RESERVE OUT.
    Answer reserveOut(int action, int type, long key, long actionKey) {
        return reserveOut(action, type, key, actionKey, 0, new byte[0]);
    }

    Answer reserveOut(
            int action, int type, long key, long actionKey, int flags, byte[] additional) {
        ByteBuffer list = ByteBuffer.allocate(24 + additional.length);
        list.putLong(key).putLong(actionKey);
        list.put(20, (byte) flags).position(24).put(additional);
        return send(reserveOutCdb(action, type, list.capacity()), list.array());
    }

    static byte[] reserveOutCdb(int action, int type, int length) {
        ByteBuffer cdb = ByteBuffer.allocate(10);
        cdb.put((byte) 0x5f).put((byte) action).put((byte) type);
        cdb.putInt(5, length);
        return cdb.array();
    }

    /// PERSISTENT RESERVE IN.
    ByteBuffer reserveIn(int action) {
        return send("5e 0" + action + " 0000000000 ffff 00").good().buffer();
    }
}
