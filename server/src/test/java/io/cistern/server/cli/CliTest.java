package io.cistern.server.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.cistern.server.api.TestApi;
import io.cistern.storage.Command.AttachMode;
import io.cistern.volume.ClusterStatus.Health;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;

/// The command line against the real REST server over a fake cluster. What it prints is compared
/// with `src/test/resources/golden/NAME.txt`; run with `-Dcistern.golden.write=true` to write
/// these.
class CliTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir Path folder;

    private final TestApi api = new TestApi();
    private String out = "";
    private String err = "";

    @AfterEach
    void close() {
        api.close();
    }

    private int run(String... words) {
        List<String> all = new ArrayList<>(List.of(words));
        all.addAll(List.of("--api", api.url(), "--home", folder.toString()));
        return bare(all.toArray(String[]::new));
    }

    private int bare(String... words) {
        ByteArrayOutputStream stdout = new ByteArrayOutputStream();
        ByteArrayOutputStream stderr = new ByteArrayOutputStream();
        int status =
                Cli.run(
                        words,
                        new PrintStream(stdout, true, StandardCharsets.UTF_8),
                        new PrintStream(stderr, true, StandardCharsets.UTF_8));
        out = stdout.toString(StandardCharsets.UTF_8);
        err = stderr.toString(StandardCharsets.UTF_8);
        return status;
    }

    private void done(String line) {
        assertThat(run(line.split(" "))).as(line + ": " + err).isZero();
        assertThat(err).isEmpty();
    }

    private JsonNode json(String line) throws IOException {
        done(line + " -o json");
        return JSON.readTree(out);
    }

    @ParameterizedTest
    @CsvSource({
        "clone golden@v1 a, clone",
        "--home clone -o json --api=x attach v --help, attach",
        "volume list, volume",
        "--help volume, ",
        "-h, ",
        "volumee list, ",
        "completion, ",
    })
    void onlyTheCommandThatIsNamedIsBuilt(String line, @Nullable String command) {
        Class<?> named = Cli.named(line.split(" "));
        assertThat(named == null ? null : named.getAnnotation(CommandLine.Command.class).name())
                .isEqualTo(command);
    }

    @Test
    void volumesAreExportedAndSecretsStaySecret() throws IOException {
        Path secret = folder.resolve("secret");
        Files.writeString(secret, "correct horse battery\n");
        Path other = folder.resolve("other");
        Files.writeString(other, "staple staple staple\n");
        for (Path file : List.of(secret, other)) {
            Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-------"));
        }
        done("volume create san1 1GiB");
        done("iscsi list");
        assertThat(out).contains("nothing is exported");
        String mutual = " --mutual-user tgt --mutual-secret-file " + other;
        JsonNode made =
                json(
                        "iscsi export san1 --initiator iqn.2020-01.org.example:a --initiator iqn.2020-01.org.example:b --chap-user host1 --chap-secret-file "
                                + secret
                                + mutual
                                + " --block-size 4096");
        assertThat(out).doesNotContain("horse", "staple");
        assertThat(made.get("target").asText()).isEqualTo("iqn.2026-11.io.cistern:san1");
        assertThat(made.get("initiators")).hasSize(2);
        assertThat(made.get("chapUser").asText()).isEqualTo("host1");
        assertThat(made.get("mutualUser").asText()).isEqualTo("tgt");
        assertThat(made.get("blockBytes").asInt()).isEqualTo(4096);
        assertThat(api.admin.log())
                .as("the secret arrived")
                .anyMatch(line -> line.endsWith(" correct horse battery"));
        done("iscsi list");
        assertThat(out).contains("san1", "host1, mutual").doesNotContain("horse", "staple");
        done("iscsi sessions");
        assertThat(out).contains("iqn.1993-08.org.debian:01:abc", "127.0.0.1:50000");
        assertThat(json("iscsi sessions").get(0).get("writtenBytes").asLong()).isEqualTo(8192);
        done("iscsi unexport san1");
        assertThat(json("iscsi list")).isEmpty();
        Files.setPosixFilePermissions(secret, PosixFilePermissions.fromString("rw-r--r--"));
        assertThat(
                        run(
                                "iscsi",
                                "export",
                                "san1",
                                "--chap-user",
                                "a",
                                "--chap-secret-file",
                                secret.toString()))
                .isEqualTo(Cli.FAILED);
        assertThat(err).contains("chmod 600");
        assertThat(run("iscsi", "export", "san1", "--chap-user", "a")).isEqualTo(Cli.USAGE);
        assertThat(err).contains("belong together");
        assertThat(run("iscsi", "export", "san1", "--block-size", "1024")).isEqualTo(Cli.USAGE);
    }

    @Test
    void wholeTour() throws IOException {
        StringBuilder transcript = new StringBuilder();
        for (String line :
                List.of(
                        "volume list",
                        "volume create vm1 20GiB --replicas 3 --iops 2000",
                        "volume create db 1.5TiB",
                        "volume list",
                        "volume show vm1",
                        "volume resize vm1 40GiB",
                        "volume set vm1 --bandwidth 100MiB",
                        "snapshot list vm1",
                        "snapshot create vm1@monday db@monday",
                        "snapshot list vm1",
                        "snapshot diff vm1@monday",
                        "snapshot rollback vm1@monday",
                        "clone vm1@monday vm2",
                        "volume rename vm2 vm3",
                        "snapshot delete vm1@monday",
                        "volume delete vm3",
                        "node list",
                        "node token",
                        "node drain n2",
                        "node remove n2",
                        "disk list",
                        "disk add n1 /srv/disk2 --size 500GiB",
                        "disk remove n1/1",
                        "scrub vm1",
                        "scrub",
                        "verify",
                        "verify vm1",
                        "status")) {
            done(line);
            transcript.append("$ cistern ").append(line).append('\n').append(out);
        }
        golden("tour", transcript.toString());
        assertThat(api.admin.log())
                .containsExactly("rollback vm1@monday", "drain n2", "scrub vm1", "scrub null");
    }

    @Test
    void sharesAreMadeChangedAndDeleted() throws IOException {
        done("share create docs --quota 10GiB --allow 10.0.0.0/8 --allow fd00::/8:ro");
        assertThat(out).isEqualTo("created share docs\n");
        done("share create local");
        assertThat(out).contains("only clients on the nodes themselves");
        done("share delete local");
        JsonNode share = json("share show docs");
        assertThat(share.path("quotaBytes").asLong()).isEqualTo(10L << 30);
        assertThat(share.path("rules").get(1).asText()).isEqualTo("fd00::/8:ro");
        done("share list");
        assertThat(out).contains("docs", "10 GiB", "10.0.0.0/8 fd00::/8:ro");
        done("share clients docs");
        assertThat(out).contains("Linux guest", "10.0.0.7", "active");
        done("share locks docs");
        assertThat(out).contains("42", "write", "end");
        assertThat(json("share clients docs").get(0).path("opens").asInt()).isEqualTo(2);
        done("share snapshot docs@monday");
        done("share clone docs@monday old");
        assertThat(json("share list")).hasSize(2);
        done("share set old --quota 0 --allow 0.0.0.0/0:no_root_squash");
        assertThat(json("share show old").path("rules").get(0).asText())
                .isEqualTo("0.0.0.0/0:no_root_squash");
        done("share delete-snapshot docs@monday");
        done("share delete docs");
        assertThat(json("share list")).hasSize(1);
    }

    @Test
    void degradedStatusSaysWhy() throws IOException {
        done("volume create vm1 1GiB");
        api.admin.attach("vm1", AttachMode.EXCLUSIVE);
        api.admin.health(Health.DEGRADED);
        done("status");
        golden("degraded", out);
    }

    private void golden(String name, String text) throws IOException {
        String shown =
                text.replaceAll("\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d", "TIME")
                        .replaceAll(" in \\d+ ms", " in N ms");
        Path file = Path.of("src/test/resources/golden", name + ".txt");
        if (System.getenv("CISTERN_GOLDEN_WRITE") != null) {
            Files.createDirectories(file.toAbsolutePath().getParent());
            Files.writeString(file, shown);
        }
        assertThat(shown).isEqualTo(Files.readString(file));
    }

    @Test
    void nodesOfAnotherReleaseAreShown() throws IOException {
        done("node list");
        assertThat(out).doesNotContain("LEVEL");
        api.admin.older("n1", "node n1 runs an older Cistern");
        done("node list");
        assertThat(out.lines().findFirst().orElseThrow()).endsWith("LEVEL");
        done("status");
        assertThat(out).contains("note:        node n1 runs an older Cistern\n");
        JsonNode status = json("status");
        assertThat(status.path("level").asInt()).isEqualTo(1);
        assertThat(status.path("nodes").get(1).path("level").asInt(-1)).isZero();
        done("verify");
        assertThat(out).contains("n1 runs an older").contains("what was compared agrees");
    }

    /// Scripts rely on these names.
    @Test
    void statusAsJson() throws IOException {
        done("volume create vm1 1GiB");
        JsonNode status = json("status");
        assertThat(status.path("health").asText()).isEqualTo("OK");
        assertThat(status.path("nodes")).hasSize(3);
        for (JsonNode node : status.path("nodes")) {
            for (String key : List.of("name", "pid", "state", "api", "iscsi", "nfs", "leads")) {
                assertThat(node.has(key)).as(key).isTrue();
            }
            assertThat(node.path("leads").isArray()).isTrue();
        }
        assertThat(status.path("nodes").get(0).path("name").asText()).isEqualTo("n0");
        assertThat(status.path("nodes").get(0).path("pid").asLong()).isEqualTo(100);
        JsonNode volume = status.path("volumes").get(0);
        assertThat(volume.path("name").asText()).isEqualTo("vm1");
        assertThat(volume.path("group").asText()).isEqualTo("g1");
        assertThat(volume.path("leader").asText()).isEqualTo("n1");
        JsonNode work = status.path("work").get(0);
        assertThat(work.path("done").asLong()).isEqualTo(1L << 30);
        assertThat(work.path("total").asLong()).isEqualTo(4L << 30);
    }

    @Test
    void everythingThatPrintsPrintsJson() throws IOException {
        assertThat(json("volume create vm1 1GiB").path("sizeBytes").asLong()).isEqualTo(1 << 30);
        assertThat(json("volume list")).hasSize(1);
        assertThat(json("volume resize vm1 2GiB").path("sizeBytes").asLong()).isEqualTo(2L << 30);
        assertThat(json("volume set vm1 --iops 5").at("/limits/iops").asLong()).isEqualTo(5);
        assertThat(json("snapshot create vm1@a").get(0).path("name").asText()).isEqualTo("a");
        assertThat(json("snapshot diff vm1@a").path("changedBytes").asLong()).isEqualTo(12288);
        assertThat(json("snapshot diff vm1@a").path("ranges")).hasSize(2);
        assertThat(json("snapshot rollback vm1@a").path("safetySnapshot").asText())
                .isEqualTo("before-a");
        assertThat(json("clone vm1@a vm2 --iops 7").path("parent").asText()).isEqualTo("vm1@a");
        JsonNode clones = json("clone vm1@a b1 b2 b3");
        assertThat(clones).hasSize(3);
        assertThat(clones.get(2).path("name").asText()).isEqualTo("b3");
        assertThat(clones.get(2).has("millis")).isTrue();
        done("clone vm1@a c1 c2");
        assertThat(out)
                .matches(
                        "created volume c1 from vm1@a\ncreated volume c2 from vm1@a\n2 volumes in \\d+ ms\n");
        List<String> many = IntStream.range(0, 300).mapToObj(i -> "many" + i).toList();
        assertThat(json("clone vm1@a " + String.join(" ", many))).hasSize(300);
        assertThat(json("node token").path("token").asText()).isEqualTo("secret-join-token");
        assertThat(json("disk list")).hasSize(3);
        assertThat(json("verify").path("bytesRead").asLong()).isEqualTo(8192);
        assertThat(json("scrub").path("scrubbing").asText()).isEqualTo("every volume");
        assertThat(json("volume delete vm2").path("deleted").asText()).isEqualTo("vm2");
        assertThat(json("stop").path("stopped").asInt()).isZero();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "volume show none             | cistern: there is no volume none",
                "volume create A 1GiB         | 'A' cannot be a volume name",
                "volume create a 100          | multiple of 512",
                "volume delete none           | there is no volume none",
                "snapshot delete a@b          | there is no volume a",
                "disk remove n7/0             | there is no disk n7/0",
                "node remove n7               | there is no node n7",
                "verify none                  | there is no volume none",
                "status --api http://127.0.0.1:1 | no Cistern node answers at",
                "status --api nonsense        | is not an API address",
                "node add --join-file /none/x | there is no token file",
                "status --token-file /none/x  | there is no token file",
            })
    void failuresAreOneLineAndStatusOne(String line, String message) {
        List<String> words = new ArrayList<>(List.of(line.strip().split("\\s+")));
        if (!words.contains("--api")) {
            words.addAll(List.of("--api", api.url()));
        }
        words.addAll(List.of("--home", folder.toString()));
        assertThat(bare(words.toArray(String[]::new))).isEqualTo(Cli.FAILED);
        assertThat(err.lines()).hasSize(1);
        assertThat(err).startsWith("cistern: ").contains(message);
        assertThat(out).isEmpty();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "volume                   | a command is missing, one of create, list",
                "volume crate a 1GiB      | did you mean 'create'?",
                "volume create a          | Missing required parameter: 'SIZE'",
                "volume create a much     | 'much' is not a size",
                "volume create a 1GiB -x  | Unknown option: '-x'",
                "volume create a 1GiB --replicas x | '--replicas'",
                "volume set a             | give --iops, --bandwidth or both",
                "volume set a --iops -1   | not a whole number",
                "snapshot create a        | names no snapshot: write VOLUME@SNAPSHOT",
                "snapshot diff a@b c@d    | of one volume",
                "status -o yaml           | yaml",
                "disk add n0 relative     | PATH must begin with '/'",
                "node add                 | --join",
                "start --nodes 0          | --nodes must be 1 to 9",
                "start --port-base 99999  | --port-base",
                "frobnicate               | frobnicate",
            })
    void wrongUsageIsOneLineAndStatusTwo(String line, String message) {
        assertThat(run(line.strip().split("\\s+"))).isEqualTo(Cli.USAGE);
        assertThat(err.lines()).hasSize(1);
        assertThat(err).startsWith("cistern: ").contains(message).contains("--help'");
        assertThat(out).isEmpty();
    }

    @Test
    void noCommandIsWrongUsage() {
        assertThat(bare()).isEqualTo(Cli.USAGE);
        assertThat(err).isEqualTo("cistern: a command is missing; see 'cistern --help'\n");
    }

    @Test
    void replicasThatDifferAreAFailure() {
        api.admin.mismatches(List.of("vm1 differs at 4096 on n2"));
        assertThat(run("verify")).isEqualTo(Cli.FAILED);
        assertThat(out).contains("vm1 differs at 4096 on n2").contains("replicas differ");
        assertThat(err).isEqualTo("cistern: the replicas differ: vm1 differs at 4096 on n2\n");
    }

    @Test
    void replicasThatCouldNotBeAskedAreNotSaidToDiffer() {
        String silent = "g1: n2.2 could not be asked: n2 does not answer";
        api.admin.mismatches(List.of(silent), List.of(silent));
        assertThat(run("verify")).isEqualTo(Cli.FAILED);
        assertThat(out).contains(silent).contains("what was compared agrees");
        assertThat(err).isEqualTo("cistern: not everything could be compared: " + silent + "\n");
        api.admin.mismatches(List.of(silent, "vm1 differs at 4096 on n1"), List.of(silent));
        assertThat(run("verify")).isEqualTo(Cli.FAILED);
        assertThat(out).contains(silent).contains("replicas differ");
        assertThat(err).isEqualTo("cistern: the replicas differ: vm1 differs at 4096 on n1\n");
    }

    @Test
    void aVolumeInUseIsNotDeleted() {
        done("volume create vm1 1GiB");
        api.admin.attach("vm1", AttachMode.EXCLUSIVE);
        assertThat(run("volume", "delete", "vm1")).isEqualTo(Cli.FAILED);
        assertThat(err).isEqualTo("cistern: volume vm1 is attached; detach it first\n");
    }

    @Test
    void everyCommandHasHelpWithAnExample() {
        ByteArrayOutputStream sink = new ByteArrayOutputStream();
        PrintStream stream = new PrintStream(sink, true, StandardCharsets.UTF_8);
        checkHelp(Cli.commandLine(stream, stream, CisternCommand.COMMANDS));
    }

    private void checkHelp(CommandLine command) {
        String name = command.getCommandSpec().qualifiedName();
        if (!command.getCommandSpec().usageMessage().hidden()) {
            String help = command.getUsageMessage();
            assertThat(help).as(name).contains("--output", "--api", "--home");
            boolean root = command.getParent() == null;
            assertThat(help).as(name).contains(root ? "A tour:" : "Example");
            assertThat(help).as(name).contains("  " + (root ? "cistern start" : name));
            List<String> words = new ArrayList<>(List.of(name.split(" ")));
            words.removeFirst();
            words.add("--help");
            assertThat(bare(words.toArray(String[]::new))).as(name).isZero();
            assertThat(out).isNotEmpty();
        }
        for (Map.Entry<String, CommandLine> sub : command.getSubcommands().entrySet()) {
            checkHelp(sub.getValue());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"-V", "--version"})
    void version(String option) {
        assertThat(bare(option)).isZero();
        assertThat(out).matches("cistern \\d+\\.\\d+\\.\\d+\n");
    }

    @Test
    void completionNamesEveryCommand() {
        done("completion");
        assertThat(out).contains("volume", "snapshot", "rollback", "complete -F");
    }

    @Test
    void theHomeOfALocalClusterSaysWhereItsApiIs() throws IOException {
        Files.writeString(folder.resolve("endpoints"), "http://127.0.0.1:1\n" + api.url() + "\n");
        if (System.getenv("CISTERN_API") == null) {
            assertThat(bare("volume", "list", "--home", folder.toString())).as(err).isZero();
        }
    }
}
