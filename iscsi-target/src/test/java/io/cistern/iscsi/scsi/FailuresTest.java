package io.cistern.iscsi.scsi;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.MemoryBlockDevice;
import io.cistern.block.MemoryGuardedDevice;
import java.nio.ByteBuffer;
import java.util.concurrent.CompletableFuture;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;

class FailuresTest {
    private final Nodes nodes = new Nodes();
    private final Initiator a = nodes.login("a", 1);
    private final Initiator b = nodes.login("b", 2);

    private void failWith(ErrorCode code) {
        nodes.firstDevice.gate((operation, offset, length) ->
                CompletableFuture.failedFuture(new CisternException(code, "as planned")));
    }

    @Test
    void deviceErrorsBecomeSense() {
        failWith(ErrorCode.NO_SPACE);
        a.write(0, new byte[512]).fails(Condition.SPACE_ALLOCATION_FAILED);
        failWith(ErrorCode.READ_ONLY);
        a.write(0, new byte[512]).fails(Condition.WRITE_PROTECTED);
        failWith(ErrorCode.IO);
        a.write(0, new byte[512]).fails(Condition.INTERNAL_TARGET_FAILURE);
        failWith(ErrorCode.UNAVAILABLE);
        assertThat(a.write(0, new byte[512]).status()).isEqualTo(ScsiResult.BUSY);
        assertThat(a.read(0, 1).status()).isEqualTo(ScsiResult.BUSY);
        failWith(ErrorCode.FENCED);
        CompletableFuture<Initiator.Answer> fenced = a.startWrite(0, new byte[512]);
        assertThat(a.closed).hasSize(1);
        assertThat(fenced).as("answered to a session that has ended").isNotDone();
        assertThat(b.closed).isEmpty();
    }

    @Test
    void aRecordThatKeepsChangingMakesACommandBusyInTheEnd() {
        failWith(ErrorCode.CHANGED);
        assertThat(a.write(0, new byte[512]).status()).isEqualTo(ScsiResult.BUSY);
    }

    @Test
    void theFirstBadBlockIsNamed() {
        long bad = 77 * 512;
        nodes.firstDevice.gate((operation, offset, length) ->
                operation == MemoryBlockDevice.Operation.READ
                                && offset <= bad
                                && bad < offset + length
                        ? CompletableFuture.failedFuture(
                                new CisternException(ErrorCode.CORRUPT, "as planned"))
                        : CompletableFuture.completedFuture(null));
        byte[] sense = a.read(10, 500).fails(Condition.UNRECOVERED_READ_ERROR).sense();
        assertThat(ByteBuffer.wrap(sense).getInt(3)).isEqualTo(77);
        a.read(78, 400).good();
    }

    @Test
    void aReadOnlyVolumeIsWriteProtected() {
        try (Nodes readOnly = new Nodes(new MemoryGuardedDevice(1 << 20, true), 512)) {
            Initiator i = readOnly.login("a", 1);
            i.write(0, new byte[512]).fails(Condition.WRITE_PROTECTED);
            i.send("41 08 00000000 00 0001 00", new byte[512]).fails(Condition.WRITE_PROTECTED);
            assertThat(i.send("1a 08 0a 00 ff 00").good().data()[2] & 0x80).isEqualTo(0x80);
            i.read(0, 1).good();
        }
    }

    @Test
    void unitAttentionsAreReportedInOrderAndNotByEveryCommand() {
        Initiator fresh = new Initiator(nodes.first, "fresh", 5, 1);
        fresh.send("12 00 00 0060 00").good();
        fresh.send("a0 00 00 000000 00000010 00 00").good();
        nodes.firstDevice.resize(65L << 20);
        assertThat(fresh.attention()).contains(0x2900);
        byte[] sense = fresh.send("03 01 0000 ff 00").good().data();
        assertThat(sense).startsWith(0x72, 6, 0x2a, 9);
        assertThat(fresh.send("03 00 0000 12 00").good().data()[2]).isZero();
        fresh.ready().good();
        UnitAttentions many = new UnitAttentions();
        for (Condition condition : Condition.values()) {
            if (condition.key() == 6) {
                many.add(condition);
                many.add(condition);
            }
        }
        int taken = 0;
        while (many.take() != null) {
            taken++;
        }
        assertThat(taken).isLessThanOrEqualTo(UnitAttentions.LIMIT);
    }

    @Test
    void anInitiatorThatMissedTooManyEventsIsToldToStartAnew() {
        nodes.secondDevice.deaf(true);
        for (int i = 0; i <= ScsiState.MAX_EVENTS; i++) {
            a.manage(TaskManagement.CLEAR_TASK_SET);
        }
        b.ready().fails(Condition.POWER_ON_RESET_OR_BUS_DEVICE_RESET);
        b.ready().good();
    }

    @Provide
    Arbitrary<NexusId> nexuses() {
        return Combinators.combine(
                        Arbitraries.strings()
                                .withCharRange('a', 'z')
                                .withChars('.', ':', '-')
                                .ofMinLength(1)
                                .ofMaxLength(223),
                        Arbitraries.longs().between(0, 0xffff_ffff_ffffL),
                        Arbitraries.integers().between(1, 0xffff))
                .as(NexusId::new);
    }

    @Property
    void transportIdsAreReadAsWritten(@ForAll("nexuses") NexusId nexus, @ForAll byte[] noise) {
        byte[] encoded = TransportId.encode(nexus);
        assertThat(encoded.length % 4).isZero();
        ByteBuffer in = ByteBuffer.allocate(encoded.length + 8).put(encoded).clear();
        assertThat(TransportId.length(in, 0)).isEqualTo(encoded.length);
        assertThat(TransportId.decode(in, 0, nexus.targetPortGroup())).isEqualTo(nexus);
        assertThatThrownBy(() -> TransportId.decode(ByteBuffer.wrap(zeroed(noise)), 0, 1))
                .isInstanceOf(Refusal.class);
    }

    private static byte[] zeroed(byte[] noise) {
        byte[] bytes = new byte[Math.max(4, noise.length)];
        System.arraycopy(noise, 0, bytes, 0, noise.length);
        bytes[0] = 0x05;
        return bytes;
    }

    /// Whatever is sent, there is one answer and no exception escapes.
    @Property(tries = 2000)
    void anyCommandHasAnAnswer(@ForAll byte[] noise, @ForAll byte[] data) {
        byte[] cdb = new byte[16];
        System.arraycopy(noise, 0, cdb, 0, Math.min(16, noise.length));
        int status = a.send(cdb, data).status();
        assertThat(status)
                .isIn(
                        ScsiResult.GOOD,
                        ScsiResult.CHECK_CONDITION,
                        ScsiResult.RESERVATION_CONFLICT,
                        ScsiResult.BUSY);
    }
}
