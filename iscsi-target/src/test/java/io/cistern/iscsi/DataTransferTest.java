package io.cistern.iscsi;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.block.MemoryBlockDevice;
import io.cistern.iscsi.pdu.DataIn;
import io.cistern.iscsi.pdu.NopIn;
import io.cistern.iscsi.pdu.NopOut;
import io.cistern.iscsi.pdu.Pdu;
import io.cistern.iscsi.pdu.ReadyToTransfer;
import io.cistern.iscsi.pdu.Reject;
import io.cistern.iscsi.pdu.Residual;
import io.cistern.iscsi.pdu.ScsiRequest;
import io.cistern.iscsi.pdu.ScsiResponse;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/// Data of reads and writes on the wire: bursts, sequence numbers, residuals, and what happens to
/// initiators that break the rules.
class DataTransferTest {
    private static final int BLOCK = MemoryTarget.BLOCK;
    private static final String[] NO_R2T = {
        "InitialR2T",
        "No",
        "ImmediateData",
        "Yes",
        "FirstBurstLength",
        "4096",
        "MaxBurstLength",
        "8192"
    };

    private final Served served = Served.open();

    @AfterEach
    void stop() {
        served.close();
        assertThat(served.portal.metrics().writeBytesHeld()).isZero();
        assertThat(served.portal.metrics().readBytesHeld()).isZero();
    }

    private static byte[] random(int seed, int length) {
        byte[] bytes = new byte[length];
        new Random(seed).nextBytes(bytes);
        return bytes;
    }

    /// Sense key, ASC and ASCQ of a CHECK CONDITION.
    private static int sense(ScsiResponse response) {
        assertThat(response.status()).isEqualTo(2);
        assertThat(response.data().getUnsignedShort(0)).isEqualTo(18);
        return response.data().getByte(2 + 2) << 16 | response.data().getUnsignedShort(2 + 12);
    }

    @Test
    void whatIsWrittenIsReadWithEveryMixOfParameters() throws IOException {
        String[][] mixes = {
            {},
            {"ImmediateData", "No"},
            {"InitialR2T", "No", "FirstBurstLength", "16384", "MaxBurstLength", "16384"},
            {"MaxOutstandingR2T", "4", "MaxBurstLength", "8192", "FirstBurstLength", "512"},
            {"HeaderDigest", "CRC32C", "DataDigest", "CRC32C"},
            {"MaxRecvDataSegmentLength", "512", "MaxBurstLength", "1536"},
        };
        int seed = 1;
        for (String[] mix : mixes) {
            try (RawInitiator initiator = RawInitiator.login(served, mix)) {
                boolean immediate = !"No".equals(initiator.answers.get("ImmediateData"));
                for (int blocks : new int[] {1, 15, 16, 17, 300}) {
                    byte[] data = random(++seed, blocks * BLOCK);
                    int now = immediate ? Math.min(512, data.length) : 0;
                    assertThat(initiator.writeAll(40, data, now).status()).isZero();
                    assertThat(initiator.readAll(40, blocks)).isEqualTo(data);
                }
            }
        }
    }

    @Test
    void readsAreCutIntoSegmentsAndBursts() throws IOException {
        try (RawInitiator initiator =
                RawInitiator.login(
                        served, "MaxRecvDataSegmentLength", "1024", "MaxBurstLength", "2560")) {
            initiator.send(initiator.read(0, 11, 11 * BLOCK));
            List<Integer> lengths = new ArrayList<>();
            List<Boolean> finals = new ArrayList<>();
            DataIn data;
            do {
                data = initiator.receive(DataIn.class);
                lengths.add(data.data().readableBytes());
                finals.add(data.last());
            } while (data.end() == null);
            assertThat(lengths).containsExactly(1024, 1024, 512, 1024, 1024, 512, 512);
            assertThat(finals).containsExactly(false, false, true, false, false, true, true);
        }
    }

