package io.cistern.server.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.cistern.block.CisternException;
import io.cistern.server.config.ServerConfig.IscsiConfig;
import io.cistern.volume.NodeConfig.DiskSpec;
import io.cistern.volume.NodeConfig.Formation;
import io.cistern.volume.NodeConfig.Tuning;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ConfigFileTest {
    private static final String LEAST =
            """
            [node]
            name = "n1"
            [[disk]]
            path = "disk"
            """;

    @TempDir Path folder;

    private ServerConfig parse(String text) {
        return ConfigFile.parse(folder.resolve("node.toml"), text);
    }

    @Test
    void portals() {
        ServerConfig config = parse(LEAST + "[iscsi]\nlisten = \"127.0.0.1:7490, [::1]:3260\"\n");
        IscsiConfig iscsi = java.util.Objects.requireNonNull(config.iscsi());
        assertThat(iscsi.listen())
                .containsExactly(
                        new InetSocketAddress("127.0.0.1", 7490),
                        new InetSocketAddress("::1", 3260));
        assertThat(iscsi.advertise()).containsExactly("127.0.0.1:7490", "[0:0:0:0:0:0:0:1]:3260");
        assertThat(iscsi.chapAlgorithms()).containsExactly("sha3-256", "sha256");
        assertThat(iscsi.maxConnections()).isEqualTo(512);
        assertThat(config.node().iscsi()).isEqualTo("127.0.0.1:7490,[0:0:0:0:0:0:0:1]:3260");
        config =
                parse(
                        LEAST
                                + "[iscsi]\nlisten = \"0.0.0.0:3260\"\n"
                                + "advertise = \"10.0.0.1:3260\"\n");
        assertThat(config.node().iscsi()).isEqualTo("10.0.0.1:3260");
        config =
                parse(
                        LEAST
                                + "[iscsi]\nlisten = \"127.0.0.1:7490, 127.0.0.1:3260\"\n"
                                + "advertise = \"127.0.0.1:7490\"\n");
        IscsiConfig two = java.util.Objects.requireNonNull(config.iscsi());
        assertThat(two.listen()).filteredOn(two::optional).containsExactly(two.listen().get(1));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "listen = '0.0.0.0:3260'|say which of them others reach",
                "advertise = '10.0.0.1:3260'|no portal runs without",
                "listen = '127.0.0.1'|is not an address",
                "listen = '127.0.0.1:1'\\nchap-algorithms = 'md4'|one or more of sha3-256",
            })
    void wrongPortals(String lines, String message) {
        assertThatThrownBy(() ->
                        parse(
                                LEAST
                                        + "[iscsi]\n"
                                        + lines.replace("\\n", "\n").replace('\'', '"')
                                        + "\n"))
                .hasMessageContaining(message);
    }

    @Test
    void everyDefault() {
        ServerConfig config = parse(LEAST);
        assertThat(config.node().name()).isEqualTo("n1");
        assertThat(config.node().zone()).isEqualTo("default");
        assertThat(config.node().disks()).containsExactly(new DiskSpec(folder.resolve("disk"), 0));
        assertThat(config.node().wire()).isEqualTo(new InetSocketAddress("127.0.0.1", 7481));
        assertThat(config.node().raft()).isEqualTo(new InetSocketAddress("127.0.0.1", 7482));
        assertThat(config.node().api()).isEqualTo("http://127.0.0.1:7480");
        assertThat(config.node().iscsi()).isNull();
        assertThat(config.iscsi()).isNull();
        assertThat(config.node().nfs()).isNull();
        assertThat(config.node().tls()).isNull();
        assertThat(config.node().formation()).isNull();
        assertThat(config.node().tuning()).isEqualTo(new Tuning(3, 500, 64L << 20, 64L << 20));
        assertThat(config.node().tuning()).isEqualTo(Tuning.DEFAULT);
        assertThat(config.api().listen()).isEqualTo(new InetSocketAddress("127.0.0.1", 7480));
        assertThat(config.api().token()).isNull();
        assertThat(config.api().tls()).isNull();
        assertThat(config.api().maxConnections()).isEqualTo(256);
        assertThat(config.api().maxBodyBytes()).isEqualTo(1 << 20);
        assertThat(config.api().idleTimeout()).isEqualTo(Duration.ofSeconds(60));
        assertThat(config.log().level()).isEqualTo("info");
        assertThat(config.log().file()).isNull();
    }

    @Test
    void theExampleOfTheDocumentationIsValid() {
        String text = ConfigDoc.markdown();
        String example = text.substring(text.indexOf("```toml") + 8);
        ServerConfig config = parse(example.substring(0, example.indexOf("```")));
        assertThat(config.node().formation()).isInstanceOf(Formation.Bootstrap.class);
        assertThat(((Formation.Bootstrap) config.node().formation()).nodes()).hasSize(3);
        assertThat(config.node().disks().getFirst().sizeBytes()).isEqualTo(2L << 40);
        assertThat(config.node().tls()).isNotNull();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "[nod]                             | node.toml:5: unknown key 'nod'; did you mean 'node'?",
                "[tuning]\\ncahce = '1MiB'         | node.toml:6: unknown key 'tuning.cahce'; did you mean 'tuning.cache'?",
                "[tuning]\\nzzzzzzzzzzzz = 1       | node.toml:6: unknown key 'tuning.zzzzzzzzzzzz'; docs/configuration.md lists all keys",
                "[tuning]\\ncache = 'much'         | node.toml:6: tuning.cache: 'much' is not a size",
                "[tuning]\\nelection-timeout = '5' | node.toml:6: tuning.election-timeout: '5' is not a time",
                "[tuning]\\nnodes-per-group = 0    | node.toml:6: tuning.nodes-per-group must be at least 1",
                "[wire]\\nlisten = 'here'          | node.toml:6: wire.listen: 'here' is not an address",
                "[log]\\nlevel = 'loud'            | node.toml:6: log.level must be one of",
                "[api]\\nlisten = '0.0.0.0:7480'   | node.toml:6: api.listen is not a loopback address",
                "[api]\\nmax-body = '1GiB'         | node.toml:6: api.max-body must be 1 byte to 16MiB",
                "[api]\\ncertificate = 'x'         | api.certificate and api.key belong together",
                "[tls]\\nkey = 'x'                 | [tls] needs certificate, key and authority",
                "[cluster]\\nid = 'xyz'            | cluster.id must be a UUID",
                "[disk]\\npath = 'x'               | node.toml:5",
                "[node                             | is not TOML",
            })
    void mistakesNameFileLineAndRemedy(String added, String message) {
        assertThatThrownBy(() -> parse(LEAST + added.replace("\\n", "\n") + "\n"))
                .isInstanceOf(CisternException.class)
                .hasMessageContaining(message);
    }

    @Test
    void anUnknownKeyWithinAnArrayOfTables() {
        assertThatThrownBy(() -> parse(LEAST + "sise = '1GiB'\n"))
                .hasMessageContaining(
                        "node.toml:5: unknown key 'disk.sise'; did you mean 'disk.size'?");
    }

    @Test
    void whatMustBeGiven() {
        assertThatThrownBy(() -> parse("[[disk]]\npath = 'x'\n"))
                .hasMessageContaining("node.name is missing");
        assertThatThrownBy(() -> parse("[node]\nname = 'a'\n")).hasMessageContaining("[[disk]]");
        assertThatThrownBy(() -> parse("[node]\nname = 'A B'\n[[disk]]\npath = 'x'\n"))
                .hasMessageContaining("node.toml:2: node.name");
    }

    @Test
    void tokenOfTheApi() throws IOException {
        Path token = folder.resolve("token");
        Files.writeString(token, "0123456789abcdef\n");
        String with = LEAST + "[api]\ntoken-file = 'token'\n";
        assertThat(parse(with).api().token()).isEqualTo("0123456789abcdef");
        assertThat(parse(with).api().toString()).doesNotContain("0123456789abcdef");
        Files.writeString(token, "short");
        assertThatThrownBy(() -> parse(with)).hasMessageContaining("16 to 4096");
        Files.delete(token);
        assertThatThrownBy(() -> parse(with)).hasMessageContaining("there is no API token");
    }

    @Test
    void joining() throws IOException {
        String with = LEAST + "[cluster]\njoin-token-file = 'token'\n";
        assertThat(parse(with).node().formation()).isNull(); // joined long ago, the token is gone
        Files.writeString(folder.resolve("token"), " secret \n");
        assertThat(parse(with).node().formation()).isEqualTo(new Formation.Join("secret"));
        assertThatThrownBy(() -> parse(with + "id = '00112233-4455-6677-8899-aabbccddeeff'\n"))
                .hasMessageContaining("keep one of both");
    }

    @Test
    void theDocumentationIsUpToDate() throws IOException {
        Path file = Path.of(System.getProperty("cistern.repo", ".."), "docs/configuration.md");
        assertThat(file).as("write it by GeneratedDocs").hasContent(ConfigDoc.markdown());
    }
}
