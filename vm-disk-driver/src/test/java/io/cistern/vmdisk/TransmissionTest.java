package io.cistern.vmdisk;

import static io.cistern.vmdisk.NbdProtocol.CMD_BLOCK_STATUS;
import static io.cistern.vmdisk.NbdProtocol.CMD_CACHE;
import static io.cistern.vmdisk.NbdProtocol.CMD_FLUSH;
import static io.cistern.vmdisk.NbdProtocol.CMD_READ;
import static io.cistern.vmdisk.NbdProtocol.CMD_TRIM;
import static io.cistern.vmdisk.NbdProtocol.CMD_WRITE;
import static io.cistern.vmdisk.NbdProtocol.CMD_WRITE_ZEROES;
import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.MemoryBlockDevice;
import io.cistern.vmdisk.NbdClient.Reply;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Requests and replies, byte by byte, as the protocol document has them.
@Timeout(60)
class TransmissionTest {
    private static final int SIZE = 4 << 20;

    private MemoryBlockDevice device = new MemoryBlockDevice(SIZE);
    private Served served;

    @BeforeEach
    void open() throws IOException {
        device = new MemoryBlockDevice(SIZE);
        served = new Served(device, false, NbdLimits.DEFAULT);
    }

    @AfterEach
    void close() throws IOException {
        served.close();
        assertThat(served.pool.bytesInUse()).as("buffers not given back").isZero();
    }

    private static byte[] pattern(int length, int seed) {
        byte[] bytes = new byte[length];
        new Random(seed).nextBytes(bytes);
        return bytes;
    }

    @Test
    void simpleRepliesCarryDataAndErrors() throws IOException {
        try (NbdClient client = NbdClient.go(served.socket(), false)) {
            byte[] data = pattern(5000, 1);
            client.send(NbdProtocol.CMD_FLAG_FUA, CMD_WRITE, 1, 100, 5000, data);
            Reply written = client.reply(0);
            assertThat(written.type()).isEqualTo(-1);
            assertThat(written.cookie()).isEqualTo(1);
            assertThat(written.error()).isZero();
            client.send(0, CMD_READ, 2, 100, 5000);
            assertThat(client.reply(5000).payload()).isEqualTo(data);
            assertThat(client.ask(0, CMD_READ, SIZE, 1)).isEqualTo(NbdProtocol.EINVAL);
            assertThat(client.ask(NbdProtocol.CMD_FLAG_DF, CMD_READ, 0, 1))
                    .isEqualTo(NbdProtocol.EINVAL);
            assertThat(client.ask(0, CMD_BLOCK_STATUS, 0, 4096)).isEqualTo(NbdProtocol.EINVAL);
        }
    }

    @Test
    void structuredReadsTellDataFromHolesAndErrors() throws IOException {
        try (NbdClient client = NbdClient.go(served.socket(), true)) {
            client.send(0, CMD_READ, 5, 8192, 4096);
            Reply hole = client.reply(0);
            assertThat(hole.type()).isEqualTo(NbdProtocol.REPLY_OFFSET_HOLE);
            assertThat(ByteBuffer.wrap(hole.payload()).getLong(0)).isEqualTo(8192);
            assertThat(ByteBuffer.wrap(hole.payload()).getInt(8)).isEqualTo(4096);
            byte[] data = new byte[4096];
            data[2000] = 1;
            client.send(0, CMD_WRITE, 6, 8192, 4096, data);
            assertThat(client.reply(0).type()).isEqualTo(NbdProtocol.REPLY_NONE);
            client.send(NbdProtocol.CMD_FLAG_DF, CMD_READ, 7, 8192, 4096);
            Reply read = client.reply(0);
            assertThat(read.type()).isEqualTo(NbdProtocol.REPLY_OFFSET_DATA);
            assertThat(read.cookie()).isEqualTo(7);
            assertThat(ByteBuffer.wrap(read.payload()).getLong()).isEqualTo(8192);
            assertThat(Arrays.copyOfRange(read.payload(), 8, 4104)).isEqualTo(data);
            client.send(0, CMD_READ, 8, SIZE - 10, 11);
            Reply error = client.reply(0);
            assertThat(error.type()).isEqualTo(NbdProtocol.REPLY_ERROR);
            assertThat(error.error()).isEqualTo(NbdProtocol.EINVAL);
            assertThat(
                            new String(
                                    error.payload(),
                                    6,
                                    error.payload().length - 6,
                                    StandardCharsets.UTF_8))
                    .contains("beyond the volume's 4194304 bytes");
        }
    }

