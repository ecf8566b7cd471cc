package io.cistern.server.metrics;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.volume.ClusterNode.Sample;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class MetricsPageTest {
    private final List<Sample> samples = new ArrayList<>();
    private final MetricsPage page = new MetricsPage("n1", List.of(() -> List.copyOf(samples)));

    @Test
    void showsTypeHelpAndLabelsOfTheCatalogue() {
        samples.add(new Sample("cistern_raft_fsyncs_total", List.of("group", "g1"), 42));
        samples.add(new Sample("cistern_group_leader", List.of("group", "g1"), 1));
        assertThat(page.text().lines())
                .contains(
                        "# HELP cistern_raft_fsyncs_total Log syncs of this replica.",
                        "# TYPE cistern_raft_fsyncs_total counter",
                        "cistern_raft_fsyncs_total{group=\"g1\",node=\"n1\"} 42.0",
                        "# TYPE cistern_group_leader gauge",
                        "cistern_group_leader{group=\"g1\",node=\"n1\"} 1.0");
    }

    @Test
    void valuesFollowAndSeriesThatAreGoneLeave() {
        samples.add(new Sample("cistern_raft_fsyncs_total", List.of("group", "g1"), 1));
        samples.add(new Sample("cistern_raft_fsyncs_total", List.of("group", "g2"), 2));
        assertThat(page.text()).contains("{group=\"g1\",node=\"n1\"} 1.0").contains("g2");
        samples.clear();
        samples.add(new Sample("cistern_raft_fsyncs_total", List.of("group", "g1"), 7));
        assertThat(page.text()).contains("{group=\"g1\",node=\"n1\"} 7.0").doesNotContain("g2");
    }

    @Test
    void histogramsAreShownAsTheyWereCounted() {
        List<String> labels = List.of("group", "g1", "volume", "v\"1", "op", "read");
        List<String> bound = new ArrayList<>(labels);
        bound.addAll(List.of("le", "0.001"));
        String name = "cistern_volume_latency_seconds";
        samples.add(new Sample(name + "_bucket", bound, 3));
        samples.add(new Sample(name + "_sum", labels, 0.25));
        samples.add(new Sample(name + "_count", labels, 4));
        String all = "group=\"g1\",volume=\"v\\\"1\",op=\"read\",";
        assertThat(page.text().lines())
                .contains(
                        "# TYPE cistern_volume_latency_seconds histogram",
                        name + "_bucket{" + all + "le=\"0.001\",node=\"n1\"} 3.0",
                        name + "_sum{" + all + "node=\"n1\"} 0.25",
                        name + "_count{" + all + "node=\"n1\"} 4.0");
        samples.clear();
        samples.add(new Sample(name + "_bucket", labels, 3)); // without its bound
        assertThat(page.text()).doesNotContain(name);
    }

    @Test
    void whatTheCatalogueLacksIsNotShown() {
        samples.add(new Sample("cistern_no_such", List.of(), 1));
        samples.add(new Sample("cistern_raft_fsyncs_total", List.of("wrong", "g1"), 1));
        assertThat(page.text()).doesNotContain("no_such").doesNotContain("wrong");
        assertThat(page.unknownNames())
                .containsExactlyInAnyOrder("cistern_no_such", "cistern_raft_fsyncs_total");
    }

    @Test
    void namesFollowPrometheusConventions() {
        for (Metric m : Metric.values()) {
            assertThat(m.metricName()).matches("cistern_[a-z_]+[a-z]");
            assertThat(m.metricName().endsWith("_total"))
                    .as(m.metricName())
                    .isEqualTo(m.kind() == Metric.Kind.COUNTER);
            assertThat(m.help()).endsWith(".");
        }
    }

    @Test
    void processSamplesAreInTheCatalogue() {
        samples.addAll(ProcessSamples.take());
        assertThat(page.text())
                .contains("cistern_jvm_heap_used_bytes")
                .contains("cistern_process_cpu");
        assertThat(page.unknownNames()).isEmpty();
    }

    @Test
    void theDocumentationIsUpToDate() {
        Path file = Path.of(System.getProperty("cistern.repo", ".."), "docs/metrics.md");
        assertThat(file).as("write it by GeneratedDocs").hasContent(Metric.markdown());
    }
}
