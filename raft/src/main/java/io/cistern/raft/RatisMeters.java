package io.cistern.raft;

import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.apache.ratis.metrics.LongCounter;
import org.apache.ratis.metrics.MetricRegistries;
import org.apache.ratis.metrics.MetricRegistryInfo;
import org.apache.ratis.metrics.RatisMetricRegistry;
import org.apache.ratis.metrics.Timekeeper;
import org.apache.ratis.server.metrics.SegmentedRaftLogMetrics;
import org.apache.ratis.util.TimeDuration;

/// Ratis' metrics, reduced to what [RaftGroup.Stats] reports: Ratis times some twenty steps of each
/// entry, and keeping those times would cost more than the steps. Found by Ratis as a service.
public final class RatisMeters extends MetricRegistries {
    private static final Timekeeper.Context NO_TIME = () -> 0;
    private static final Map<MetricRegistryInfo, Registry> REGISTRIES = new ConcurrentHashMap<>();

    private static final class Counter implements LongCounter {
        private final LongAdder sum = new LongAdder();

        @Override
        public void inc(long n) {
            sum.add(n);
        }

        @Override
        public void dec(long n) {
            sum.add(-n);
        }

        @Override
        public long getCount() {
            return sum.sum();
        }
    }

    private record Registry(MetricRegistryInfo info, Map<String, Counter> counters)
            implements RatisMetricRegistry {
        @Override
        public Timekeeper timer(String name) {
            if (!name.equals(SegmentedRaftLogMetrics.RAFT_LOG_SYNC_TIME)) {
                return () -> NO_TIME;
            }
            LongCounter starts = counter(name);
            return () -> {
                starts.inc();
                return NO_TIME;
            };
        }

        @Override
        public LongCounter counter(String name) {
            return counters.computeIfAbsent(name, ignored -> new Counter());
        }

        @Override
        public boolean remove(String name) {
            return counters.remove(name) != null;
        }

        @Override
        public <T> void gauge(String name, Supplier<Supplier<T>> gauge) {
            // Nobody reads gauges.
        }

        @Override
        public MetricRegistryInfo getMetricRegistryInfo() {
            return info;
        }
    }

    /// Log syncs of a replica, by its Ratis member id.
    static long syncs(String memberId) {
        return REGISTRIES.values().stream()
                .filter(registry -> registry.info.getPrefix().equals(memberId))
                .map(r -> r.counters.get(SegmentedRaftLogMetrics.RAFT_LOG_SYNC_TIME))
                .mapToLong(counter -> counter == null ? 0 : counter.getCount())
                .sum();
    }

    @Override
    public void clear() {
        REGISTRIES.clear();
    }

    @Override
    public RatisMetricRegistry create(MetricRegistryInfo info) {
        return REGISTRIES.computeIfAbsent(
                info, ignored -> new Registry(info, new ConcurrentHashMap<>()));
    }

    @Override
    public boolean remove(MetricRegistryInfo key) {
        return REGISTRIES.remove(key) != null;
    }

    @Override
    public Optional<RatisMetricRegistry> get(MetricRegistryInfo info) {
        return Optional.ofNullable(REGISTRIES.get(info));
    }

    @Override
    public Set<MetricRegistryInfo> getMetricRegistryInfos() {
        return Set.copyOf(REGISTRIES.keySet());
    }

    @Override
    public Collection<RatisMetricRegistry> getMetricRegistries() {
        return List.copyOf(REGISTRIES.values());
    }

    @Override
    public void addReporterRegistration(
            Consumer<RatisMetricRegistry> registration, Consumer<RatisMetricRegistry> stop) {
        // There are no reporters.
    }

    @Override
    public void enableJmxReporter() {
        // There are no reporters.
    }

    @Override
    public void enableConsoleReporter(TimeDuration rate) {
        // There are no reporters.
    }
}
