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
    GROUP_APPLIED_INDEX(
            Kind.GAUGE, "cistern_group_applied_index", "Last log entry applied here.", "group"),
    GROUP_USED_BYTES(
            Kind.GAUGE,
            "cistern_group_used_bytes",
            "Bytes of slots that this node's replica holds.",
            "group"),
    REPLICA_QUARANTINED(
            Kind.GAUGE,
            "cistern_replica_quarantined",
            "1 where this replica is damaged and to be replaced, else 0.",
            "group"),

    RAFT_FSYNCS(Kind.COUNTER, "cistern_raft_fsyncs_total", "Log syncs of this replica.", "group"),
    RAFT_COMMANDS(Kind.COUNTER, "cistern_raft_commands_total", "Commands applied here.", "group"),
    RAFT_LOG_WRITTEN_BYTES(
            Kind.COUNTER,
            "cistern_raft_log_written_bytes_total",
            "Bytes appended to this replica's log.",
            "group"),
    RAFT_LOG_BYTES(Kind.GAUGE, "cistern_raft_log_bytes", "Bytes of the log now on disk.", "group"),

    BLOCKS_DAMAGED(
            Kind.COUNTER,
            "cistern_blocks_damaged_total",
            "Blocks whose checksum did not match, found by reads, scrub and verify.",
            "group"),
    BLOCKS_REPAIRED(
            Kind.COUNTER,
            "cistern_blocks_repaired_total",
            "Damaged blocks rewritten from another replica.",
            "group"),
    COPIED_BYTES(
            Kind.COUNTER,
            "cistern_copied_bytes_total",
            "Bytes received from other replicas to catch up where the log did not reach.",
            "group"),

    DISK_TOTAL_BYTES(
            Kind.GAUGE, "cistern_disk_total_bytes", "Bytes of data the disk can hold.", "disk"),
    DISK_FREE_BYTES(Kind.GAUGE, "cistern_disk_free_bytes", "Bytes left for new slots.", "disk"),

    ISCSI_SESSIONS(Kind.GAUGE, "cistern_iscsi_sessions", "Sessions at this node's iSCSI portal."),
    ISCSI_CONNECTIONS(
            Kind.COUNTER, "cistern_iscsi_connections_total", "Connections accepted there."),
    ISCSI_CONNECTIONS_REFUSED(
            Kind.COUNTER,
            "cistern_iscsi_connections_refused_total",
            "Connections closed because of a limit."),
    ISCSI_LOGINS(Kind.COUNTER, "cistern_iscsi_logins_total", "Logins that succeeded."),
    ISCSI_LOGINS_FAILED(
            Kind.COUNTER, "cistern_iscsi_logins_failed_total", "Logins that were refused."),
    ISCSI_AUTHENTICATIONS_FAILED(
            Kind.COUNTER,
            "cistern_iscsi_authentications_failed_total",
            "Logins refused for wrong or missing CHAP."),
    ISCSI_COMMANDS(Kind.COUNTER, "cistern_iscsi_commands_total", "SCSI commands completed."),
    ISCSI_READ_BYTES(Kind.COUNTER, "cistern_iscsi_read_bytes_total", "Bytes sent to initiators."),
    ISCSI_WRITTEN_BYTES(
            Kind.COUNTER, "cistern_iscsi_written_bytes_total", "Bytes received from initiators."),
    ISCSI_REJECTS(Kind.COUNTER, "cistern_iscsi_rejects_total", "Messages that broke the protocol."),
    ISCSI_DIGEST_ERRORS(
            Kind.COUNTER, "cistern_iscsi_digest_errors_total", "Digests that did not match."),
    ISCSI_TIMEOUTS(
            Kind.COUNTER,
            "cistern_iscsi_timeouts_total",
            "Connections dropped because the initiator was silent."),

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