    @Test
    void errorsAreThoseOfTheProtocol() throws IOException {
        try (NbdClient client = NbdClient.go(served.socket(), true)) {
            assertThat(client.ask(0, CMD_READ, -1, 4096)).isEqualTo(NbdProtocol.EINVAL);
            assertThat(client.ask(0, CMD_TRIM, SIZE, 1)).isEqualTo(NbdProtocol.EINVAL);
            assertThat(client.ask(0, CMD_CACHE, SIZE, 1)).isEqualTo(NbdProtocol.EINVAL);
            assertThat(client.ask(0, CMD_BLOCK_STATUS, SIZE, 1)).isEqualTo(NbdProtocol.EINVAL);
            assertThat(client.ask(0, CMD_WRITE_ZEROES, SIZE - 1, 2)).isEqualTo(NbdProtocol.ENOSPC);
            client.send(0, CMD_WRITE, 1, SIZE - 1, 2, new byte[2]);
            assertThat(client.reply(0).error()).isEqualTo(NbdProtocol.ENOSPC);
            client.send(NbdProtocol.CMD_FLAG_DF, CMD_WRITE, 1, 0, 2, new byte[2]);
            assertThat(client.reply(0).error()).isEqualTo(NbdProtocol.EINVAL);
            assertThat(client.ask(0, 99, 0, 0)).isEqualTo(NbdProtocol.EINVAL);
            assertThat(client.ask(0x8000, CMD_READ, 0, 1)).isEqualTo(NbdProtocol.EINVAL);
            assertThat(client.ask(0, CMD_FLUSH, 1, 0)).isEqualTo(NbdProtocol.EINVAL);
            assertThat(client.ask(0, CMD_BLOCK_STATUS, 0, 0)).isEqualTo(NbdProtocol.EINVAL);
            int fua = NbdProtocol.CMD_FLAG_FUA;
            assertThat(client.ask(fua, CMD_FLUSH, 0, 0)).isZero();
            assertThat(client.ask(fua, CMD_CACHE, 0, SIZE)).isZero();
            assertThat(client.ask(fua, CMD_TRIM, 0, SIZE)).isZero();
            assertThat(client.ask(0, CMD_WRITE_ZEROES, 0, 0)).isZero();
            assertThat(client.ask(0, CMD_READ, 0, 0)).isZero();
            assertThat(client.ask(NbdProtocol.CMD_FLAG_FAST_ZERO, CMD_WRITE_ZEROES, 0, SIZE))
                    .isZero();
        }
    }

    @Test
    void readOnlyAttachmentsRefuseChangesWithEperm() throws IOException {
        try (Served readOnly = new Served(device, true, NbdLimits.DEFAULT);
                NbdClient client = NbdClient.go(readOnly.socket(), true)) {
            client.send(0, CMD_WRITE, 1, 0, 3, new byte[3]);
            assertThat(client.reply(0).error()).isEqualTo(NbdProtocol.EPERM);
            assertThat(client.ask(0, CMD_TRIM, 0, 1)).isEqualTo(NbdProtocol.EPERM);
            assertThat(client.ask(0, CMD_WRITE_ZEROES, 0, 1)).isEqualTo(NbdProtocol.EPERM);
            assertThat(client.ask(0, CMD_FLUSH, 0, 0)).isZero();
            assertThat(client.ask(0, CMD_READ, 0, 1)).isZero();
        }
    }

