package io.cistern.iscsi;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.iscsi.TargetCatalog.AccessRules;
import io.cistern.iscsi.pdu.AsyncMessage;
import io.cistern.iscsi.pdu.DataIn;
import io.cistern.iscsi.pdu.LoginRequest;
import io.cistern.iscsi.pdu.LoginResponse;
import io.cistern.iscsi.pdu.LoginStage;
import io.cistern.iscsi.pdu.LogoutRequest;
import io.cistern.iscsi.pdu.LogoutResponse;
import io.cistern.iscsi.pdu.NopIn;
import io.cistern.iscsi.pdu.NopOut;
import io.cistern.iscsi.pdu.Pdu;
import io.cistern.iscsi.pdu.ReadyToTransfer;
import io.cistern.iscsi.pdu.Reject;
import io.cistern.iscsi.pdu.ScsiRequest;
import io.cistern.iscsi.pdu.ScsiResponse;
import io.cistern.iscsi.pdu.SnackRequest;
import io.cistern.iscsi.scsi.Nexus;
import io.cistern.iscsi.scsi.NexusId;
import io.cistern.iscsi.scsi.ScsiTarget;
import io.cistern.iscsi.session.SessionInfo;
import io.netty.buffer.Unpooled;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/// The life of sessions: login to logout, order of commands, and what is refused.
class SessionTest {
    private static final int BLOCK = MemoryTarget.BLOCK;
    private Served served = Served.open();

    @AfterEach
    void stop() {
        served.close();
        assertThat(served.portal.metrics().writeBytesHeld()).isZero();
        assertThat(served.portal.metrics().readBytesHeld()).isZero();
    }

    private void serve(PortalConfig.Timeouts timeouts, AccessRules access) {
        served.close();
        served =
                new Served(
                        c ->
                                new PortalConfig(
                                        c.listen(),
                                        c.portalGroup(),
                                        c.offer(),
                                        c.chap(),
                                        c.limits(),
                                        timeouts),
                        access);
    }

    private static PortalConfig.Timeouts timeouts(int login, int ping, int dataOut) {
        return new PortalConfig.Timeouts(
                Duration.ofSeconds(login),
                Duration.ofSeconds(ping),
                Duration.ofSeconds(ping),
                Duration.ofSeconds(dataOut),
                Duration.ofSeconds(1));
    }

    /// Requests wait until the gate is opened.
    private CompletableFuture<Void> gate() {
        CompletableFuture<Void> gate = new CompletableFuture<>();
        served.target.device().gate((operation, offset, length) -> gate);
        return gate;
    }

    // ---- order ---------------------------------------------------------------------------------

    @Test
    void commandsAreCarriedOutInTheOrderOfTheirNumbers() throws IOException {
        try (RawInitiator initiator = RawInitiator.login(served)) {
            ScsiRequest first = initiator.command(RawInitiator.testUnitReady());
            ScsiRequest second = initiator.read(0, 1, BLOCK);
            initiator.send(second);
            assertThat(initiator.quiet(100)).isTrue();
            initiator.send(first);
            assertThat(initiator.receive(ScsiResponse.class).itt()).isEqualTo(first.itt());
            DataIn data = initiator.receive(DataIn.class);
            assertThat(data.itt()).isEqualTo(second.itt());
            assertThat(data.numbers().expCmdSn()).isEqualTo(initiator.cmdSn);
        }
    }

    @Test
    void commandsOutsideTheWindowAreIgnored() throws IOException {
        try (RawInitiator initiator = RawInitiator.login(served)) {
            assertThat(initiator.status()).isZero();
            int next = initiator.cmdSn;
            for (int wrong : new int[] {next - 1, next + 128, next + 1_000_000, next - 5_000_000}) {
                initiator.cmdSn = wrong;
                initiator.send(initiator.command(RawInitiator.testUnitReady()));
            }
            assertThat(initiator.quiet(200)).isTrue();
            initiator.cmdSn = next;
            assertThat(initiator.status()).isZero();
        }
    }

    @Test
    void numbersWrapAround() throws IOException {
        try (RawInitiator initiator = new RawInitiator(served.port())) {
            initiator.cmdSn = -3;
            initiator.logIn(Served.TARGET);
            for (int i = 0; i < 10; i++) {
                assertThat(initiator.status()).isZero();
            }
            assertThat(initiator.cmdSn).isEqualTo(7);
        }
    }

