package io.cistern.server.metrics;

import io.cistern.volume.ClusterNode.Sample;
import java.lang.management.BufferPoolMXBean;
import java.lang.management.GarbageCollectorMXBean;
import java.lang.management.ManagementFactory;
import java.lang.management.MemoryUsage;
import java.util.List;

/// Samples of this process itself.
public final class ProcessSamples {
    private ProcessSamples() {}

    public static List<Sample> take() {
        MemoryUsage heap = ManagementFactory.getMemoryMXBean().getHeapMemoryUsage();
        double direct = 0;
        for (BufferPoolMXBean pool : ManagementFactory.getPlatformMXBeans(BufferPoolMXBean.class)) {
            if (pool.getName().equals("direct")) {
                direct = pool.getMemoryUsed();
            }
        }
        double gcMillis = 0;
        for (GarbageCollectorMXBean gc : ManagementFactory.getGarbageCollectorMXBeans()) {
            gcMillis += Math.max(0, gc.getCollectionTime());
        }
        double cpuSeconds =
                ProcessHandle.current()
                        .info()
                        .totalCpuDuration()
                        .map(d -> d.toMillis() / 1e3)
                        .orElse(0.0);
        return List.of(
                of(Metric.JVM_HEAP_USED, heap.getUsed()),
                of(Metric.JVM_HEAP_MAX, heap.getMax()),
                of(Metric.JVM_DIRECT_USED, direct),
                of(Metric.JVM_GC_SECONDS, gcMillis / 1e3),
                of(Metric.JVM_THREADS, ManagementFactory.getThreadMXBean().getThreadCount()),
                of(Metric.PROCESS_CPU_SECONDS, cpuSeconds),
                of(Metric.PROCESS_UPTIME, ManagementFactory.getRuntimeMXBean().getUptime() / 1e3));
    }

    private static Sample of(Metric metric, double value) {
        return new Sample(metric.metricName(), List.of(), value);
    }
}
