package io.cistern.server.metrics;

import io.cistern.vmdisk.AttachmentView;
import io.cistern.vmdisk.NbdMetrics;
import io.cistern.volume.ClusterNode.Sample;
import java.util.ArrayList;
import java.util.List;

/// Samples of a driver's attached volumes.
public final class DriverSamples {
    private DriverSamples() {}

    public static List<Sample> of(List<AttachmentView> attachments) {
        List<Sample> samples = new ArrayList<>();
        for (AttachmentView view : attachments) {
            NbdMetrics.Snapshot nbd = view.metrics();
            if (nbd != null) {
                add(samples, view.volume(), nbd);
            }
        }
        return samples;
    }

    private static void add(List<Sample> samples, String volume, NbdMetrics.Snapshot nbd) {
        operation(samples, Metric.NBD_REQUESTS, volume, "read", nbd.reads());
        operation(samples, Metric.NBD_REQUESTS, volume, "write", nbd.writes());
        operation(samples, Metric.NBD_REQUESTS, volume, "flush", nbd.flushes());
        operation(samples, Metric.NBD_REQUESTS, volume, "trim", nbd.trims());
        operation(samples, Metric.NBD_REQUESTS, volume, "zero", nbd.zeroes());
        operation(samples, Metric.NBD_REQUESTS, volume, "status", nbd.statusQueries());
        operation(samples, Metric.NBD_BYTES, volume, "read", nbd.readBytes());
        operation(samples, Metric.NBD_BYTES, volume, "write", nbd.writeBytes());
        volume(samples, Metric.NBD_ERRORS, volume, nbd.errors());
        volume(samples, Metric.NBD_CONNECTIONS, volume, nbd.connections());
        volume(samples, Metric.NBD_ACCEPTED, volume, nbd.accepted());
        volume(samples, Metric.NBD_REFUSED, volume, nbd.refused());
        volume(samples, Metric.NBD_PROTOCOL_ERRORS, volume, nbd.protocolErrors());
    }

    private static void operation(
            List<Sample> samples, Metric metric, String volume, String op, long value) {
        List<String> labels = List.of("volume", volume, "op", op);
        samples.add(new Sample(metric.metricName(), labels, value));
    }

    private static void volume(List<Sample> samples, Metric metric, String volume, long value) {
        samples.add(new Sample(metric.metricName(), List.of("volume", volume), value));
    }
}