    @Test
    void theWindowClosesWhileCommandsAreUnderWay() throws IOException {
        CompletableFuture<Void> gate = gate();
        try (RawInitiator initiator = RawInitiator.login(served)) {
            for (int i = 0; i < 130; i++) {
                initiator.send(initiator.read(0, 1, BLOCK));
            }
            initiator.send(
                    new NopOut(
                            true, 0, 999, Pdu.NO_TAG, initiator.cmdSn, 0, Unpooled.EMPTY_BUFFER));
            NopIn nop = initiator.receive(NopIn.class);
            assertThat(nop.numbers().expCmdSn()).isEqualTo(129);
            assertThat(nop.numbers().maxCmdSn()).isEqualTo(128);
            served.target.device().gate(null);
            gate.complete(null);
            for (int i = 0; i < 128; i++) {
                initiator.receive(DataIn.class);
            }
            assertThat(initiator.quiet(100)).isTrue();
        }
    }

    @Test
    void orderedCommandsWaitForEarlierWritesAndHoldLaterOnes() throws IOException {
        try (RawInitiator initiator = RawInitiator.login(served, "ImmediateData", "No")) {
            byte[] data = new byte[BLOCK];
            java.util.Arrays.fill(data, (byte) 7);
            initiator.send(initiator.write(true, 0, 1, BLOCK, new byte[0]));
            ReadyToTransfer r2t = initiator.receive(ReadyToTransfer.class);
            ScsiRequest read = initiator.read(0, 1, BLOCK);
            ScsiRequest ordered =
                    new ScsiRequest(
                            new ScsiRequest.Flags(false, true, true, false, 2),
                            0,
                            read.itt(),
                            BLOCK,
                            read.cmdSn(),
                            0,
                            read.cdb(),
                            0,
                            Unpooled.EMPTY_BUFFER);
            initiator.send(ordered, initiator.command(RawInitiator.testUnitReady()));
            assertThat(initiator.quiet(150)).isTrue();
            initiator.answer(r2t, data, BLOCK);
            assertThat(initiator.receive(ScsiResponse.class).itt()).isEqualTo(r2t.itt());
            assertThat(initiator.receive(DataIn.class).data().getByte(0)).isEqualTo((byte) 7);
            initiator.receive(ScsiResponse.class);
        }
    }

    // ---- sessions ------------------------------------------------------------------------------

    @Test
    void aLoginWithTheSameIsidReinstatesTheSession() throws IOException {
        try (RawInitiator old = RawInitiator.login(served);
                RawInitiator other = new RawInitiator(served.port())) {
            gate();
            old.send(old.read(0, 1, BLOCK));
            other.isid = 2;
            assertThat(other.logIn(Served.TARGET).status()).isZero();
            try (RawInitiator again = RawInitiator.login(served)) {
                assertThat(again.tsih).isNotEqualTo(old.tsih);
                old.expectEnd();
                assertThat(again.status()).isZero();
                assertThat(other.status()).isZero();
                assertThat(served.portal.sessions()).hasSize(2);
                assertThat(served.target.nexuses).hasSize(2);
            }
        }
    }

    @Test
    void aSecondConnectionForASessionIsRefused() throws IOException {
        try (RawInitiator first = RawInitiator.login(served);
                RawInitiator second = new RawInitiator(served.port());
                RawInitiator third = new RawInitiator(served.port())) {
            second.tsih = first.tsih;
            assertThat(second.logIn(Served.TARGET).status()).isEqualTo(0x0206);
            second.expectEnd();
            third.tsih = first.tsih % 0xffff + 1;
            assertThat(third.logIn(Served.TARGET).status()).isEqualTo(0x020a);
            assertThat(first.status()).isZero();
        }
    }

    @Test
    void logoutEndsTheSessionAndItsNexus() throws IOException {
        try (RawInitiator initiator = RawInitiator.login(served)) {
            initiator.send(new LogoutRequest(false, 2, 50, 0, initiator.cmdSn++, 0));
            assertThat(initiator.receive(LogoutResponse.class).response()).isEqualTo(2);
            initiator.send(new LogoutRequest(false, 1, 51, 9, initiator.cmdSn++, 0));
            assertThat(initiator.receive(LogoutResponse.class).response()).isEqualTo(1);
            initiator.send(new LogoutRequest(false, 9, 51, 0, initiator.cmdSn++, 0));
            assertThat(initiator.receive(Reject.class).reason()).isEqualTo(Reject.INVALID_FIELD);
            initiator.send(new LogoutRequest(false, 0, 52, 0, initiator.cmdSn++, 0));
            LogoutResponse response = initiator.receive(LogoutResponse.class);
            assertThat(response.response()).isZero();
            assertThat(response.itt()).isEqualTo(52);
            initiator.expectEnd();
        }
        assertThat(served.portal.sessions()).isEmpty();
        assertThat(served.target.nexuses).isEmpty();
    }