    @Test
    void residualsTellWhatWasNotTransferred() throws IOException {
        try (RawInitiator initiator = RawInitiator.login(served)) {
            // read: more expected, less expected, nothing expected, wrong direction
            initiator.send(initiator.read(0, 1, 10_000));
            DataIn data = initiator.receive(DataIn.class);
            assertThat(data.end())
                    .isEqualTo(
                            new DataIn.End(
                                    0, new Residual(Residual.Kind.UNDERFLOW, 10_000 - BLOCK)));
            initiator.send(initiator.read(0, 1, 200));
            data = initiator.receive(DataIn.class);
            assertThat(data.data().readableBytes()).isEqualTo(200);
            assertThat(data.end())
                    .isEqualTo(
                            new DataIn.End(0, new Residual(Residual.Kind.OVERFLOW, BLOCK - 200)));
            initiator.send(initiator.read(0, 1, 0));
            ScsiResponse response = initiator.receive(ScsiResponse.class);
            assertThat(response.residual()).isEqualTo(new Residual(Residual.Kind.OVERFLOW, BLOCK));
            // write: more expected than the command takes, and less
            byte[] two = random(3, 2 * BLOCK);
            initiator.send(initiator.write(true, 8, 1, 2 * BLOCK, two));
            response = initiator.receive(ScsiResponse.class);
            assertThat(response.status()).isZero();
            assertThat(response.residual()).isEqualTo(new Residual(Residual.Kind.UNDERFLOW, BLOCK));
            initiator.send(initiator.write(true, 9, 2, BLOCK, java.util.Arrays.copyOf(two, BLOCK)));
            response = initiator.receive(ScsiResponse.class);
            assertThat(response.residual()).isEqualTo(new Residual(Residual.Kind.OVERFLOW, BLOCK));
            // a write that is sent as a read: nothing is taken, and nothing comes
            ByteBuffer write = RawInitiator.cdb(0x8a, 0, 1);
            initiator.send(initiator.request(true, true, false, BLOCK, write, new byte[0]));
            response = initiator.receive(ScsiResponse.class);
            assertThat(response.residual()).isEqualTo(new Residual(Residual.Kind.UNDERFLOW, BLOCK));
            // without a direction there is nothing to expect
            initiator.send(initiator.request(true, false, false, BLOCK, write, new byte[0]));
            response = initiator.receive(ScsiResponse.class);
            assertThat(response.residual()).isEqualTo(new Residual(Residual.Kind.OVERFLOW, BLOCK));
            // a refused command takes nothing
            initiator.send(initiator.write(true, 1L << 40, 1, BLOCK, new byte[BLOCK]));
            response = initiator.receive(ScsiResponse.class);
            assertThat(sense(response)).isEqualTo(0x52100);
            assertThat(response.residual()).isEqualTo(new Residual(Residual.Kind.UNDERFLOW, BLOCK));
        }
    }

    @Test
    void bidirectionalCommandsAreRefused() throws IOException {
        try (RawInitiator initiator = RawInitiator.login(served)) {
            ScsiRequest plain = initiator.read(0, 1, BLOCK);
            initiator.send(
                    new ScsiRequest(
                            new ScsiRequest.Flags(false, true, true, true, 1),
                            0,
                            plain.itt(),
                            BLOCK,
                            plain.cmdSn(),
                            0,
                            plain.cdb(),
                            2 * BLOCK,
                            Unpooled.EMPTY_BUFFER));
            ScsiResponse response = initiator.receive(ScsiResponse.class);
            assertThat(sense(response)).isEqualTo(0x52000);
            assertThat(response.readResidual())
                    .isEqualTo(new Residual(Residual.Kind.UNDERFLOW, 2 * BLOCK));
            assertThat(initiator.status()).isZero();
        }
    }

    @Test
    void extendedCdbsReachTheDeviceServer() throws IOException {
        try (RawInitiator initiator = RawInitiator.login(served)) {
            ByteBuffer cdb = ByteBuffer.allocate(32).put(0, (byte) 0x7f).put(7, (byte) 24);
            initiator.send(initiator.command(cdb));
            assertThat(sense(initiator.receive(ScsiResponse.class))).isEqualTo(0x52000);
        }
    }

