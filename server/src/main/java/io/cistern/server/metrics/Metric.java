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

    GROUP_BEHIND_ENTRIES(
            Kind.GAUGE,
            "cistern_group_behind_entries",
            "Entries that the leader had applied, when it last asked, and this replica had not.",
            "group"),
    RAFT_PEER_BEHIND_ENTRIES(
            Kind.GAUGE,
            "cistern_raft_peer_behind_entries",
            "On a leader: entries that this member had not applied at its last report, about a second ago.",
            "group",
            "peer"),
    RAFT_TERM(Kind.GAUGE, "cistern_raft_term", "Term of this replica.", "group"),

    VOLUME_REQUESTS(
            Kind.COUNTER,
            "cistern_volume_requests_total",
            "Requests that this node's replica has answered; `op` is read, write or zero (discards included).",
            "group",
            "volume",
            "op"),
    VOLUME_BYTES(
            Kind.COUNTER,
            "cistern_volume_bytes_total",
            "Bytes of these requests.",
            "group",
            "volume",
            "op"),
    VOLUME_FAILURES(
            Kind.COUNTER,
            "cistern_volume_failures_total",
            "Requests refused for good, as for want of space; not those that are to be sent again.",
            "group",
            "volume",
            "op"),
    VOLUME_LATENCY(
            Kind.HISTOGRAM,
            "cistern_volume_latency_seconds",
            "Time from a request's arrival at the replica to its answer.",
            "group",
            "volume",
            "op"),
    VOLUME_SIZE_BYTES(
            Kind.GAUGE,
            "cistern_volume_size_bytes",
            "Size of the volume. Of the leader only, like the next two.",
            "group",
            "volume"),
    VOLUME_SNAPSHOTS(
            Kind.GAUGE, "cistern_volume_snapshots", "Snapshots of the volume.", "group", "volume"),
    VOLUME_ATTACHMENTS(
            Kind.GAUGE,
            "cistern_volume_attachments",
            "Who uses the volume; `mode` is exclusive, shared or read-only.",
            "group",
            "volume",
            "mode"),

    CHECKPOINTS(
            Kind.COUNTER,
            "cistern_checkpoints_total",
            "Checkpoints of this replica since it opened.",
            "group"),
    CHECKPOINT_SECONDS(
            Kind.GAUGE,
            "cistern_checkpoint_last_duration_seconds",
            "What the last checkpoint took.",
            "group"),
    CHECKPOINT_INDEX(
            Kind.GAUGE,
            "cistern_checkpoint_index",
            "The log is not needed up to this entry.",
            "group"),
    CHECKPOINT_PENDING_ROWS(
            Kind.GAUGE,
            "cistern_checkpoint_pending_rows",
            "Changed map rows in memory, which the next checkpoint writes.",
            "group"),
    CHECKPOINT_PENDING_FREE_BYTES(
            Kind.GAUGE,
            "cistern_checkpoint_pending_free_bytes",
            "Space freed that the next checkpoint makes usable again.",
            "group"),
    GC_PENDING_BRANCHES(
            Kind.GAUGE,
            "cistern_gc_pending_branches",
            "Lines of snapshots in which deletions have left garbage that is yet to be collected.",
            "group"),

    SCRUB_PASSES(
            Kind.COUNTER, "cistern_scrub_passes_total", "Scrubs that were completed.", "group"),
    SCRUB_READ_BYTES(
            Kind.COUNTER,
            "cistern_scrub_read_bytes_total",
            "Bytes that scrubs have read and verified.",
            "group"),
    SCRUB_DONE_BYTES(
            Kind.GAUGE,
            "cistern_scrub_done_bytes",
            "How far the scrub under way is; 0 where none is.",
            "group"),
    SCRUB_SIZE_BYTES(
            Kind.GAUGE,
            "cistern_scrub_size_bytes",
            "What it will read; 0 where none is under way, or it is not known.",
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

    COPY_DONE_BYTES(
            Kind.GAUGE,
            "cistern_copy_done_bytes",
            "How far a copy to this replica is; 0 where none is under way.",
            "group"),
    COPY_TOTAL_BYTES(
            Kind.GAUGE,
            "cistern_copy_total_bytes",
            "What it is copying; 0 where none is under way.",
            "group"),

    DISK_TOTAL_BYTES(
            Kind.GAUGE, "cistern_disk_total_bytes", "Bytes of data the disk can hold.", "disk"),
    DISK_FREE_BYTES(Kind.GAUGE, "cistern_disk_free_bytes", "Bytes left for new slots.", "disk"),
    DISK_USER_WRITTEN_BYTES(
            Kind.COUNTER,
            "cistern_disk_user_written_bytes_total",
            "Bytes of users' writes applied to the replicas on this disk.",
            "disk"),
    DISK_DATA_WRITTEN_BYTES(
            Kind.COUNTER,
            "cistern_disk_data_written_bytes_total",
            "Bytes written to the disk's slots.",
            "disk"),
    DISK_DATA_SYNCS(
            Kind.COUNTER, "cistern_disk_data_syncs_total", "Syncs of the disk's slots.", "disk"),
    DISK_MAP_WRITTEN_BYTES(
            Kind.COUNTER,
            "cistern_disk_map_written_bytes_total",
            "Bytes written to the disk's block map.",
            "disk"),
    DISK_MAP_SYNCS(
            Kind.COUNTER,
            "cistern_disk_map_syncs_total",
            "Syncs of the disk's block map and its checkpoint marks.",
            "disk"),

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
    NFS_CONNECTIONS(
            Kind.GAUGE, "cistern_nfs_connections", "Connections to this node's NFS server."),
    NFS_CLIENTS(Kind.GAUGE, "cistern_nfs_clients", "NFSv4 client ids there."),
    NFS_OPENS(Kind.GAUGE, "cistern_nfs_opens", "Files that NFSv4 clients have open there."),
    NFS_SESSIONS(Kind.GAUGE, "cistern_nfs_sessions", "NFSv4 sessions there."),
    NFS_LOCKS(Kind.GAUGE, "cistern_nfs_locks", "Byte ranges that NFSv4 clients have locked there."),
    NFS_DELEGATIONS(
            Kind.GAUGE, "cistern_nfs_delegations", "Read delegations that clients hold there."),
    NFS_DELEGATIONS_REVOKED(
            Kind.COUNTER,
            "cistern_nfs_delegations_revoked_total",
            "Delegations taken away because they were not given back in time."),
    NFS_GRACE(
            Kind.GAUGE,
            "cistern_nfs_shares_in_grace",
            "Shares there whose clients are reclaiming."),
    NFS_IN_FLIGHT(Kind.GAUGE, "cistern_nfs_calls_in_flight", "RPC calls under way there."),
    NFS_HELD_BYTES(
            Kind.GAUGE,
            "cistern_nfs_held_bytes",
            "Bytes of arguments of RPC calls under way there."),
    NFS_CALLBACKS(Kind.COUNTER, "cistern_nfs_callbacks_total", "Calls to clients from there."),
    NFS_THROTTLED(
            Kind.COUNTER,
            "cistern_nfs_throttled_total",
            "Times that reading calls there waited for others to be carried out."),
    NFS_CALLS(Kind.COUNTER, "cistern_nfs_calls_total", "RPC calls received there."),
    NFS_RECEIVED_BYTES(
            Kind.COUNTER, "cistern_nfs_received_bytes_total", "Bytes received in RPC calls."),
    NFS_SENT_BYTES(Kind.COUNTER, "cistern_nfs_sent_bytes_total", "Bytes sent in RPC replies."),
    NFS_MALFORMED(
            Kind.COUNTER, "cistern_nfs_malformed_total", "RPC calls whose bytes did not decode."),
    NFS_OPERATIONS(
            Kind.COUNTER,
            "cistern_nfs_operations_total",
            "NFSv3 procedures and NFSv4 operations carried out.",
            "operation"),

    DISK_FAILED(
            Kind.GAUGE,
            "cistern_disk_failed",
            "1 where the disk is out of use; the status says why.",
            "disk"),

    NBD_REQUESTS(
            Kind.COUNTER,
            "cistern_nbd_requests_total",
            "Requests at the socket of an attached volume; `op` is read, write, flush, trim, zero or status. Of the driver, like all with `nbd` in the name.",
            "volume",
            "op"),
    NBD_BYTES(
            Kind.COUNTER,
            "cistern_nbd_bytes_total",
            "Bytes read and written there.",
            "volume",
            "op"),
    NBD_ERRORS(
            Kind.COUNTER, "cistern_nbd_errors_total", "Requests answered with an error.", "volume"),
    NBD_CONNECTIONS(Kind.GAUGE, "cistern_nbd_connections", "Clients connected now.", "volume"),
    NBD_ACCEPTED(
            Kind.COUNTER,
            "cistern_nbd_connections_accepted_total",
            "Connections since the socket was opened.",
            "volume"),
    NBD_REFUSED(
            Kind.COUNTER,
            "cistern_nbd_connections_refused_total",
            "Connections closed since too many were open.",
            "volume"),
    NBD_PROTOCOL_ERRORS(
            Kind.COUNTER,
            "cistern_nbd_protocol_errors_total",
            "Connections closed since the client broke the protocol.",
            "volume"),

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
        GAUGE,
        /// Its samples are named with `_bucket` (and one label more, `le`), `_sum` and `_count`.
        HISTOGRAM
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
                        `node`. Those of the driver process (NBD) are printed by `cistern driver metrics`, for a collector of text files; their
                        `node` is the host. Counters begin at 0 when the node, replica or socket opens. This page is generated from the code and
                        checked by a test.

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
