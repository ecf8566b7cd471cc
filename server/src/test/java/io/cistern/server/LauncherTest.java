package io.cistern.server;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The bash launcher, up to where Java starts.
class LauncherTest {
    private static final Path REPO =
            Path.of(System.getProperty("cistern.repo", "..")).toAbsolutePath().normalize();

    @TempDir Path folder;

    private record Result(int status, String out, String err) {}

    private Result run(Path launcher, Map<String, String> environment, String... arguments)
            throws IOException, InterruptedException {
        Path out = folder.resolve("out");
        Path err = folder.resolve("err");
        List<String> command =
                java.util.stream.Stream.concat(
                                java.util.stream.Stream.of("/bin/bash", launcher.toString()),
                                java.util.stream.Stream.of(arguments))
                        .toList();
        ProcessBuilder builder =
                new ProcessBuilder(command)
                        .directory(folder.toFile())
                        .redirectOutput(out.toFile())
                        .redirectError(err.toFile());
        builder.environment().remove("JAVA_HOME");
        builder.environment().remove("CISTERN_JAVA_HOME");
        builder.environment().putAll(environment);
        int status = builder.start().waitFor();
        return new Result(
                status,
                Files.readString(out, StandardCharsets.UTF_8),
                Files.readString(err, StandardCharsets.UTF_8));
    }

    private Path jdk(String name, String version) throws IOException {
        Path home = folder.resolve(name);
        Path java = home.resolve("bin/java");
        Files.createDirectories(java.getParent());
        Files.writeString(java, "#!/bin/bash\nexit 1\n");
        assertThat(java.toFile().setExecutable(true)).isTrue();
        Files.writeString(home.resolve("release"), "JAVA_VERSION=\"" + version + "\"\n");
        return home;
    }

    private Map<String, String> onlyIn(Path jvms) throws IOException {
        Path tools = folder.resolve("tools");
        if (!Files.exists(tools)) {
            Files.createDirectories(tools);
            for (String tool : List.of("readlink", "dirname", "bash", "find", "cat")) {
                tool(tool);
            }
        }
        return Map.of(
                "PATH",
                tools.toString(),
                "CISTERN_JVM_DIR",
                jvms.toString(),
                "HOME",
                folder.toString());
    }

    private void tool(String name) throws IOException {
        Path file = folder.resolve("tools").resolve(name);
        Files.writeString(file, "#!/bin/bash\nexec /usr/bin/" + name + " \"$@\"\n");
        assertThat(file.toFile().setExecutable(true)).isTrue();
    }

    @Test
    void saysWhatIsMissingWhereThereIsNoJdk() throws Exception {
        Result result = run(REPO.resolve("cistern"), onlyIn(folder.resolve("none")), "status");
        assertThat(result.status()).isEqualTo(1);
        assertThat(result.out()).isEmpty();
        assertThat(result.err().lines()).hasSize(1);
        assertThat(result.err())
                .startsWith("cistern: needs a JDK 25 or later, found none.")
                .contains("JAVA_HOME");
    }

    @Test
    void namesTheJdksThatAreTooOld() throws Exception {
        Path old = jdk("jvm/old", "17.0.15");
        Result result = run(REPO.resolve("cistern"), onlyIn(folder.resolve("jvm")), "status");
        assertThat(result.status()).isEqualTo(1);
        assertThat(result.err()).contains("found 17 (" + old + ")");
    }

    @Test
    void findsANewEnoughJdkBesideAnOldOne() throws Exception {
        jdk("jvm/a-old", "17.0.15");
        Path fresh = jdk("jvm/b-new", "26-ea");
        Result result = run(REPO.resolve("cistern"), onlyIn(folder.resolve("jvm")), "--jdk-home");
        assertThat(result.err()).isEmpty();
        assertThat(result.out()).isEqualTo(fresh + "\n");
    }

    @Test
    void javaHomeComesFirstUnlessItIsTooOld() throws Exception {
        Path old = jdk("jvm/old", "21.0.1");
        Path fresh = jdk("elsewhere", "25.0.3");
        Map<String, String> environment = new java.util.HashMap<>(onlyIn(folder.resolve("jvm")));
        environment.put("JAVA_HOME", fresh.toString());
        assertThat(run(REPO.resolve("cistern"), environment, "--jdk-home").out())
                .isEqualTo(fresh + "\n");
        Path other = jdk("jvm/other", "25");
        environment.put("JAVA_HOME", old.toString());
        assertThat(run(REPO.resolve("cistern"), environment, "--jdk-home").out())
                .isEqualTo(other + "\n");
    }

    @Test
    void worksThroughLinksFromAnyDirectory() throws Exception {
        Path fresh = jdk("jvm/new", "25.0.3");
        Path bin = Files.createDirectories(folder.resolve("bin"));
        Path first = Files.createSymbolicLink(bin.resolve("c1"), REPO.resolve("cistern"));
        Path second = Files.createSymbolicLink(bin.resolve("c2"), first.getFileName());
        Result result = run(second, onlyIn(folder.resolve("jvm")), "--jdk-home");
        assertThat(result.out()).isEqualTo(fresh + "\n");
    }

    @Test
    void saysThatMavenIsMissingWhereSomethingMustBeBuilt() throws Exception {
        jdk("jvm/new", "25.0.3");
        Path repo = Files.createDirectories(folder.resolve("repo"));
        Files.copy(REPO.resolve("cistern"), repo.resolve("cistern"));
        Map<String, String> environment = new java.util.HashMap<>(onlyIn(folder.resolve("jvm")));
        for (String tool : List.of("mkdir", "flock", "touch")) {
            tool(tool);
        }
        Result result = run(repo.resolve("cistern"), environment, "status");
        assertThat(result.status()).isEqualTo(1);
        assertThat(result.err())
                .contains("needs Maven to build itself")
                .contains("apt-get install maven");
    }
}
