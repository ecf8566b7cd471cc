package io.cistern.server.metrics;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/// Every metric of the metrics page. `docs/metrics.md` is checked against it; a sample that is not
/// listed here is not shown.
public enum Metric {
    GROUP_LEADER(
            Kind.GAUGE,
            "cistern_group_leader",
            "1 where this node leads the group, else 0.",
            "group"),
    GROUP_TERM(Kind.GAUGE, "cistern_group_term", "Raft term as this replica knows it.", "group"),
    RAFT_APPLIED_INDEX(
            Kind.GAUGE, "cistern_raft_applied_index", "Last log entry applied here.", "group"),
    RAFT_PURGED_INDEX(
            Kind.GAUGE,
            "cistern_raft_purged_index",
            "Log entries up to here are dropped.",
            "group"),
    RAFT_LOG_BYTES(Kind.GAUGE, "cistern_raft_log_bytes", "Bytes of the log now on disk.", "group"),
    RAFT_FSYNCS(Kind.COUNTER, "cistern_raft_fsyncs_total", "Log syncs of this replica.", "group"),
    RAFT_ENTRIES(
            Kind.COUNTER,
            "cistern_raft_entries_total",
            "Entries appended to this replica's log.",
            "group"),
    RAFT_COMMANDS(Kind.COUNTER, "cistern_raft_commands_total", "Commands applied here.", "group"),
    RAFT_WRITTEN_BYTES(
            Kind.COUNTER,
            "cistern_raft_written_bytes_total",
            "Bytes appended to this replica's log.",
            "group"),
    RAFT_FOLLOWER_LAG(
            Kind.GAUGE,
            "cistern_raft_follower_lag_entries",
            "On the leader: log entries that the member has not confirmed.",
            "group",
            "peer"),
    RAFT_FOLLOWER_SILENCE(
            Kind.GAUGE,
            "cistern_raft_follower_silence_seconds",
            "On the leader: time since the member last answered.",
            "group",
            "peer"),

    VOLUME_READS(Kind.COUNTER, "cistern_volume_reads_total", "Reads served here.", "volume"),
    VOLUME_READ_BYTES(
            Kind.COUNTER, "cistern_volume_read_bytes_total", "Bytes read here.", "volume"),
    VOLUME_WRITES(
            Kind.COUNTER,
            "cistern_volume_writes_total",
            "Writes led here to completion.",
            "volume"),
    VOLUME_WRITTEN_BYTES(
            Kind.COUNTER, "cistern_volume_written_bytes_total", "Bytes written here.", "volume"),

    DISK_BYTES(Kind.GAUGE, "cistern_disk_bytes", "Bytes of data the disk can hold.", "disk"),
    DISK_FREE_BYTES(Kind.GAUGE, "cistern_disk_free_bytes", "Bytes left for new slots.", "disk"),
    DISK_READ_BYTES(
            Kind.COUNTER, "cistern_disk_read_bytes_total", "Bytes read from slots.", "disk"),
    DISK_WRITTEN_BYTES(
            Kind.COUNTER, "cistern_disk_written_bytes_total", "Bytes written to slots.", "disk"),
    CHECKPOINTS(Kind.COUNTER, "cistern_checkpoints_total", "Checkpoints made.", "group"),

    CHECKSUM_FAILURES(
            Kind.COUNTER,
            "cistern_checksum_failures_total",
            "Blocks read whose checksum did not match.",
            "group"),
    REPAIRED_BLOCKS(
            Kind.COUNTER,
            "cistern_repaired_blocks_total",
            "Blocks rewritten from another replica.",
            "group"),
    SCRUBBED_BYTES(
            Kind.COUNTER,
            "cistern_scrubbed_bytes_total",
            "Bytes read and checked by scrub.",
            "group"),
    CATCH_UP_BYTES(
            Kind.COUNTER,
            "cistern_catch_up_bytes_total",
            "Bytes received from other replicas to catch up.",
            "group"),

    API_REQUESTS(
            Kind.COUNTER, "cistern_api_requests_total", "Requests to this REST API.", "status"),

    JVM_HEAP_USED(Kind.GAUGE, "cistern_jvm_heap_used_bytes", "Java heap in use."),
    JVM_HEAP_MAX(Kind.GAUGE, "cistern_jvm_heap_max_bytes", "Largest Java heap."),
    JVM_DIRECT_USED(Kind.GAUGE, "cistern_jvm_direct_used_bytes", "Direct buffer memory in use."),
    JVM_GC_SECONDS(Kind.COUNTER, "cistern_jvm_gc_seconds_total", "Time spent collecting garbage."),
    JVM_THREADS(Kind.GAUGE, "cistern_jvm_threads", "Live platform threads."),
    PROCESS_CPU_SECONDS(
            Kind.COUNTER, "cistern_process_cpu_seconds_total", "CPU time of the process."),
    PROCESS_UPTIME(Kind.GAUGE, "cistern_process_uptime_seconds", "Time since its start.");

    private static final Map<String, Metric> BY_NAME =
            Arrays.stream(values()).collect(Collectors.toMap(Metric::metricName, m -> m));

    /// As Prometheus knows types.
    public enum Kind {
        COUNTER,
        GAUGE
    }

    private final Kind kind;
    private final String metricName;
    private final String help;
    private final List<String> labels;

    Metric(Kind kind, String metricName, String help, String... labels) {
        this.kind = kind;
        this.metricName = metricName;
        this.help = help;
        this.labels = List.of(labels);
    }

    public Kind kind() {
        return kind;
    }

    public String metricName() {
        return metricName;
    }

    public String help() {
        return help;
    }

    /// Names of its labels. `node` comes with every metric beside them.
    public List<String> labels() {
        return labels;
    }

    static @org.jspecify.annotations.Nullable Metric byName(String name) {
        return BY_NAME.get(name);
    }

    /// `docs/metrics.md`.
    public static String markdown() {
        StringBuilder out =
                new StringBuilder(
                        """
                        # Metrics

                        Each node serves them at `/metrics` of its REST API, in the text format of Prometheus. Every one also has the label
                        `node`. This page is generated from the code and checked by a test.

                        | name | type | labels | meaning |
                        |---|---|---|---|
                        """);
        for (Metric m : values()) {
            out.append("| `")
                    .append(m.metricName)
                    .append("` | ")
                    .append(m.kind.name().toLowerCase(java.util.Locale.ROOT))
                    .append(" | ")
                    .append(
                            m.labels.stream()
                                    .map(l -> "`" + l + "`")
                                    .collect(Collectors.joining(", ")))
                    .append(" | ")
                    .append(m.help)
                    .append(" |\n");
        }
        return out.toString();
    }
}
