package io.cistern.iscsi;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.iscsi.TargetCatalog.AccessRules;
import io.cistern.iscsi.TargetCatalog.Credentials;
import io.cistern.iscsi.login.ChapAlgorithm;
import java.nio.charset.StandardCharsets;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

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
        writeAndRead(served.url());
    }

    @Test
    void qemuWritesAndReadsBackWithDigests() throws Exception {
        writeAndRead(served.url() + "?header_digest=crc32c");
        writeAndRead(served.url() + "?header_digest=crc32c&data_digest=crc32c");
    }

    private static void writeAndRead(String url) throws Exception {
        String output =
                Tool.run(
                                "qemu-io",
                                "-f",
                                "raw",
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
                                url)
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
}
