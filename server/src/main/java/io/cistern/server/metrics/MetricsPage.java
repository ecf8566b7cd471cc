package io.cistern.server.metrics;

import io.cistern.volume.ClusterNode.Sample;
import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.Meter;
import io.micrometer.core.instrument.Tag;
import io.micrometer.core.instrument.Tags;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The metrics page of one node. Samples are taken when the page is asked for; a series whose
/// sample is gone (a deleted volume) leaves the page.
public final class MetricsPage {
    /// Most series on a page; further samples are left out, and a warning is logged.
    static final int MAX_SERIES = 20_000;

    private static final Logger LOG = LoggerFactory.getLogger(MetricsPage.class);

    private final PrometheusMeterRegistry registry =
            new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
    private final Map<Series, Live> live = new HashMap<>();
    private final Set<String> unknown = ConcurrentHashMap.newKeySet();
    private final String node;
    private final List<Supplier<List<Sample>>> sources;

    private record Series(Metric metric, Tags tags) {}

    private record Live(Meter meter, AtomicReference<Double> value) {}

    public MetricsPage(String node, List<Supplier<List<Sample>>> sources) {
        this.node = node;
        this.sources = List.copyOf(sources);
    }

    /// The page in Prometheus' text format. Any thread; blocks while another page is made.
    public synchronized String text() {
        Set<Series> seen = new HashSet<>();
        Histograms histograms = new Histograms(node, MAX_SERIES);
        for (Supplier<List<Sample>> source : sources) {
            for (Sample sample : source.get()) {
                if (!histograms.add(sample)) {
                    update(sample, seen);
                }
            }
        }
        live.entrySet()
                .removeIf(e -> {
                    boolean gone = !seen.contains(e.getKey());
                    if (gone) {
                        registry.remove(e.getValue().meter());
                    }
                    return gone;
                });
        return registry.scrape() + histograms.text();
    }

    /// Names of samples that the catalogue lacks, so far.
    public Set<String> unknownNames() {
        return Set.copyOf(unknown);
    }

    private void update(Sample sample, Set<Series> seen) {
        Metric metric = Metric.byName(sample.name());
        List<Tag> tags = new ArrayList<>();
        for (int i = 0; i + 1 < sample.labels().size(); i += 2) {
            if (!sample.labels().get(i).equals("node")) {
                tags.add(Tag.of(sample.labels().get(i), sample.labels().get(i + 1)));
            }
        }
        if (metric == null
                || metric.kind() == Metric.Kind.HISTOGRAM
                || !metric.labels().equals(tags.stream().map(Tag::getKey).toList())) {
            if (unknown.size() < 100 && unknown.add(sample.name())) {
                LOG.warn(
                        "metric {} {} is not in the catalogue and not shown",
                        sample.name(),
                        sample.labels());
            }
            return;
        }
        Series series = new Series(metric, Tags.of(tags).and("node", node));
        seen.add(series);
        Live known = live.get(series);
        if (known == null) {
            if (live.size() >= MAX_SERIES) {
                LOG.warn("more than {} series: {} is left out", MAX_SERIES, series);
                return;
            }
            known = register(series);
            live.put(series, known);
        }
        known.value().set(sample.value());
    }

    private Live register(Series series) {
        AtomicReference<Double> value = new AtomicReference<>(0.0);
        Metric metric = series.metric();
        Meter meter =
                switch (metric.kind()) {
                    case COUNTER ->
                            FunctionCounter.builder(
                                            metric.metricName(), value, AtomicReference::get)
                                    .description(metric.help())
                                    .tags(series.tags())
                                    .register(registry);
                    case GAUGE ->
                            Gauge.builder(metric.metricName(), value, AtomicReference::get)
                                    .description(metric.help())
                                    .tags(series.tags())
                                    .strongReference(true)
                                    .register(registry);
                    case HISTOGRAM -> throw new IllegalArgumentException(metric.metricName());
                };
        return new Live(meter, value);
    }
}
