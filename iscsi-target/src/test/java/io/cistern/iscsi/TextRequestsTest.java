package io.cistern.iscsi;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.iscsi.TargetCatalog.AccessRules;
import io.cistern.iscsi.TargetCatalog.Credentials;
import io.cistern.iscsi.pdu.DataIn;
import io.cistern.iscsi.pdu.Pdu;
import io.cistern.iscsi.pdu.Reject;
import io.cistern.iscsi.pdu.TextRequest;
import io.cistern.iscsi.pdu.TextResponse;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/// Text requests in the full feature phase.
class TextRequestsTest {
    private final Served served = Served.open();

    @AfterEach
    void stop() {
        served.close();
        assertThat(served.portal.metrics().writeBytesHeld()).isZero();
        assertThat(served.portal.metrics().readBytesHeld()).isZero();
    }

    @Test
    void sendTargetsAnswersBySession() throws IOException {
        served.catalog.export(
                "secret",
                served.target,
                new AccessRules(
                        Set.of("iqn.2026-11.org.example:else"),
                        new Credentials("u", new byte[16]),
                        null));
        String all =
                "TargetName="
                        + Served.TARGET
                        + "\nTargetAddress="
                        + served.address()
                        + ",7\nTargetAddress=10.0.0.8:3260,8\nTargetAddress=[fd00::8]:3260,8\n";
        try (RawInitiator initiator = RawInitiator.discovery(served)) {
            assertThat(initiator.text("SendTargets", "All")).isEqualTo(all);
            assertThat(
                            initiator.text(
                                    "SendTargets",
                                    Served.TARGET.toUpperCase(java.util.Locale.ROOT)))
                    .isEqualTo(all);
            assertThat(initiator.text("SendTargets", TestCatalog.PREFIX + "secret")).isEmpty();
            assertThat(initiator.text("SendTargets", "")).isEqualTo("SendTargets=Reject\n");
            assertThat(initiator.text("X-other", "1")).isEqualTo("X-other=NotUnderstood\n");
            initiator.send(initiator.command(RawInitiator.testUnitReady()));
            assertThat(initiator.receive(Reject.class).reason()).isEqualTo(Reject.NOT_SUPPORTED);
        }
        try (RawInitiator initiator = RawInitiator.login(served)) {
            assertThat(initiator.text("SendTargets", "")).isEqualTo(all);
            assertThat(initiator.text("SendTargets", Served.TARGET)).isEqualTo(all);
            assertThat(initiator.text("SendTargets", "All")).isEqualTo("SendTargets=Reject\n");
            assertThat(initiator.text("MaxBurstLength", "4096"))
                    .isEqualTo("MaxBurstLength=Reject\n");
            assertThat(initiator.text("MaxRecvDataSegmentLength", "512")).isEmpty();
            initiator.send(initiator.read(0, 2, 2 * MemoryTarget.BLOCK));
            assertThat(initiator.receive(DataIn.class).data().readableBytes()).isEqualTo(512);
        }
    }

    @Test
    void questionsMayComeInParts() throws IOException {
        try (RawInitiator initiator = RawInitiator.discovery(served)) {
            initiator.send(part(initiator, Pdu.NO_TAG, false, true, "SendTar"));
            TextResponse more = initiator.receive(TextResponse.class);
            assertThat(more.last() || more.more() || more.data().isReadable()).isFalse();
            initiator.send(part(initiator, more.ttt(), true, false, "gets=All\0"));
            TextResponse answer = initiator.receive(TextResponse.class);
            assertThat(answer.last()).isTrue();
            assertThat(answer.data().toString(StandardCharsets.UTF_8)).contains(Served.TARGET);
            // the exchange is over, and a part cannot be the last request
            initiator.send(part(initiator, more.ttt(), true, false, "SendTargets=All\0"));
            assertThat(initiator.receive(Reject.class).reason()).isEqualTo(Reject.PROTOCOL_ERROR);
            initiator.send(part(initiator, Pdu.NO_TAG, true, true, "SendTargets=All\0"));
            assertThat(initiator.receive(Reject.class).reason()).isEqualTo(Reject.PROTOCOL_ERROR);
            // a key twice, though in two parts
            initiator.send(part(initiator, Pdu.NO_TAG, false, true, "SendTargets=All\0Send"));
            more = initiator.receive(TextResponse.class);
            initiator.send(part(initiator, more.ttt(), true, false, "Targets=All\0"));
            assertThat(initiator.receive(Reject.class).reason()).isEqualTo(Reject.PROTOCOL_ERROR);
            assertThat(initiator.text("SendTargets", "All")).contains(Served.TARGET);
        }
    }

    private static TextRequest part(
            RawInitiator from, int ttt, boolean last, boolean more, String text) {
        ByteBuf data = Unpooled.copiedBuffer(text, StandardCharsets.UTF_8);
        return new TextRequest(false, last, more, 0, 9, ttt, from.cmdSn++, 0, data);
    }

    @Test
    void longAnswersComeInParts() throws IOException {
        for (int i = 0; i < 50; i++) {
            served.catalog.export("v" + i, served.target, TestCatalog.OPEN);
        }
        try (RawInitiator initiator = new RawInitiator(served.port())) {
            initiator.logIn(null, "MaxRecvDataSegmentLength", "512");
            String all = initiator.text("SendTargets", "All");
            assertThat(all.lines().filter(line -> line.startsWith("TargetName="))).hasSize(51);
            assertThat(all.lines().filter(line -> line.startsWith("TargetAddress=")))
                    .hasSize(3 * 51);
        }
    }
}
