package io.cistern.iscsi;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.iscsi.TargetCatalog.AccessRules;
import io.cistern.iscsi.TargetCatalog.Credentials;
import io.cistern.iscsi.login.ChapAlgorithm;
import java.nio.charset.StandardCharsets;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Programs that people use, against a portal.
class PortalToolsTest {
    private static final String SECRET = "a-secret-of-16by";
    private Served served = Served.open();

    @AfterEach
    void stop() {
        served.close();
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.US_ASCII);
    }

    private void serveWithChap() {
        served.close();
        served =
                new Served(
                        config ->
                                new PortalConfig(
                                        config.listen(),
                                        config.portalGroup(),
                                        config.offer(),
                                        Set.of(ChapAlgorithm.values()),
                                        config.limits(),
                                        config.timeouts()),
                        new AccessRules(Set.of(), new Credentials("alice", bytes(SECRET)), null));
    }

    @Test
    void discoveryListsTargetsWithEveryAdvertisedAddress() throws Exception {
        String output = Tool.run("iscsi-ls", "iscsi://" + served.address()).succeeded().output();
        assertThat(output)
                .contains(Served.TARGET)
                .contains(served.address() + ",7")
                .contains("10.0.0.8:3260,8")
                .contains("[fd00::8]:3260,8");
    }

    @Test
    void inquiryAndCapacityAreRead() throws Exception {
        assertThat(Tool.run("iscsi-inq", served.url()).succeeded().output()).contains("CISTERN");
        assertThat(Tool.run("iscsi-readcapacity16", served.url()).succeeded().output())
                .contains("" + (64 << 20));
    }

    @Test
    void perfReadsWithManyOutstanding() throws Exception {
        assertThat(
                        Tool.run("iscsi-perf", "-m", "32", "-b", "8", "-t", "2", served.url())
                                .succeeded()
                                .output())
                .contains("iops average");
    }

    @Test
    void qemuWritesAndReadsBack() throws Exception {
        writeAndRead("");
    }

    @Test
    void qemuWritesAndReadsBackWithHeaderDigests() throws Exception {
        writeAndRead(",header-digest=crc32c");
    }

    private void writeAndRead(String options) throws Exception {
        String output =
                Tool.run(
                                "qemu-io",
                                "-c",
                                "write -P 0xa5 0 4k",
                                "-c",
                                "write -P 0x5a 1M 8M",
                                "-c",
                                "aio_write -P 0x11 16M 1M",
                                "-c",
                                "aio_write -P 0x22 17M 1M",
                                "-c",
                                "aio_flush",
                                "-c",
                                "read -P 0xa5 0 4k",
                                "-c",
                                "read -P 0x5a 1M 8M",
                                "-c",
                                "read -P 0x11 16M 1M",
                                "-c",
                                "read -P 0x22 17M 1M",
                                "-c",
                                "read -P 0 32M 1M",
                                "-c",
                                "flush",
                                "--image-opts",
                                "driver=iscsi,transport=tcp,lun=0,portal="
                                        + served.address()
                                        + ",target="
                                        + Served.TARGET
                                        + options)
                        .succeeded()
                        .output();
        assertThat(output).doesNotContain("failed").doesNotContain("rror");
    }

    @Test
    void chapLetsInWhoKnowsTheSecret() throws Exception {
        serveWithChap();
        String host = "alice%" + SECRET + "@" + served.address();
        String url = "iscsi://" + host + "/" + Served.TARGET + "/0";
        Tool.run("iscsi-inq", url).succeeded();
        Tool.run("iscsi-inq", url.replace(SECRET, "another-secret-x")).failed();
        Tool.run("iscsi-inq", served.url()).failed();
        assertThat(served.portal.metrics().failedAuthentications()).isEqualTo(2);
    }

    /// libiscsi's own tests of the transport, each in a process of its own, against the few
    /// commands of [MemoryTarget]. iSCSITMF.LUNResetSimpleAsync is left out: 1.19 has an assertion
    /// in it that fails before the answer can come (mended in libiscsi's commit 5553d6b).
    @ParameterizedTest
    @ValueSource(
            strings = {
                "iSCSIcmdsn.iSCSICmdSnTooHigh",
                "iSCSIcmdsn.iSCSICmdSnTooLow",
                "iSCSIdatasn.iSCSIDataSnInvalid",
                "iSCSIResiduals.Read10Invalid",
                "iSCSIResiduals.Read10Residuals",
                "iSCSIResiduals.Read16Residuals",
                "iSCSIResiduals.Write10Residuals",
                "iSCSIResiduals.Write16Residuals",
                "iSCSITMF.AbortTaskSimpleAsync"
            })
    void conformanceTestsOfTheTransportPass(String test) throws Exception {
        String output =
                Tool.run("iscsi-test-cu", "-d", "-t", "iSCSI." + test, served.url())
                        .succeeded()
                        .output();
        // Type, total, ran, passed, failed, inactive.
        assertThat(output).containsPattern("tests +1 +1 +1 +0 +0");
        String of = test.substring(test.indexOf('.') + 1);
        assertThat(output.substring(output.indexOf("Test: " + of))).contains("passed");
    }
}