    @Test
    void r2tsAskForBurstsUpToTheAgreedNumber() throws IOException {
        try (RawInitiator initiator =
                RawInitiator.login(
                        served,
                        "ImmediateData",
                        "No",
                        "MaxBurstLength",
                        "2048",
                        "FirstBurstLength",
                        "512",
                        "MaxOutstandingR2T",
                        "2")) {
            byte[] data = random(4, 5 * 1024);
            initiator.send(initiator.write(true, 0, 10, data.length, new byte[0]));
            ReadyToTransfer first = initiator.receive(ReadyToTransfer.class);
            ReadyToTransfer second = initiator.receive(ReadyToTransfer.class);
            assertThat(List.of(first.r2tSn(), first.bufferOffset(), first.length()))
                    .containsExactly(0, 0, 2048);
            assertThat(List.of(second.r2tSn(), second.bufferOffset(), second.length()))
                    .containsExactly(1, 2048, 2048);
            assertThat(initiator.quiet(100)).isTrue();
            initiator.answer(first, data, 512);
            ReadyToTransfer third = initiator.receive(ReadyToTransfer.class);
            assertThat(List.of(third.r2tSn(), third.bufferOffset(), third.length()))
                    .containsExactly(2, 4096, 1024);
            initiator.answer(second, data, 2048);
            initiator.answer(third, data, 100);
            ScsiResponse response = initiator.receive(ScsiResponse.class);
            assertThat(response.status()).isZero();
            assertThat(response.expDataSn()).isEqualTo(3);
            assertThat(initiator.readAll(0, 10)).isEqualTo(data);
        }
    }

    @Test
    void unsolicitedDataFillsTheFirstBurst() throws IOException {
        try (RawInitiator initiator = RawInitiator.login(served, NO_R2T)) {
            byte[] data = random(5, 6 * 1024);
            ScsiRequest write =
                    initiator.write(false, 0, 12, data.length, java.util.Arrays.copyOf(data, 1024));
            initiator.send(
                    write,
                    RawInitiator.dataOut(false, write.itt(), Pdu.NO_TAG, 0, 1024, data, 1024),
                    RawInitiator.dataOut(true, write.itt(), Pdu.NO_TAG, 1, 2048, data, 2048));
            ReadyToTransfer r2t = initiator.receive(ReadyToTransfer.class);
            assertThat(r2t.bufferOffset()).isEqualTo(4096);
            assertThat(r2t.length()).isEqualTo(2048);
            initiator.answer(r2t, data, 2048);
            assertThat(initiator.receive(ScsiResponse.class).status()).isZero();
            assertThat(initiator.readAll(0, 12)).isEqualTo(data);
        }
    }

    @Test
    void unsolicitedDataNeedsNoImmediateData() throws IOException {
        try (RawInitiator initiator =
                RawInitiator.login(
                        served,
                        "ImmediateData",
                        "No",
                        "InitialR2T",
                        "No",
                        "FirstBurstLength",
                        "1024")) {
            byte[] data = random(9, 3 * 1024);
            ScsiRequest write = initiator.write(false, 0, 6, data.length, new byte[0]);
            initiator.send(
                    write,
                    RawInitiator.dataOut(false, write.itt(), Pdu.NO_TAG, 0, 0, data, 510),
                    RawInitiator.dataOut(true, write.itt(), Pdu.NO_TAG, 1, 510, data, 514));
            ReadyToTransfer r2t = initiator.receive(ReadyToTransfer.class);
            assertThat(r2t.bufferOffset()).isEqualTo(1024);
            initiator.answer(r2t, data, 999);
            assertThat(initiator.receive(ScsiResponse.class).status()).isZero();
            assertThat(initiator.readAll(0, 6)).isEqualTo(data);
            initiator.send(initiator.write(true, 0, 1, BLOCK, new byte[BLOCK]));
            assertThat(sense(initiator.receive(ScsiResponse.class))).isEqualTo(0xb0c0c);
        }
    }

    @Test
    void digestsCoverPaddingAndAdditionalHeaders() throws IOException {
        try (RawInitiator initiator =
                RawInitiator.login(served, "DataDigest", "CRC32C", "HeaderDigest", "CRC32C")) {
            for (int odd = 1; odd <= 9; odd++) {
                ByteBuffer cdb = ByteBuffer.allocate(16 + odd).put(0, (byte) 0x7f);
                initiator.send(initiator.request(true, false, true, odd, cdb, new byte[odd]));
                ScsiResponse response = initiator.receive(ScsiResponse.class);
                assertThat(sense(response)).isEqualTo(0x52000);
                assertThat(response.residual())
                        .isEqualTo(new Residual(Residual.Kind.UNDERFLOW, odd));
            }
            assertThat(initiator.status()).isZero();
        }
    }

