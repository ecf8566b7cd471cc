package io.cistern.server.metrics;

import io.cistern.volume.ClusterNode.Sample;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/// The histograms of one metrics page, in Prometheus' text format (version 0.0.4). Their classes
/// come counted, so no registry keeps them.
final class Histograms {
    private static final List<String> PARTS = List.of("_bucket", "_sum", "_count");

    private final String node;
    private final int maxLines;
    private final Map<Metric, StringBuilder> texts = new TreeMap<>();
    private int lines;

    /// @param maxLines further ones are left out
    Histograms(String node, int maxLines) {
        this.node = node;
        this.maxLines = maxLines;
    }

    /// Takes the sample if it is part of a histogram of the catalogue.
    boolean add(Sample sample) {
        for (String part : PARTS) {
            Metric metric = metric(sample.name(), part);
            if (metric == null) {
                continue;
            }
            List<String> keys = new ArrayList<>();
            StringBuilder labels = new StringBuilder();
            for (int i = 0; i + 1 < sample.labels().size(); i += 2) {
                String key = sample.labels().get(i);
                if (!key.equals("node")) {
                    keys.add(key);
                    labels.append(key)
                            .append("=\"")
                            .append(escaped(sample.labels().get(i + 1)))
                            .append("\",");
                }
            }
            List<String> wanted = new ArrayList<>(metric.labels());
            if (part.equals("_bucket")) {
                wanted.add("le");
            }
            if (!keys.equals(wanted)) {
                return false;
            }
            line(metric, sample, labels);
            return true;
        }
        return false;
    }

    private static @Nullable Metric metric(String name, String part) {
        if (!name.endsWith(part)) {
            return null;
        }
        Metric metric = Metric.byName(name.substring(0, name.length() - part.length()));
        return metric != null && metric.kind() == Metric.Kind.HISTOGRAM ? metric : null;
    }

    private void line(Metric metric, Sample sample, CharSequence labels) {
        if (lines >= maxLines) {
            return;
        }
        lines++;
        texts.computeIfAbsent(metric, m -> new StringBuilder())
                .append(sample.name())
                .append('{')
                .append(labels)
                .append("node=\"")
                .append(escaped(node))
                .append("\"} ")
                .append(sample.value())
                .append('\n');
    }

    private static String escaped(String value) {
        return value.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n");
    }

    String text() {
        StringBuilder all = new StringBuilder();
        texts.forEach((metric, text) ->
                all.append("# HELP ")
                        .append(metric.metricName())
                        .append(' ')
                        .append(metric.help())
                        .append("\n# TYPE ")
                        .append(metric.metricName())
                        .append(" histogram\n")
                        .append(text));
        return all.toString();
    }
}