    @Test
    void tooLongRequestsAreRefusedOrEndTheConnection() throws IOException {
        MemoryBlockDevice large = new MemoryBlockDevice(1L << 32);
        try (Served big = new Served(large, false, NbdLimits.DEFAULT)) {
            try (NbdClient client = NbdClient.go(big.socket(), true)) {
                int most = 32 << 20;
                assertThat(client.ask(0, CMD_READ, 0, most + 1)).isEqualTo(NbdProtocol.EOVERFLOW);
                assertThat(client.ask(0, CMD_READ, 0, most)).isZero();
                assertThat(client.ask(0, CMD_TRIM, 0, (1L << 32) - 1)).isZero();
                client.send(0, CMD_WRITE, 1, 0, most + 1, new byte[most + 1]);
                assertThat(client.reply(0).error()).isEqualTo(NbdProtocol.EINVAL);
                client.send(0, CMD_WRITE, 1, 0, most, pattern(most, 3));
                assertThat(client.reply(0).error()).isZero();
                client.send(0, CMD_READ, 1, 0, most);
                byte[] back = client.reply(0).payload();
                assertThat(Arrays.equals(back, 8, back.length, pattern(most, 3), 0, most)).isTrue();
                client.send(0, CMD_WRITE, 1, 0, 0xffff_ffffL);
                assertThat(client.ended()).isTrue();
            }
            try (NbdClient client = NbdClient.go(big.socket(), false)) {
                assertThat(client.ask(0, CMD_READ, 0, (32 << 20) + 1))
                        .isEqualTo(NbdProtocol.EINVAL);
            }
        }
    }

    @Test
    void failuresOfTheDeviceReachTheClientWithTheirText() throws IOException {
        record Case(ErrorCode code, int command, int error) {}
        List<Case> cases =
                List.of(
                        new Case(ErrorCode.NO_SPACE, CMD_WRITE_ZEROES, NbdProtocol.ENOSPC),
                        new Case(ErrorCode.FENCED, CMD_TRIM, NbdProtocol.EPERM),
                        new Case(ErrorCode.UNAVAILABLE, CMD_READ, NbdProtocol.EIO),
                        new Case(ErrorCode.CORRUPT, CMD_READ, NbdProtocol.EIO),
                        new Case(ErrorCode.OUT_OF_RANGE, CMD_WRITE_ZEROES, NbdProtocol.ENOSPC),
                        new Case(ErrorCode.OUT_OF_RANGE, CMD_READ, NbdProtocol.EINVAL),
                        new Case(ErrorCode.LIMIT, CMD_BLOCK_STATUS, NbdProtocol.ENOMEM));
        try (NbdClient client = NbdClient.go(served.socket(), true)) {
            for (Case tried : cases) {
                String text = "reason ü ".repeat(80) + tried.code();
                device.gate((operation, offset, length) ->
                        CompletableFuture.failedFuture(new CisternException(tried.code(), text)));
                client.send(0, tried.command(), 9, 0, 4096);
                Reply reply = client.reply(0);
                assertThat(reply.error()).as(tried.toString()).isEqualTo(tried.error());
                int length = ByteBuffer.wrap(reply.payload()).getShort(4);
                assertThat(length).isLessThanOrEqualTo(ReplyEncoder.MAX_MESSAGE_BYTES);
                assertThat(new String(reply.payload(), 6, length, StandardCharsets.UTF_8))
                        .startsWith("reason ü reason")
                        .doesNotContain("\ufffd");
            }
            device.gate(null);
            assertThat(client.ask(0, CMD_READ, 0, 1)).isZero();
        }
    }