    @Test
    void whatTheTransportRefusesHasSenseDataInTheFormatAskedFor() throws IOException {
        served.target.descriptorSense = true;
        try (RawInitiator initiator = RawInitiator.login(served, "ImmediateData", "No")) {
            initiator.send(initiator.write(true, 0, 1, BLOCK, new byte[BLOCK]));
            ScsiResponse response = initiator.receive(ScsiResponse.class);
            assertThat(ByteBufUtil.hexDump(response.data())).isEqualTo("0008" + "720b0c0c00000000");
        }
    }

    @Test
    void wrongUnsolicitedDataFailsItsCommandAlone() throws IOException {
        byte[] data = random(6, 8 * 1024);
        try (RawInitiator initiator = RawInitiator.login(served, NO_R2T)) {
            // beyond the first burst
            ScsiRequest write = initiator.write(false, 0, 16, data.length, new byte[0]);
            initiator.send(
                    write, RawInitiator.dataOut(true, write.itt(), Pdu.NO_TAG, 0, 0, data, 4608));
            assertThat(sense(initiator.receive(ScsiResponse.class))).isEqualTo(0xb0c0c);
            // less than the first burst
            write = initiator.write(false, 0, 16, data.length, new byte[0]);
            initiator.send(
                    write, RawInitiator.dataOut(true, write.itt(), Pdu.NO_TAG, 0, 0, data, 512));
            assertThat(sense(initiator.receive(ScsiResponse.class))).isEqualTo(0xb0c0d);
            // a DataSN that leaves one out
            write = initiator.write(false, 0, 8, 4096, new byte[0]);
            initiator.send(
                    write,
                    RawInitiator.dataOut(false, write.itt(), Pdu.NO_TAG, 0, 0, data, 512),
                    RawInitiator.dataOut(true, write.itt(), Pdu.NO_TAG, 2, 512, data, 3584));
            assertThat(sense(initiator.receive(ScsiResponse.class))).isEqualTo(0xb4705);
            // immediate data beyond the first burst
            initiator.send(
                    initiator.write(true, 0, 16, data.length, java.util.Arrays.copyOf(data, 4608)));
            assertThat(sense(initiator.receive(ScsiResponse.class))).isEqualTo(0xb0c0c);
            // after all of it
            initiator.send(initiator.write(true, 0, 16, data.length, new byte[0]));
            ReadyToTransfer r2t = initiator.receive(ReadyToTransfer.class);
            initiator.send(RawInitiator.dataOut(true, r2t.itt(), Pdu.NO_TAG, 0, 0, data, 512));
            initiator.answer(r2t, data, 8192);
            assertThat(sense(initiator.receive(ScsiResponse.class))).isEqualTo(0xb0c0c);
            assertThat(initiator.status()).isZero();
            assertThat(initiator.readAll(0, 16)).isEqualTo(new byte[8192]);
        }
        try (RawInitiator initiator = RawInitiator.login(served, "ImmediateData", "No")) {
            initiator.send(initiator.write(true, 0, 1, BLOCK, new byte[BLOCK]));
            assertThat(sense(initiator.receive(ScsiResponse.class))).isEqualTo(0xb0c0c);
            ScsiRequest write = initiator.write(false, 0, 1, BLOCK, new byte[0]);
            initiator.send(
                    write, RawInitiator.dataOut(true, write.itt(), Pdu.NO_TAG, 0, 0, data, 512));
            assertThat(sense(initiator.receive(ScsiResponse.class))).isEqualTo(0xb0c0c);
            assertThat(initiator.status()).isZero();
        }
    }

