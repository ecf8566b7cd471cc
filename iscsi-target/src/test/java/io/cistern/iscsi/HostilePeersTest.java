package io.cistern.iscsi;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.block.MemoryBlockDevice;
import io.cistern.iscsi.pdu.LoginRequest;
import io.cistern.iscsi.pdu.LoginStage;
import io.cistern.iscsi.pdu.Pdu;
import io.cistern.iscsi.pdu.ScsiRequest;
import io.cistern.iscsi.pdu.TaskManagementRequest;
import io.cistern.iscsi.pdu.TextRequest;
import io.netty.buffer.Unpooled;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/// Peers that break, tear, reorder or withhold what they send, and what that does to others.
class HostilePeersTest {
    private static final int BLOCK = MemoryTarget.BLOCK;
    private final Served served = Served.open();

    @AfterEach
    void stop() {
        served.close();
    }

    private void othersAreServed(RawInitiator other) throws IOException {
        long start = System.nanoTime();
        assertThat(other.status()).isZero();
        assertThat(TimeUnit.NANOSECONDS.toSeconds(System.nanoTime() - start)).isLessThan(4);
    }

    /// A session with another target that works without a pause while others attack, and how long
    /// it had to wait.
    private final class Bystander implements AutoCloseable {
        private static final long LONGEST_NS = 2_000_000_000L;

        private final RawInitiator initiator = new RawInitiator(served.port());
        private final AtomicBoolean stop = new AtomicBoolean();
        private final CompletableFuture<long[]> result = new CompletableFuture<>();

        Bystander() throws IOException {
            initiator.name = RawInitiator.NAME + ":bystander";
            served.catalog.export(
                    "bystander",
                    new MemoryTarget(new MemoryBlockDevice(1 << 20)),
                    TestCatalog.OPEN);
            assertThat(initiator.logIn(TestCatalog.PREFIX + "bystander").status()).isZero();
            Thread.ofPlatform().start(this::work);
        }

        private void work() {
            byte[] data = new byte[8 * BLOCK];
            long[] seen = {0, 0};
            try {
                while (!stop.get()) {
                    long start = System.nanoTime();
                    java.util.Arrays.fill(data, (byte) seen[0]);
                    assertThat(initiator.writeAll(1000, data, BLOCK).status()).isZero();
                    assertThat(initiator.readAll(1000, 8)).isEqualTo(data);
                    seen[0]++;
                    seen[1] = Math.max(seen[1], System.nanoTime() - start);
                }
                result.complete(seen);
            } catch (IOException | RuntimeException | AssertionError e) {
                result.completeExceptionally(e);
            }
        }

        void wasServed() {
            stop.set(true);
            long[] seen = result.orTimeout(20, TimeUnit.SECONDS).join();
            assertThat(seen[0]).as("writes and reads").isGreaterThan(10);
            assertThat(seen[1]).as("longest, ns").isLessThan(LONGEST_NS);
        }

        @Override
        public void close() throws IOException {
            stop.set(true);
            initiator.close();
        }
    }

    private void nothingIsLeft() {
        Awaitility.await()
                .untilAsserted(() -> {
                    assertThat(served.portal.sessions()).hasSize(1);
                    assertThat(served.portal.metrics().writeBytesHeld()).isZero();
                    assertThat(served.portal.metrics().readBytesHeld()).isZero();
                    assertThat(served.target.nexuses).hasSize(1);
                });
    }