    @Test
    void blockStatusMergesNeighboursAndHonoursReqOne() throws IOException {
        try (NbdClient client = NbdClient.go(served.socket(), true)) {
            client.send(0, CMD_WRITE, 1, 4096, 8192, pattern(8192, 2));
            client.reply(0);
            client.send(0, CMD_BLOCK_STATUS, 2, 0, SIZE);
            ByteBuffer all = ByteBuffer.wrap(client.reply(0).payload());
            assertThat(all.remaining()).isEqualTo(4 + 3 * 8);
            assertThat(all.getInt()).isEqualTo(NbdProtocol.BASE_ALLOCATION_ID);
            assertThat(new int[] {all.getInt(), all.getInt()}).containsExactly(4096, 3);
            assertThat(new int[] {all.getInt(), all.getInt()}).containsExactly(8192, 0);
            assertThat(new int[] {all.getInt(), all.getInt()})
                    .containsExactly(SIZE - 4096 - 8192, 3);
            client.send(NbdProtocol.CMD_FLAG_REQ_ONE, CMD_BLOCK_STATUS, 3, 5000, 100_000);
            ByteBuffer one = ByteBuffer.wrap(client.reply(0).payload());
            assertThat(one.remaining()).isEqualTo(4 + 8);
            assertThat(one.getInt(4)).isEqualTo(4096 + 8192 - 5000);
            client.send(NbdProtocol.CMD_FLAG_REQ_ONE, CMD_BLOCK_STATUS, 3, 5000, 100);
            assertThat(ByteBuffer.wrap(client.reply(0).payload()).getInt(4)).isEqualTo(100);
        }
    }

    @Test
    void blockStatusIsBoundedAndEndsEarly() throws IOException {
        MemoryBlockDevice striped = new MemoryBlockDevice(64 << 20);
        try (Served big = new Served(striped, false, NbdLimits.DEFAULT);
                NbdClient client = NbdClient.go(big.socket(), true)) {
            for (int i = 0; i < 4000; i++) {
                striped.write(i * 8192L, ByteBuffer.wrap(new byte[] {1})).join();
            }
            client.send(0, CMD_BLOCK_STATUS, 2, 0, 64 << 20);
            assertThat(client.reply(0).payload()).hasSize(4 + 8 * Transmission.MAX_EXTENTS);
        }
    }

    @Test
    void repliesComeInTheOrderOfCompletion() throws Exception {
        LinkedBlockingQueue<CompletableFuture<Void>> held = new LinkedBlockingQueue<>();
        device.gate((operation, offset, length) -> {
            CompletableFuture<Void> future = new CompletableFuture<>();
            held.add(future);
            return future;
        });
        try (NbdClient client = NbdClient.go(served.socket(), true)) {
            List<CompletableFuture<Void>> futures = new ArrayList<>();
            List<Long> cookies = new ArrayList<>();
            for (long i = 0; i < 40; i++) {
                client.send(0, CMD_WRITE, i, i * 512, 512, pattern(512, (int) i));
                futures.add(held.take());
                cookies.add(i);
            }
            Collections.shuffle(cookies, new Random(5));
            for (long cookie : cookies) {
                futures.get((int) cookie).complete(null);
                assertThat(client.reply(0).cookie()).isEqualTo(cookie);
            }
        }
    }

    @Test
    void newSpaceIsUsableOnOldConnections() throws IOException {
        try (NbdClient client = NbdClient.go(served.socket(), true)) {
            assertThat(client.ask(0, CMD_READ, SIZE, 512)).isEqualTo(NbdProtocol.EINVAL);
            device.resize(2L * SIZE);
            assertThat(client.ask(0, CMD_READ, SIZE, 512)).isZero();
        }
    }

    @Test
    void detachingAnswersWithEshutdown() throws IOException {
        try (NbdClient client = NbdClient.go(served.socket(), true)) {
            assertThat(client.ask(0, CMD_READ, 0, 512)).isZero();
            served.server.refuse();
            client.send(0, CMD_WRITE, 1, 0, 512, new byte[512]);
            assertThat(client.reply(0).error()).isEqualTo(NbdProtocol.ESHUTDOWN);
            assertThat(client.ask(0, CMD_READ, 0, 512)).isEqualTo(NbdProtocol.ESHUTDOWN);
        }
    }
}