    @Test
    void wrongSolicitedDataFailsItsCommandAlone() throws IOException {
        byte[] data = random(7, 16 * 1024);
        try (RawInitiator initiator = RawInitiator.login(served, "ImmediateData", "No")) {
            // [offset change, length change, DataSN change, sense]
            int[][] cases = {
                {512, 0, 0, 0xb0c0d},
                {0, 512, 0, 0xb0c0d},
                {0, -512, 0, 0xb0c0d},
                {0, 0, 3, 0xb4705}
            };
            for (int[] wrong : cases) {
                initiator.send(initiator.write(true, 0, 8, 4096, new byte[0]));
                ReadyToTransfer r2t = initiator.receive(ReadyToTransfer.class);
                initiator.send(
                        RawInitiator.dataOut(
                                true,
                                r2t.itt(),
                                r2t.ttt(),
                                wrong[2],
                                wrong[0],
                                data,
                                4096 + wrong[1]));
                assertThat(sense(initiator.receive(ScsiResponse.class))).isEqualTo(wrong[3]);
            }
            // a tag that was not given: rejected, and the right one still counts
            initiator.send(initiator.write(true, 0, 8, 4096, new byte[0]));
            ReadyToTransfer r2t = initiator.receive(ReadyToTransfer.class);
            initiator.send(RawInitiator.dataOut(true, r2t.itt(), r2t.ttt() + 9, 0, 0, data, 4096));
            Reject reject = initiator.receive(Reject.class);
            assertThat(reject.reason()).isEqualTo(Reject.PROTOCOL_ERROR);
            assertThat(reject.data().getInt(20)).isEqualTo(r2t.ttt() + 9);
            initiator.answer(r2t, data, 4096);
            assertThat(initiator.receive(ScsiResponse.class).status()).isZero();
            // data of a command that is over is nobody's
            initiator.answer(r2t, data, 4096);
            assertThat(initiator.status()).isZero();
        }
    }

    @Test
    void dataDigestErrorsAreRejectedAndRetriedOrFailTheCommand() throws IOException {
        byte[] data = random(8, 4096);
        try (RawInitiator initiator =
                RawInitiator.login(served, "DataDigest", "CRC32C", "HeaderDigest", "CRC32C")) {
            // of a command: as if it had not come; sent again, it is carried out
            ScsiRequest write = initiator.write(true, 0, 8, 4096, data);
            byte[] bytes = initiator.encode(write);
            bytes[60] ^= 1;
            initiator.sendBytes(bytes);
            Reject reject = initiator.receive(Reject.class);
            assertThat(reject.reason()).isEqualTo(Reject.DATA_DIGEST_ERROR);
            assertThat(reject.data().getInt(16)).isEqualTo(write.itt());
            assertThat(reject.numbers().expCmdSn()).isEqualTo(write.cmdSn());
            bytes[60] ^= 1;
            initiator.sendBytes(bytes);
            assertThat(initiator.receive(ScsiResponse.class).status()).isZero();
            assertThat(initiator.readAll(0, 8)).isEqualTo(data);
            // of a Data-Out: the command fails when its data has come
            initiator.send(initiator.write(true, 0, 8, 4096, new byte[0]));
            ReadyToTransfer r2t = initiator.receive(ReadyToTransfer.class);
            bytes =
                    initiator.encode(
                            RawInitiator.dataOut(false, r2t.itt(), r2t.ttt(), 0, 0, data, 2048));
            bytes[100] ^= 1;
            initiator.sendBytes(bytes);
            assertThat(initiator.receive(Reject.class).reason())
                    .isEqualTo(Reject.DATA_DIGEST_ERROR);
            initiator.send(RawInitiator.dataOut(true, r2t.itt(), r2t.ttt(), 1, 2048, data, 2048));
            assertThat(sense(initiator.receive(ScsiResponse.class))).isEqualTo(0xb4705);
            // of a header: the connection is over
            bytes = initiator.encode(initiator.command(RawInitiator.testUnitReady()));
            bytes[40] ^= 1;
            initiator.sendBytes(bytes);
            initiator.expectEnd();
        }
        assertThat(served.portal.metrics().digestErrors()).isEqualTo(3);
    }

