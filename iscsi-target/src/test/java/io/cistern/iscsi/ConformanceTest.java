package io.cistern.iscsi;

import static org.assertj.core.api.Assertions.assertThat;

import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.nio.NioIoHandler;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// libiscsi's conformance suites (`iscsi-test-cu` of Debian's libiscsi-bin) against two portals
/// over one volume: every test in a process of its own, with leave to overwrite and to sanitize.
/// What each printed is left in `target/iscsi-test-cu`.
///
/// `-Dcistern.suite=REGEX` runs the tests whose names match.
class ConformanceTest {
    private static final Pattern NAME = Pattern.compile("(SCSI|iSCSI)\\.\\w+\\.[-\\w]+");
    private static final Pattern RESULT = Pattern.compile("tests +(\\d+) +(\\d+) +(\\d+) +(\\d+)");
    private static final String[] OPTIONS = {"-d", "-S", "-n"};
    private static final int PARALLEL = 3;

    enum Verdict {
        PASSED,
        SKIPPED,
        FAILED
    }

    /// Tests of this version that are wrong, so that they are not run.
    ///
    /// `docs/protocol/iscsi.md` says where in its source.
    ///
    /// GetLBAStatus.UnmapSingle asks for block i + 1 and expects the answer to begin at i + (blocks
    /// in a physical block). Right only where both are of one size.
    ///
    /// LUNResetSimpleAsync looks at the answer before it has been asked for.
    ///
    /// WriteAtomic16.Simple writes 256 blocks at once, whatever the Block Limits page allows: 1 MiB
    /// in blocks of 4,096 bytes.
    private static final Map<Integer, Set<String>> WRONG =
            Map.of(
                    512,
                    Set.of("SCSI.GetLBAStatus.UnmapSingle", "iSCSI.iSCSITMF.LUNResetSimpleAsync"),
                    4096,
                    Set.of("SCSI.WriteAtomic16.Simple", "iSCSI.iSCSITMF.LUNResetSimpleAsync"));

    @ParameterizedTest
    @ValueSource(ints = {512, 4096})
    void noTestOfTheSuitesFails(int blockBytes) throws Exception {
        Path logs = Files.createDirectories(Path.of("target", "iscsi-test-cu", "" + blockBytes));
        MultiThreadIoEventLoopGroup loops =
                new MultiThreadIoEventLoopGroup(2, NioIoHandler.newFactory());
        ExecutorService workers = Executors.newFixedThreadPool(PARALLEL);
        Map<String, Verdict> verdicts = new TreeMap<>();
        try {
            Map<String, CompletableFuture<Verdict>> running = new TreeMap<>();
            for (String test : tests(blockBytes)) {
                running.put(
                        test,
                        CompletableFuture.supplyAsync(
                                () -> verdict(loops, blockBytes, test, logs), workers));
            }
            running.forEach((test, verdict) -> verdicts.put(test, verdict.join()));
        } finally {
            workers.shutdownNow();
            loops.shutdownGracefully(0, 5, TimeUnit.SECONDS).awaitUninterruptibly();
        }
        List<String> lines = new ArrayList<>();
        verdicts.forEach((test, verdict) -> lines.add(verdict + " " + test));
        Files.write(logs.resolve("summary.txt"), lines);
        System.out.printf(
                "iscsi-test-cu, blocks of %d: %d passed, %d skipped, %d failed of %d%n",
                blockBytes,
                count(verdicts, Verdict.PASSED),
                count(verdicts, Verdict.SKIPPED),
                count(verdicts, Verdict.FAILED),
                verdicts.size());
        assertThat(lines).isNotEmpty().noneMatch(line -> line.startsWith("FAILED"));
    }

    private static long count(Map<String, Verdict> verdicts, Verdict which) {
        return verdicts.values().stream().filter(which::equals).count();
    }

    private static List<String> tests(int blockBytes) throws Exception {
        String filter = System.getProperty("cistern.suite", ".*");
        return Tool.run("iscsi-test-cu", "-l")
                .output()
                .lines()
                .map(String::trim)
                .filter(line -> NAME.matcher(line).matches() && line.matches(filter))
                .filter(line -> !WRONG.getOrDefault(blockBytes, Set.of()).contains(line))
                .distinct()
                .toList();
    }

    private static Verdict verdict(
            MultiThreadIoEventLoopGroup loops, int blockBytes, String test, Path logs) {
        try (SuiteServer server = new SuiteServer(loops, 256L << 20, blockBytes)) {
            List<String> command = new ArrayList<>(List.of("iscsi-test-cu"));
            command.addAll(List.of(OPTIONS));
            command.addAll(List.of("-t", test, server.url(1), server.url(2)));
            String output = Tool.run(command.toArray(String[]::new)).output();
            Files.writeString(logs.resolve(test + ".txt"), output);
            return judge(output);
        } catch (IOException e) {
            throw new IllegalStateException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        } catch (AssertionError e) {
            try {
                Files.writeString(logs.resolve(test + ".txt"), "" + e.getMessage());
            } catch (IOException again) {
                throw new IllegalStateException(again);
            }
            return Verdict.FAILED;
        }
    }

    /// One test ran and did not fail; it was skipped if it says so.
    private static Verdict judge(String output) {
        var result = RESULT.matcher(output);
        if (!result.find() || !result.group(2).equals("1") || !result.group(4).equals("0")) {
            return Verdict.FAILED;
        }
        return output.contains("[SKIPPED]") || output.contains("is not implemented")
                ? Verdict.SKIPPED
                : Verdict.PASSED;
    }
}
