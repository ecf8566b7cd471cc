package io.cistern.raft;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// SIGKILL at any moment: what was acknowledged is there, and the next start needs no help.
class KilledProcessTest {
    @TempDir Path directory;

    @Test
    void whatWasAcknowledgedSurvivesKills() throws Exception {
        Random random = new Random();
        Set<String> acknowledged = new HashSet<>();
        for (int round = 0; round < 3; round++) {
            acknowledged.addAll(writeAndKill(round * 1_000_000, 50 + random.nextInt(500)));
        }
        try (Cluster cluster = Cluster.of(directory, 1)) {
            RaftGroup group = cluster.leader();
            List<String> applied = cluster.machine(group).applied;
            assertThat(applied).containsAll(acknowledged).doesNotHaveDuplicates();
            assertThat(Cluster.propose(group, "more").result()).isEqualTo(applied.size());
        }
    }

    /// Lets a process write from `first` on, and kills it once `count` writes are acknowledged.
    private List<String> writeAndKill(int first, int count) throws Exception {
        Process process =
                new ProcessBuilder(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "-Xmx256m",
                                "-XX:TieredStopAtLevel=1",
                                "-XX:+UseSerialGC",
                                "-cp",
                                System.getProperty("java.class.path"),
                                KilledProcess.class.getName(),
                                directory.toString(),
                                Integer.toString(first))
                        .redirectError(ProcessBuilder.Redirect.DISCARD)
                        .start();
        List<String> acknowledged = new CopyOnWriteArrayList<>();
        CountDownLatch enough = new CountDownLatch(count);
        Thread reader =
                Thread.ofPlatform()
                        .start(() -> {
                            try (BufferedReader out = process.inputReader(StandardCharsets.UTF_8)) {
                                for (String line = out.readLine();
                                        line != null;
                                        line = out.readLine()) {
                                    if (line.matches("k\\d+")) {
                                        acknowledged.add(line);
                                        enough.countDown();
                                    }
                                }
                                while (enough.getCount() > 0) {
                                    enough.countDown();
                                }
                            } catch (IOException e) {
                                throw new UncheckedIOException(e);
                            }
                        });
        enough.await();
        // Not Process' own, which would also close the stream.
        process.toHandle().destroyForcibly();
        process.waitFor();
        reader.join();
        // The last line may have been cut short by the kill.
        List<String> whole = List.copyOf(acknowledged.subList(0, acknowledged.size() - 1));
        assertThat(whole).hasSizeGreaterThanOrEqualTo(count - 1);
        return whole;
    }
}