    @Test
    void anInitiatorThatDoesNotReadHoldsNoMoreThanItsShare() throws Exception {
        MemoryTarget target = served.target;
        try (RawInitiator initiator = RawInitiator.login(served)) {
            int bytes = 1 << 20;
            for (int i = 0; i < 120; i++) {
                initiator.send(initiator.read(0, bytes / BLOCK, bytes));
            }
            Awaitility.await()
                    .until(() -> target.nexuses.values().iterator().next().executed.size() >= 4);
            try (RawInitiator other = new RawInitiator(served.port())) {
                other.isid = 2;
                other.logIn(Served.TARGET);
                for (int i = 0; i < 100; i++) {
                    assertThat(other.status()).isZero();
                }
            }
            assertThat(served.portal.metrics().readBytesHeld()).isLessThanOrEqualTo(64 << 20);
            assertThat(
                            target.nexuses.entrySet().stream()
                                    .filter(e -> e.getKey().isid() == 1)
                                    .findFirst()
                                    .orElseThrow()
                                    .getValue()
                                    .executed)
                    .hasSizeLessThan(80);
        }
        Awaitility.await().until(() -> served.portal.metrics().readBytesHeld() == 0);
    }

    @Test
    void readsThatDoNotFitWaitForTheirTurn() throws Exception {
        CompletableFuture<Void> gate = new CompletableFuture<>();
        served.target.device().gate((operation, offset, length) -> gate);
        try (RawInitiator initiator = RawInitiator.login(served)) {
            // 100 reads of 1 MiB; 64 MiB fit.
            int bytes = 1 << 20;
            for (int i = 0; i < 100; i++) {
                initiator.send(initiator.read(0, bytes / BLOCK, bytes));
            }
            initiator.send(
                    new NopOut(
                            true, 0, 999, Pdu.NO_TAG, initiator.cmdSn, 0, Unpooled.EMPTY_BUFFER));
            initiator.receive(NopIn.class);
            assertThat(served.portal.metrics().readBytesHeld()).isEqualTo(64 << 20);
            assertThat(served.target.nexuses.values().iterator().next().executed).hasSize(64);
            assertThat(served.portal.sessions().getFirst().traffic().inFlight()).isEqualTo(100);
            served.target.device().gate(null);
            gate.complete(null);
            for (int done = 0; done < 100; ) {
                DataIn data = initiator.receive(DataIn.class);
                done += data.end() == null ? 0 : 1;
                data.release();
            }
        }
    }

    @Test
    void writesThatDoNotFitWaitForTheirTurn() throws Exception {
        MemoryBlockDevice device = served.target.device();
        List<CompletableFuture<Void>> gates = new ArrayList<>();
        device.gate((operation, offset, length) -> {
            CompletableFuture<Void> gate = new CompletableFuture<>();
            synchronized (gates) {
                gates.add(gate);
            }
            return gate;
        });
        try (RawInitiator initiator =
                RawInitiator.login(served, "ImmediateData", "No", "MaxBurstLength", "1048576")) {
            // 10 writes of 8 MiB; 64 MiB fit.
            byte[] data = random(9, 8 << 20);
            for (int i = 0; i < 10; i++) {
                initiator.send(
                        initiator.write(true, 0, data.length / BLOCK, data.length, new byte[0]));
            }
            int[] asked = {0};
            while (asked[0] < 8 * 8) {
                ReadyToTransfer r2t = initiator.receive(ReadyToTransfer.class);
                asked[0]++;
                initiator.answer(r2t, data, 1 << 18);
            }
            assertThat(initiator.quiet(200)).isTrue();
            assertThat(served.portal.metrics().writeBytesHeld()).isEqualTo(64 << 20);
            device.gate(null);
            synchronized (gates) {
                gates.forEach(gate -> gate.complete(null));
            }
            int done = 0;
            while (done < 10) {
                switch (initiator.receive()) {
                    case ReadyToTransfer r2t -> initiator.answer(r2t, data, 1 << 18);
                    case ScsiResponse response -> {
                        assertThat(response.status()).isZero();
                        done++;
                    }
                    case null, default -> throw new AssertionError("an R2T or a response was due");
                }
            }
            assertThat(initiator.readAll(0, 2048))
                    .isEqualTo(java.util.Arrays.copyOf(data, 1 << 20));
        }
    }
}
