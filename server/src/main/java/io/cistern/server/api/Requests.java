package io.cistern.server.api;

import io.cistern.storage.Command.Limits;
import io.cistern.volume.ClusterAdmin.VerifyReport;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Bodies of requests and of answers that [io.cistern.volume.ClusterAdmin] has no record for. A
/// component marked [Nullable] may be left out.
public final class Requests {
    private Requests() {}

    /// @param limits none if left out
    /// @param replicas the cluster's default if 0 or left out
    public record CreateVolume(
            String name, long sizeBytes, @Nullable Integer replicas, @Nullable Limits limits) {}

    public record SetSize(long sizeBytes) {}

    public record SetName(String name) {}

    public record SetPreferredLeader(String node) {}

    /// @param snapshots each `VOLUME@SNAPSHOT`; all in one instant
    public record CreateSnapshots(List<String> snapshots) {}

    public record CloneVolume(String name, @Nullable Limits limits) {}

    /// @param snapshot `VOLUME@SNAPSHOT`
    /// @param names of the new volumes, 1 to [io.cistern.volume.ClusterAdmin#MAX_CLONES]
    /// @param limits of each; none if left out
    public record CloneVolumes(String snapshot, List<String> names, @Nullable Limits limits) {}

    public record AddDisk(String node, String path, @Nullable Long sizeBytes) {}

    /// @param volume every volume if left out
    public record Check(@Nullable String volume) {}

    /// @param safetySnapshot the snapshot that keeps what the volume was before
    public record RolledBack(String safetySnapshot) {}

    /// @param ended how many attachments were ended
    public record Detached(int ended) {}

    /// @param initiators iSCSI names of who may log in; anyone if left out
    /// @param chap what initiators have to prove themselves with; nothing if left out
    /// @param mutual what the target proves itself with
    /// @param blockBytes 512 or 4096; 512 if left out
    public record ExportVolume(
            String volume,
            @Nullable List<String> initiators,
            @Nullable ChapSecret chap,
            @Nullable ChapSecret mutual,
            @Nullable Integer blockBytes) {}

    /// @param secret 12 to 255 bytes; never answered
    public record ChapSecret(String user, String secret) {
        @Override
        public String toString() {
            return "ChapSecret[" + user + "]";
        }
    }

    /// @param done false where it goes on in the background
    public record Removal(boolean done) {}

    public record JoinToken(String token) {}

    /// A verification: running, or done with its report or error.
    ///
    /// @param etaMillis estimated time left, -1 if not known
    public record Verification(
            String id,
            boolean running,
            long doneBytes,
            long totalBytes,
            long etaMillis,
            @Nullable VerifyReport report,
            @Nullable Failure error) {}

    /// @param quotaBytes none if left out or 0
    /// @param allow client rules, each `CIDR[:flags]`; nobody may use it if left out
    public record CreateShare(
            String name, @Nullable Long quotaBytes, @Nullable List<String> allow) {}

    /// @param quotaBytes as it is if left out; 0 for none
    /// @param allow client rules; as they are if left out
    public record SetShare(@Nullable Long quotaBytes, @Nullable List<String> allow) {}

    /// @param volumes each `VOLUME@SNAPSHOT`; `shares` likewise, all in one instant
    public record SnapshotTogether(@Nullable List<String> volumes, @Nullable List<String> shares) {}

    /// The node that answers.
    public record Self(String name, String clusterId, long pid, String version) {}

    /// What every failed request is answered with.
    ///
    /// @param code a [io.cistern.block.ErrorCode]
    /// @param message one line: what happened, to what, what to do
    public record Failure(String code, String message) {}

    /// @param status a [io.cistern.volume.ClusterStatus.Health]
    public record HealthAnswer(String status, List<String> reasons) {}
}