    /// A few PDUs as an initiator would send them after login.
    private static List<byte[]> stream(RawInitiator initiator, Random random) {
        List<byte[]> pdus = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
            Pdu pdu =
                    switch (random.nextInt(6)) {
                        case 0 -> initiator.read(random.nextInt(100), 8, 8 * BLOCK);
                        case 1 -> initiator.write(true, 0, 2, 2 * BLOCK, new byte[2 * BLOCK]);
                        case 2 ->
                                initiator.write(
                                        random.nextBoolean(), 0, 64, 64 * BLOCK, new byte[BLOCK]);
                        case 3 ->
                                new TaskManagementRequest(
                                        true,
                                        1 + random.nextInt(5),
                                        0,
                                        initiator.nextItt++,
                                        random.nextInt(20),
                                        initiator.cmdSn,
                                        0,
                                        random.nextInt(20),
                                        0);
                        case 4 ->
                                new TextRequest(
                                        false,
                                        true,
                                        false,
                                        0,
                                        initiator.nextItt++,
                                        Pdu.NO_TAG,
                                        initiator.cmdSn++,
                                        0,
                                        Unpooled.copiedBuffer(
                                                "SendTargets=\0", StandardCharsets.US_ASCII));
                        default ->
                                RawInitiator.dataOut(
                                        true,
                                        random.nextInt(20),
                                        random.nextInt(5),
                                        0,
                                        0,
                                        new byte[BLOCK],
                                        BLOCK);
                    };
            pdus.add(initiator.encode(pdu));
        }
        return pdus;
    }

    private static void spoil(List<byte[]> pdus, Random random) {
        switch (random.nextInt(3)) {
            case 0 -> Collections.shuffle(pdus, random);
            case 1 -> {
                byte[] one = pdus.get(random.nextInt(pdus.size()));
                for (int i = 0; i < 3; i++) {
                    one[random.nextInt(48)] = (byte) random.nextInt();
                }
                sparingOthers(one);
            }
            default -> {
                int which = random.nextInt(pdus.size());
                byte[] one = pdus.get(which);
                pdus.set(which, java.util.Arrays.copyOf(one, random.nextInt(one.length)));
            }
        }
    }

    /// Chance must not make a TARGET COLD RESET, which is to end everybody's sessions (RFC 7143
    /// section 11.5.1): a warm one instead.
    private static void sparingOthers(byte[] pdu) {
        if ((pdu[0] & 0x3f) == 0x02 && (pdu[1] & 0x7f) == 7) {
            pdu[1] ^= 1;
        }
    }

    /// A PDU with a few bytes of it changed. One in eight loses its framing, or its end.
    private static byte[] malformed(byte[] pdu, Random random) {
        boolean framing = random.nextInt(8) == 0;
        for (int i = 0; i < 1 + random.nextInt(4); i++) {
            int at = random.nextInt(48);
            if (framing || at < 4 || at > 7) {
                pdu[at] = (byte) random.nextInt();
            }
        }
        sparingOthers(pdu);
        return framing && random.nextBoolean()
                ? java.util.Arrays.copyOf(pdu, random.nextInt(pdu.length))
                : pdu;
    }

    /// 10,000 PDUs, each of them malformed, over as many connections as the portal makes of it.
    @Test
    void tenThousandMalformedPdusHarmNobodyElse() throws IOException {
        long seed = System.nanoTime();
        Random random = new Random(seed);
        try (RawInitiator other = RawInitiator.login(served);
                Bystander bystander = new Bystander()) {
            int sent = 0;
            while (sent < 10_000) {
                try (RawInitiator initiator = new RawInitiator(served.port())) {
                    initiator.isid = 10 + random.nextInt(10);
                    assertThat(initiator.logIn(Served.TARGET, "InitialR2T", "No").status())
                            .as("seed %s", seed)
                            .isZero();
                    for (byte[] pdu : stream(initiator, random)) {
                        sent++;
                        initiator.sendBytes(malformed(pdu, random));
                    }
                } catch (IOException e) {
                    // The portal has closed the connection; that is its right.
                    assertThat(e).hasMessageNotContaining("timed out");
                }
            }
            bystander.wasServed();
            bystander.close();
            othersAreServed(other);
            nothingIsLeft();
        }
    }

    /// 500 connections of 20 PDUs: 10,000 PDUs, of which every stream has something wrong in it.
    @Test
    void spoiltStreamsHarmNobodyElse() throws IOException {
        long seed = System.nanoTime();
        Random random = new Random(seed);
        try (RawInitiator other = new RawInitiator(served.port())) {
            other.isid = 1_000_000;
            other.logIn(Served.TARGET);
            for (int i = 0; i < 500; i++) {
                try (RawInitiator initiator = new RawInitiator(served.port())) {
                    initiator.isid = random.nextInt(10);
                    assertThat(initiator.logIn(Served.TARGET, "InitialR2T", "No").status())
                            .as("seed %s", seed)
                            .isZero();
                    List<byte[]> pdus = stream(initiator, random);
                    spoil(pdus, random);
                    for (byte[] pdu : pdus) {
                        initiator.sendBytes(pdu);
                    }
                } catch (IOException e) {
                    // The portal has closed the connection; that is its right.
                    assertThat(e).hasMessageNotContaining("timed out");
                }
                if (i % 50 == 0) {
                    othersAreServed(other);
                }
            }
            othersAreServed(other);
            nothingIsLeft();
        }
    }

    @Test
    void garbageBeforeLoginIsCutOff() throws IOException {
        Random random = new Random(1);
        try (RawInitiator other = RawInitiator.login(served)) {
            for (int i = 0; i < 200; i++) {
                try (RawInitiator initiator = new RawInitiator(served.port())) {
                    byte[] garbage = new byte[random.nextInt(2_000)];
                    random.nextBytes(garbage);
                    if (garbage.length > 0 && random.nextBoolean()) {
                        garbage[0] = 0x43;
                    }
                    initiator.sendBytes(garbage);
                } catch (IOException e) {
                    assertThat(e).hasMessageNotContaining("timed out");
                }
            }
            othersAreServed(other);
            nothingIsLeft();
        }
    }

    @Test
    void halfOpenConnectionsMakeRoomForOthers() throws IOException {
        List<Socket> sockets = new ArrayList<>();
        try (RawInitiator other = RawInitiator.login(served);
                Bystander bystander = new Bystander()) {
            byte[] half =
                    other.encode(
                            new LoginRequest(
                                    new LoginStage(true, false, 1, 3),
                                    0,
                                    0,
                                    1,
                                    0,
                                    1,
                                    0,
                                    1,
                                    0,
                                    Unpooled.copiedBuffer(new byte[4_000])));
            for (int i = 0; i < 1_000; i++) {
                Socket socket = new Socket(InetAddress.getLoopbackAddress(), served.port());
                sockets.add(socket);
                try {
                    socket.getOutputStream().write(half, 0, 1 + i % (half.length - 1));
                } catch (IOException e) {
                    // It was closed to make room.
                }
                if (i % 100 == 0) {
                    othersAreServed(other);
                }
            }
            bystander.wasServed();
            try (RawInitiator late = new RawInitiator(served.port())) {
                late.isid = 3;
                assertThat(late.logIn(Served.TARGET).status()).isZero();
            }
            othersAreServed(other);
        } finally {
            for (Socket socket : sockets) {
                socket.close();
            }
        }
    }

    @Test
    void textsWithoutEndAreRefused() throws IOException {
        try (RawInitiator initiator = RawInitiator.login(served)) {
            int ttt = Pdu.NO_TAG;
            byte[] text =
                    ("X" + "y".repeat(30) + "=" + "z".repeat(8_000))
                            .getBytes(StandardCharsets.US_ASCII);
            Pdu answer = null;
            for (int i = 0; i < 20; i++) {
                initiator.send(
                        new TextRequest(
                                false,
                                false,
                                true,
                                0,
                                90,
                                ttt,
                                initiator.cmdSn++,
                                0,
                                Unpooled.copiedBuffer(text)));
                answer = initiator.receive();
                if (!(answer instanceof io.cistern.iscsi.pdu.TextResponse response)) {
                    break;
                }
                ttt = response.ttt();
            }
            assertThat(answer).isInstanceOf(io.cistern.iscsi.pdu.Reject.class);
            assertThat(initiator.status()).isZero();
        }
    }

    @Test
    void guessersHaveToWait() throws IOException {
        served.catalog.export(
                "locked",
                served.target,
                new TargetCatalog.AccessRules(
                        java.util.Set.of(),
                        new TargetCatalog.Credentials("u", new byte[16]),
                        null));
        for (int i = 0; i < 3; i++) {
            guess();
        }
        long before = System.nanoTime();
        guess();
        assertThat(System.nanoTime() - before).isGreaterThan(450_000_000L);
        assertThat(served.portal.metrics().failedAuthentications()).isEqualTo(4);
        try (RawInitiator gone = new RawInitiator(served.port());
                RawInitiator hasty = new RawInitiator(served.port())) {
            gone.sendBytes(gone.encode(firstRequest()));
            hasty.sendBytes(hasty.encode(firstRequest()));
            hasty.sendBytes(hasty.encode(firstRequest()));
            hasty.expectEnd();
        }
    }

    private void guess() throws IOException {
        try (RawInitiator initiator = new RawInitiator(served.port())) {
            assertThat(initiator.logIn(TestCatalog.PREFIX + "locked").status()).isEqualTo(0x0201);
            initiator.expectEnd();
        }
    }

    private static LoginRequest firstRequest() {
        return new LoginRequest(
                new LoginStage(true, false, LoginStage.OPERATIONAL, LoginStage.FULL_FEATURE),
                0,
                0,
                1,
                0,
                1,
                0,
                1,
                0,
                Unpooled.EMPTY_BUFFER);
    }

    @Test
    void oneInitiatorCannotTakeEverySession() throws IOException {
        List<RawInitiator> all = new ArrayList<>();
        try {
            int refused = 0;
            for (int i = 0; i < 70; i++) {
                RawInitiator initiator = new RawInitiator(served.port());
                all.add(initiator);
                initiator.isid = i;
                int status = initiator.logIn(Served.TARGET).status();
                assertThat(status).isIn(0, 0x0302);
                refused += status == 0 ? 0 : 1;
            }
            assertThat(refused).isEqualTo(70 - 64);
            ScsiRequest request = all.getFirst().command(RawInitiator.testUnitReady());
            all.getFirst().send(request);
        } finally {
            for (RawInitiator initiator : all) {
                initiator.close();
            }
        }
    }
}
