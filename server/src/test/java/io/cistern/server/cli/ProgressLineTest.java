package io.cistern.server.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.PrintWriter;
import java.io.StringWriter;
import org.junit.jupiter.api.Test;

class ProgressLineTest {
    @Test
    void whatBeginsIsSaidWithoutWaiting() {
        StringWriter err = new StringWriter();
        try (ProgressLine line = new ProgressLine("drain", new PrintWriter(err))) {
            line.report(0, 1 << 20, -1, "g1: opening a replica on n3");
            line.report(0, 1 << 20, -1, "g1: opening a replica on n3");
            line.report(1 << 19, 1 << 20, 1000, "g1: copying to n3");
        }
        assertThat(err.toString())
                .containsOnlyOnce("drain: 0 %, 0 B of 1 MiB, 0 B/s; g1: opening a replica on n3")
                .contains("drain: 50 %, 512 KiB of 1 MiB")
                .endsWith("1 s left; g1: copying to n3" + System.lineSeparator());
    }
}
