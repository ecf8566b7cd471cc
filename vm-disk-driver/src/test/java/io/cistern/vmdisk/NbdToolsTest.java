package io.cistern.vmdisk;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.cistern.block.MemoryBlockDevice;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.Test;

/// The server as the usual NBD programs see it.
class NbdToolsTest {
    private static final long MIB = 1 << 20;

    private static JsonNode info(Served served) throws IOException, InterruptedException {
        String output = Tool.run("nbdinfo", "--json", served.uri()).succeeded().output();
        return new ObjectMapper().readTree(output).get("exports").get(0);
    }

    private static Path randomFile(Served served, long bytes) throws IOException {
        long seed = System.nanoTime();
        System.out.println("seed " + seed);
        byte[] data = new byte[(int) bytes];
        new Random(seed).nextBytes(data);
        java.util.Arrays.fill(data, 1 << 20, 3 << 20, (byte) 0);
        return Files.write(served.file("data"), data);
    }

    @Test
    void nbdinfoFindsEveryFeature() throws Exception {
        try (Served served = new Served(64 * MIB)) {
            JsonNode export = info(served);
            assertThat(export.get("export-name").asText()).isEqualTo(Served.NAME);
            assertThat(export.get("export-size").asLong()).isEqualTo(64 * MIB);
            for (String feature :
                    new String[] {
                        "can_cache",
                        "can_df",
                        "can_fast_zero",
                        "can_flush",
                        "can_fua",
                        "can_multi_conn",
                        "can_trim",
                        "can_zero"
                    }) {
                assertThat(export.get(feature).asBoolean()).as(feature).isTrue();
            }
            assertThat(export.get("is_read_only").asBoolean()).isFalse();
            assertThat(export.get("contexts").get(0).asText()).isEqualTo("base:allocation");
            assertThat(export.get("block_size_minimum").asInt()).isEqualTo(1);
            assertThat(export.get("block_size_preferred").asInt()).isEqualTo(4096);
            assertThat(export.get("block_size_maximum").asInt()).isEqualTo(32 << 20);
            String list = Tool.run("nbdinfo", "--list", served.uri()).succeeded().output();
            assertThat(list).contains("export=\"disk\"");
        }
    }

    @Test
    void nbdinfoMapsWhatQemuIoLeaves() throws Exception {
        try (Served served = new Served(64 * MIB)) {
            qemuIo(
                    served,
                    "write -P 1 0 16M",
                    "read -P 1 5000 70000",
                    "read -P 0 16M 1M",
                    "write -P 7 777 3",
                    "read -P 7 777 3",
                    "read -P 1 780 1000",
                    "discard 1M 1M",
                    "read -P 0 1M 1M",
                    "write -z 3M 1M",
                    "write -zu 4M 1M",
                    "read -P 0 3M 2M",
                    "write -f -P 9 20M 4k",
                    "flush",
                    "aio_write -P 3 30M 1M",
                    "aio_write -P 4 31M 1M",
                    "aio_flush",
                    "read -P 3 30M 1M",
                    "read -P 4 31M 1M");
            String map = Tool.run("nbdinfo", "--map", served.uri()).succeeded().output();
            assertThat(map.lines().map(line -> line.strip().replaceAll(" +", " ")))
                    .containsExactly(
                            "0 1048576 0 data",
                            "1048576 1048576 3 hole,zero",
                            "2097152 1048576 0 data",
                            "3145728 1048576 2 zero",
                            "4194304 1048576 3 hole,zero",
                            "5242880 11534336 0 data",
                            "16777216 4194304 3 hole,zero",
                            "20971520 4096 0 data",
                            "20975616 10481664 3 hole,zero",
                            "31457280 2097152 0 data",
                            "33554432 33554432 3 hole,zero");
        }
    }

    @Test
    void nbdcopyGoesBothWays() throws Exception {
        try (Served served = new Served(48 * MIB)) {
            Path data = randomFile(served, 48 * MIB);
            Path back = served.file("back");
            Tool.run("nbdcopy", data.toString(), served.uri()).succeeded();
            Tool.run("nbdcopy", "--connections=4", served.uri(), back.toString()).succeeded();
            assertThat(Files.mismatch(data, back)).isEqualTo(-1);
            Tool.run("nbdcopy", "--synchronous", served.uri(), back.toString()).succeeded();
            assertThat(Files.mismatch(data, back)).isEqualTo(-1);
        }
    }

    @Test
    void qemuImgConvertsComparesAndTellsTheSize() throws Exception {
        try (Served served = new Served(48 * MIB)) {
            Path data = randomFile(served, 48 * MIB);
            Tool.run("qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", data + "", served.uri())
                    .succeeded();
            String compared =
                    Tool.run(
                                    "qemu-img",
                                    "compare",
                                    "-f",
                                    "raw",
                                    "-F",
                                    "raw",
                                    data + "",
                                    served.uri())
                            .succeeded()
                            .output();
            assertThat(compared).contains("identical");
            Path qcow2 = served.file("out.qcow2");
            Tool.run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", served.uri(), qcow2 + "")
                    .succeeded();
            assertThat(
                            Tool.run("qemu-img", "compare", qcow2 + "", served.uri())
                                    .succeeded()
                                    .output())
                    .contains("identical");
            assertThat(Tool.run("qemu-img", "info", served.uri()).succeeded().output())
                    .contains("48 MiB (50331648 bytes)");
            qemuIo(served, "write -P 0xee 5000 1");
            assertThat(Tool.run("qemu-img", "compare", data + "", served.uri()).exit())
                    .isEqualTo(1);
        }
    }

    @Test
    void qemuNbdListsTheExport() throws Exception {
        try (Served served = new Served(8 * MIB)) {
            String list =
                    Tool.run("qemu-nbd", "--list", "--socket=" + served.socket())
                            .succeeded()
                            .output();
            assertThat(list)
                    .contains("export: 'disk'", "size:  8388608", "base:allocation", "fast-zero");
        }
    }

    @Test
    void readOnlyExportsRefuseWrites() throws Exception {
        MemoryBlockDevice device = new MemoryBlockDevice(4 * MIB);
        try (Served served = new Served(device, true, NbdLimits.DEFAULT)) {
            assertThat(info(served).get("is_read_only").asBoolean()).isTrue();
            assertThat(Tool.run("qemu-io", "-f", "raw", "-c", "write 0 4k", served.uri()).exit())
                    .isNotZero();
            Tool.run("qemu-io", "-r", "-f", "raw", "-c", "read -P 0 0 4k", served.uri())
                    .succeeded();
        }
    }

    private static void qemuIo(Served served, String... commands)
            throws IOException, InterruptedException {
        String[] line = new String[4 + 2 * commands.length];
        line[0] = "qemu-io";
        line[1] = "-f";
        line[2] = "raw";
        for (int i = 0; i < commands.length; i++) {
            line[3 + 2 * i] = "-c";
            line[4 + 2 * i] = commands[i];
        }
        line[line.length - 1] = served.uri();
        String output = Tool.run(line).succeeded().output();
        assertThat(output).doesNotContain("failed").doesNotContain("error");
    }
}
