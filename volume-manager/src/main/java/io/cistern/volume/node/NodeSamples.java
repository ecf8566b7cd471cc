package io.cistern.volume.node;

import io.cistern.storage.DiskCounters;
import io.cistern.storage.VolumeState;
import io.cistern.storage.group.ReplicaActivity;
import io.cistern.storage.group.ReplicaStatus;
import io.cistern.storage.group.VolumeIo;
import io.cistern.volume.ClusterNode.Sample;
import io.cistern.volume.node.NodeReport.DiskReport;
import io.cistern.volume.system.SystemState;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;

/// Puts together one node's numbers for the metrics page.
final class NodeSamples {
    private final String node;
    private final SystemState state;
    private final List<Sample> samples = new ArrayList<>();

    /// @param state knows the names of volumes
    NodeSamples(String node, SystemState state) {
        this.node = node;
        this.state = state;
    }

    List<Sample> samples() {
        return samples;
    }

    private void add(String name, double value, String... labels) {
        List<String> all = new ArrayList<>(List.of("node", node));
        all.addAll(List.of(labels));
        samples.add(new Sample(name, all, value));
    }

    /// @param written what each open disk has written, by its number; null for a closed one
    NodeSamples disks(List<DiskReport> disks, IntFunction<@Nullable DiskCounters> written) {
        for (DiskReport disk : disks) {
            String id = node + "/" + disk.number();
            add("cistern_disk_total_bytes", disk.totalBytes(), "disk", id);
            add("cistern_disk_free_bytes", disk.freeBytes(), "disk", id);
            add("cistern_disk_failed", disk.error() == null ? 0 : 1, "disk", id);
            DiskCounters counters = written.apply(disk.number());
            if (counters != null) {
                add("cistern_disk_user_written_bytes_total", counters.userBytes(), "disk", id);
                add("cistern_disk_data_written_bytes_total", counters.dataBytes(), "disk", id);
                add("cistern_disk_data_syncs_total", counters.dataSyncs(), "disk", id);
                add("cistern_disk_map_written_bytes_total", counters.mapBytes(), "disk", id);
                add("cistern_disk_map_syncs_total", counters.mapSyncs(), "disk", id);
            }
        }
        return this;
    }

    NodeSamples replicas(List<ReplicaStatus> replicas) {
        for (ReplicaStatus s : replicas) {
            String g = s.group().toString();
            boolean leads = s.role() == ReplicaStatus.Role.LEADER;
            add("cistern_group_leader", leads ? 1 : 0, "group", g);
            add("cistern_group_applied_index", s.appliedIndex(), "group", g);
            add("cistern_group_behind_entries", Math.max(0, s.behind()), "group", g);
            add("cistern_group_used_bytes", s.usage().usedBytes(), "group", g);
            add("cistern_checkpoint_index", s.checkpointIndex(), "group", g);
            add("cistern_raft_term", s.term(), "group", g);
            add("cistern_raft_fsyncs_total", s.log().fsyncs(), "group", g);
            add("cistern_raft_commands_total", s.log().commands(), "group", g);
            add("cistern_raft_log_written_bytes_total", s.log().bytesWritten(), "group", g);
            add("cistern_raft_log_bytes", s.log().bytes(), "group", g);
            add("cistern_blocks_damaged_total", s.repairs().damagedBlocks(), "group", g);
            add("cistern_blocks_repaired_total", s.repairs().repairedBlocks(), "group", g);
            add("cistern_copied_bytes_total", s.repairs().copiedBytes(), "group", g);
            add("cistern_replica_quarantined", s.quarantined() == null ? 0 : 1, "group", g);
            ReplicaStatus.Progress copy = s.copy();
            add("cistern_copy_done_bytes", copy == null ? 0 : copy.done(), "group", g);
            add("cistern_copy_total_bytes", copy == null ? 0 : copy.total(), "group", g);
        }
        return this;
    }

    NodeSamples activity(List<ReplicaActivity> replicas) {
        for (ReplicaActivity replica : replicas) {
            String g = replica.group().toString();
            replica.peerBehind()
                    .forEach((peer, entries) ->
                            add(
                                    "cistern_raft_peer_behind_entries",
                                    entries,
                                    "group",
                                    g,
                                    "peer",
                                    peer));
            store(replica, g);
            for (VolumeIo io : replica.io()) {
                String volume = name(io.volume());
                if (volume != null) {
                    io.operations().forEach(count -> count(count, g, volume));
                }
            }
            if (replica.leads()) {
                replica.volumes().forEach(v -> volume(v, g));
            }
        }
        return this;
    }

    private void store(ReplicaActivity replica, String g) {
        var store = replica.store();
        add("cistern_checkpoints_total", store.checkpoints(), "group", g);
        add(
                "cistern_checkpoint_last_duration_seconds",
                store.lastCheckpointMillis() / 1e3,
                "group",
                g);
        add("cistern_checkpoint_pending_rows", store.dirtyRows(), "group", g);
        add("cistern_checkpoint_pending_free_bytes", store.freedBytes(), "group", g);
        add("cistern_gc_pending_branches", store.branchesToCollect(), "group", g);
        var scrub = replica.scrub();
        add("cistern_scrub_passes_total", scrub.passes(), "group", g);
        add("cistern_scrub_read_bytes_total", scrub.bytes(), "group", g);
        add("cistern_scrub_done_bytes", scrub.done(), "group", g);
        add("cistern_scrub_size_bytes", scrub.total(), "group", g);
    }

    private @Nullable String name(long volume) {
        SystemState.Volume known = state.volumes().get(volume);
        return known == null ? null : known.name();
    }

    private void count(VolumeIo.Count count, String g, String volume) {
        if (count.requests() == 0 && count.failed() == 0) {
            return; // most volumes are never discarded from, many never written to
        }
        String op = count.operation().name().toLowerCase(Locale.ROOT);
        String[] labels = {"group", g, "volume", volume, "op", op};
        add("cistern_volume_requests_total", count.requests(), labels);
        add("cistern_volume_bytes_total", count.bytes(), labels);
        add("cistern_volume_failures_total", count.failed(), labels);
        String base = "cistern_volume_latency_seconds";
        List<Double> bounds = VolumeIo.boundsSeconds();
        long upTo = 0;
        for (int i = 0; i < bounds.size(); i++) {
            upTo += count.classes().get(i);
            add(base + "_bucket", upTo, bounded(labels, bounds.get(i).toString()));
        }
        add(base + "_bucket", count.requests(), bounded(labels, "+Inf"));
        add(base + "_sum", count.seconds(), labels);
        add(base + "_count", count.requests(), labels);
    }

    private static String[] bounded(String[] labels, String bound) {
        String[] all = java.util.Arrays.copyOf(labels, labels.length + 2);
        all[labels.length] = "le";
        all[labels.length + 1] = bound;
        return all;
    }

    private void volume(VolumeState v, String g) {
        String volume = name(v.volume());
        if (volume == null) {
            return;
        }
        add("cistern_volume_size_bytes", v.sizeBytes(), "group", g, "volume", volume);
        add("cistern_volume_snapshots", v.snapshots().size(), "group", g, "volume", volume);
        Map<String, Integer> modes = new TreeMap<>();
        v.attachments()
                .forEach(a ->
                        modes.merge(
                                a.mode().name().toLowerCase(Locale.ROOT).replace('_', '-'),
                                1,
                                Integer::sum));
        modes.forEach((mode, n) ->
                add("cistern_volume_attachments", n, "group", g, "volume", volume, "mode", mode));
    }
}