    /// A reservation that ends with the session, for one, takes a while to release.
    @Test
    void aLogoutIsAnsweredWhenNothingOfTheSessionBindsOthers() throws IOException {
        try (RawInitiator initiator = RawInitiator.login(served)) {
            served.target.gone = new CompletableFuture<>();
            initiator.send(new LogoutRequest(false, 0, 52, 0, initiator.cmdSn++, 0));
            initiator.send(initiator.command(RawInitiator.testUnitReady()));
            assertThat(initiator.quiet(100)).isTrue();
            served.target.gone.complete(null);
            assertThat(initiator.receive(LogoutResponse.class).itt()).isEqualTo(52);
            initiator.expectEnd();
        }
    }

    @Test
    void sessionsAreListedWithTheirTraffic() throws IOException {
        try (RawInitiator initiator = RawInitiator.login(served, "InitiatorAlias", "a host")) {
            initiator.writeAll(0, new byte[4 * BLOCK], 0);
            initiator.readAll(0, 2);
            initiator.status();
            assertThat(served.portal.sessions()).hasSize(1);
            SessionInfo info = served.portal.sessions().getFirst();
            assertThat(info.initiatorName()).isEqualTo(RawInitiator.NAME);
            assertThat(info.initiatorAlias()).isEqualTo("a host");
            assertThat(info.targetName()).isEqualTo(Served.TARGET);
            assertThat(info.isid()).isEqualTo(1);
            assertThat(info.tsih()).isEqualTo(initiator.tsih);
            assertThat(info.local()).isEqualTo(served.address());
            assertThat(info.traffic())
                    .isEqualTo(new SessionInfo.Traffic(1, 1, 1, 2 * BLOCK, 4 * BLOCK, 0));
        }
    }

    @Test
    void unexportingOrTakingAccessAwayEndsSessions() throws IOException {
        try (RawInitiator initiator = RawInitiator.login(served)) {
            served.catalog.unexport("disk");
            assertThat(initiator.receive(AsyncMessage.class).event())
                    .isEqualTo(AsyncMessage.SESSION_DROPPED);
            initiator.expectEnd();
        }
        served.catalog.export("disk", served.target, TestCatalog.OPEN);
        try (RawInitiator initiator = RawInitiator.login(served)) {
            served.catalog.export(
                    "disk", served.target, new AccessRules(Set.of(RawInitiator.NAME), null, null));
            assertThat(initiator.status()).isZero();
            served.catalog.export(
                    "disk",
                    served.target,
                    new AccessRules(Set.of("iqn.2026-11.org.example:else"), null, null));
            initiator.receive(AsyncMessage.class);
            initiator.expectEnd();
        }
        assertThat(served.target.nexuses).isEmpty();
    }

    @Test
    void accessThatIsTakenAwayDuringTheLoginEndsTheSession() throws IOException {
        MemoryTarget target = served.target;
        AccessRules none = new AccessRules(Set.of("iqn.2026-11.org.example:else"), null, null);
        ScsiTarget revoking =
                new ScsiTarget() {
                    @Override
                    public Nexus open(NexusId id, NexusEvents events) {
                        served.catalog.export("disk", target, none);
                        return target.open(id, events);
                    }

                    @Override
                    public int maxTransferBytes() {
                        return target.maxTransferBytes();
                    }
                };
        served.catalog.export("disk", revoking, TestCatalog.OPEN);
        try (RawInitiator initiator = RawInitiator.login(served)) {
            assertThat(initiator.receive(AsyncMessage.class).event())
                    .isEqualTo(AsyncMessage.SESSION_DROPPED);
            initiator.expectEnd();
        }
        assertThat(target.nexuses).isEmpty();
    }

    @Test
    void aClosingPortalAsksForLogout() throws Exception {
        serve(timeouts(15, 15, 15), TestCatalog.OPEN);
        try (RawInitiator polite = RawInitiator.login(served);
                RawInitiator deaf = new RawInitiator(served.port())) {
            deaf.isid = 2;
            deaf.logIn(Served.TARGET);
            Thread closing = Thread.ofVirtual().start(served.portal::close);
            AsyncMessage message = polite.receive(AsyncMessage.class);
            assertThat(message.event()).isEqualTo(AsyncMessage.LOGOUT_REQUESTED);
            assertThat(message.parameters().third()).isEqualTo(1);
            polite.send(new LogoutRequest(true, 0, 1, 0, polite.cmdSn, 0));
            assertThat(polite.receive(LogoutResponse.class).response()).isZero();
            polite.expectEnd();
            assertThat(deaf.receive(AsyncMessage.class).event())
                    .isEqualTo(AsyncMessage.LOGOUT_REQUESTED);
            assertThat(deaf.receive(AsyncMessage.class).event())
                    .isEqualTo(AsyncMessage.SESSION_DROPPED);
            deaf.expectEnd();
            assertThat(closing.join(Duration.ofSeconds(10))).isTrue();
        }
    }

    // ---- time-outs -----------------------------------------------------------------------------

    @Test
    void silenceIsAskedAboutAndThenEnded() throws IOException {
        serve(timeouts(1, 1, 15), TestCatalog.OPEN);
        try (RawInitiator mute = new RawInitiator(served.port());
                RawInitiator initiator = RawInitiator.login(served)) {
            NopIn ping = initiator.receive(NopIn.class);
            assertThat(ping.itt()).isEqualTo(Pdu.NO_TAG);
            assertThat(ping.ttt()).isNotEqualTo(Pdu.NO_TAG);
            initiator.send(
                    new NopOut(
                            true,
                            0,
                            Pdu.NO_TAG,
                            ping.ttt(),
                            initiator.cmdSn,
                            0,
                            Unpooled.EMPTY_BUFFER));
            assertThat(initiator.receive(NopIn.class).ttt()).isNotEqualTo(ping.ttt());
            initiator.expectEnd();
            mute.expectEnd();
        }
        assertThat(served.portal.metrics().timeouts()).isEqualTo(2);
    }

    @Test
    void aWriteWhoseDataDoesNotComeEndsTheSession() throws IOException {
        serve(timeouts(15, 15, 1), TestCatalog.OPEN);
        try (RawInitiator initiator = RawInitiator.login(served, "ImmediateData", "No")) {
            initiator.send(initiator.write(true, 0, 1, BLOCK, new byte[0]));
            initiator.receive(ReadyToTransfer.class);
            initiator.expectEnd();
        }
        assertThat(served.portal.metrics().timeouts()).isEqualTo(1);
    }

    // ---- refusals ------------------------------------------------------------------------------

    @Test
    void pingsAreEchoed() throws IOException {
        try (RawInitiator initiator = RawInitiator.login(served)) {
            byte[] data = "hello".getBytes(StandardCharsets.US_ASCII);
            initiator.send(
                    new NopOut(
                            false,
                            3,
                            77,
                            Pdu.NO_TAG,
                            initiator.cmdSn++,
                            0,
                            Unpooled.copiedBuffer(data)));
            NopIn answer = initiator.receive(NopIn.class);
            assertThat(answer.itt()).isEqualTo(77);
            assertThat(answer.ttt()).isEqualTo(Pdu.NO_TAG);
            assertThat(answer.data().toString(StandardCharsets.US_ASCII)).isEqualTo("hello");
            assertThat(initiator.status()).isZero();
        }
    }

    @Test
    void whatCannotBeIsRejectedWithItsHeader() throws IOException {
        try (RawInitiator initiator = RawInitiator.login(served)) {
            byte[] snack = initiator.encode(new SnackRequest(1, 0, 5, 6, 7, 8, 9));
            initiator.sendBytes(snack);
            Reject reject = initiator.receive(Reject.class);
            assertThat(reject.reason()).isEqualTo(Reject.SNACK_REJECT);
            byte[] header = new byte[48];
            reject.data().getBytes(0, header);
            assertThat(header).isEqualTo(snack);
            byte[] unknown = new byte[48];
            unknown[0] = 0x1d;
            initiator.sendBytes(unknown);
            assertThat(initiator.receive(Reject.class).reason()).isEqualTo(Reject.NOT_SUPPORTED);
            // data with a command that does not write
            initiator.send(
                    initiator.request(
                            true, true, false, BLOCK, RawInitiator.cdb(0x88, 0, 1), new byte[4]));
            assertThat(initiator.receive(Reject.class).reason()).isEqualTo(Reject.INVALID_FIELD);
            gate();
            ScsiRequest read = initiator.read(0, 1, BLOCK);
            initiator.send(read);
            ScsiRequest same = initiator.read(0, 1, BLOCK);
            byte[] twice = initiator.encode(same);
            System.arraycopy(initiator.encode(read), 16, twice, 16, 4);
            initiator.sendBytes(twice);
            assertThat(initiator.receive(Reject.class).reason()).isEqualTo(Reject.TASK_IN_PROGRESS);
            initiator.send(
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
                            Unpooled.EMPTY_BUFFER));
            assertThat(initiator.receive(Reject.class).reason()).isEqualTo(Reject.PROTOCOL_ERROR);
            initiator.expectEnd();
        }
        try (RawInitiator early = new RawInitiator(served.port())) {
            early.send(early.command(RawInitiator.testUnitReady()));
            assertThat(early.receive(LoginResponse.class).status()).isEqualTo(0x020b);
            early.expectEnd();
        }
    }

    @Test
    void aCommandWithABadHeaderUsesUpItsNumber() throws IOException {
        try (RawInitiator initiator = RawInitiator.login(served)) {
            byte[] bad = initiator.encode(initiator.command(java.nio.ByteBuffer.allocate(32)));
            bad[48] = 0x7f;
            initiator.sendBytes(bad);
            assertThat(initiator.receive(Reject.class).reason()).isEqualTo(Reject.INVALID_FIELD);
            assertThat(initiator.status()).isZero();
        }
    }
}
