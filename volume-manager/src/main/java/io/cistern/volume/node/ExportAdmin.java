package io.cistern.volume.node;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.storage.Command;
import io.cistern.storage.Command.AttachMode;
import io.cistern.storage.VolumeState.Attachment;
import io.cistern.volume.IscsiExport;
import io.cistern.volume.IscsiExport.Chap;
import io.cistern.volume.IscsiExport.PortalInfo;
import io.cistern.volume.system.SystemCommand;
import io.cistern.volume.system.SystemState;
import io.cistern.volume.system.SystemState.Export;
import io.cistern.volume.system.SystemState.Node;
import io.cistern.volume.system.SystemState.Volume;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Exports over iSCSI, see [io.cistern.volume.ClusterAdmin].
final class ExportAdmin {
    /// How holders of attachments that portals make begin.
    static final String HOLDER = "iscsi/";

    static final int MAX_INITIATORS = 256;

    /// RFC 7143 4.2.7.1.
    private static final int MAX_NAME_BYTES = 223;

    private static final int MAX_CHAP_BYTES = 255;

    /// 96 bits, RFC 7143 9.2.1.
    private static final int MIN_SECRET_BYTES = 12;

    /// How long nodes have to end their sessions before their attachments are ended for them.
    private static final Duration UNEXPORT_PATIENCE = Duration.ofSeconds(5);

    private static final Duration EXPORT_PATIENCE = Duration.ofSeconds(5);

    private final Cluster cluster;
    private final VolumeAdmin volumes;

    ExportAdmin(Cluster cluster, VolumeAdmin volumes) {
        this.cluster = cluster;
        this.volumes = volumes;
    }

    IscsiExport export(IscsiExport.Spec spec) {
        List<String> initiators = initiators(spec.initiators());
        Chap chap = spec.chap();
        Chap mutual = spec.mutual();
        check(chap, mutual);
        if (spec.blockBytes() != 512 && spec.blockBytes() != 4096) {
            throw invalid("a logical block has 512 or 4096 bytes, not " + spec.blockBytes());
        }
        Volume volume = cluster.volume(spec.volume());
        long size = volumes.describe(volume).sizeBytes();
        if (size % spec.blockBytes() != 0) {
            throw invalid(
                    "volume '"
                            + volume.name()
                            + "' has "
                            + size
                            + " bytes, no multiple of a logical block of "
                            + spec.blockBytes());
        }
        exclusive(volume)
                .ifPresent(holder -> {
                    throw taken(volume, holder);
                });
        cluster.system()
                .propose(
                        new SystemCommand.ExportVolume(
                                Cluster.request(),
                                volume.id(),
                                new Export(
                                        initiators,
                                        chap == null ? null : stored(chap),
                                        mutual == null ? null : stored(mutual),
                                        spec.blockBytes(),
                                        System.currentTimeMillis())),
                        Cluster.CONTROL);
        // Attached meanwhile? Who attaches looks for the export after it, too: one of both sees it.
        Optional<Attachment> late = exclusive(volume);
        if (late.isPresent()) {
            propose(new SystemCommand.UnexportVolume(Cluster.request(), volume.id()));
            throw taken(volume, late.get());
        }
        awaitPortals(volume);
        return info(cluster.fresh(), volume.id());
    }

    /// Waits until the portals of all nodes that answer have opened the volume, or for a while.
    private void awaitPortals(Volume volume) {
        SystemState state = cluster.catalog().state();
        Set<String> awaited = new LinkedHashSet<>();
        cluster.reports()
                .keySet()
                .forEach(name -> {
                    Node node = state.nodes().get(name);
                    if (node != null && node.iscsi() != null) {
                        awaited.add(HOLDER + name);
                    }
                });
        long deadline = System.nanoTime() + EXPORT_PATIENCE.toNanos();
        while (System.nanoTime() - deadline < 0) {
            portals(volume).forEach(a -> awaited.remove(a.holder()));
            if (awaited.isEmpty()) {
                return;
            }
            SystemClient.pause();
        }
    }

    private Optional<Attachment> exclusive(Volume volume) {
        return volumes.describe(volume).attachments().stream()
                .filter(a -> a.mode() == AttachMode.EXCLUSIVE)
                .findFirst();
    }

    private static CisternException taken(Volume volume, Attachment holder) {
        return new CisternException(
                ErrorCode.BUSY,
                "volume '"
                        + volume.name()
                        + "' is attached exclusively by "
                        + holder.holder()
                        + "; detach it first, or attach it with --shared");
    }

    void unexport(String name) {
        Volume volume = cluster.volume(name);
        propose(new SystemCommand.UnexportVolume(Cluster.request(), volume.id()));
        long deadline = System.nanoTime() + UNEXPORT_PATIENCE.toNanos();
        List<Attachment> left = portals(volume);
        while (!left.isEmpty() && System.nanoTime() - deadline < 0) {
            SystemClient.pause();
            left = portals(volume);
        }
        for (Attachment a : left) {
            volumes.execute(volume, new Command.Detach(volume.id(), a.id()));
        }
    }

    private List<Attachment> portals(Volume volume) {
        return volumes.describe(volume).attachments().stream()
                .filter(a -> a.holder().startsWith(HOLDER))
                .toList();
    }

    List<IscsiExport> list() {
        SystemState state = cluster.fresh();
        return state.targets().exports().keySet().stream()
                .map(id -> info(state, id))
                .sorted(Comparator.comparing(IscsiExport::volume))
                .toList();
    }

    private static IscsiExport info(SystemState state, long id) {
        Volume volume = state.volumes().get(id);
        Export export = state.targets().exports().get(id);
        if (volume == null || export == null) {
            throw new CisternException(
                    ErrorCode.NOT_FOUND, "the volume was unexported or deleted meanwhile");
        }
        SystemState.Chap chap = export.chap();
        SystemState.Chap mutual = export.mutual();
        List<PortalInfo> portals = new ArrayList<>();
        for (Map.Entry<String, Integer> e : state.targets().numbers().entrySet()) {
            Node node = state.nodes().get(e.getKey());
            for (String address : ExportMonitor.addresses(node == null ? null : node.iscsi())) {
                portals.add(new PortalInfo(e.getValue(), e.getKey(), address));
            }
        }
        portals.sort(Comparator.comparingInt(PortalInfo::number));
        return new IscsiExport(
                volume.name(),
                IscsiExport.PREFIX + volume.name(),
                export.initiators(),
                chap == null ? null : chap.user(),
                mutual == null ? null : mutual.user(),
                export.blockBytes(),
                export.createdMillis(),
                List.copyOf(portals));
    }

    private void propose(SystemCommand command) {
        cluster.system().propose(command, Cluster.CONTROL);
    }

    // ---- what is allowed

    private static List<String> initiators(List<String> given) {
        if (given.size() > MAX_INITIATORS) {
            throw new CisternException(
                    ErrorCode.LIMIT,
                    given.size() + " initiators; at most " + MAX_INITIATORS + " for one export");
        }
        Set<String> names = new LinkedHashSet<>();
        for (String name : given) {
            String lower = name.toLowerCase(java.util.Locale.ROOT);
            boolean fits =
                    lower.matches(
                                    "iqn\\.[0-9]{4}-[0-9]{2}\\.[a-z0-9.:-]+|eui\\.[0-9a-f]{16}|naa\\.([0-9a-f]{16}|[0-9a-f]{32})")
                            && lower.length() <= MAX_NAME_BYTES;
            if (!fits) {
                throw invalid(
                        "'"
                                + name
                                + "' is not the name of an iSCSI initiator, as iqn.1993-08.org.debian:01:abc (see /etc/iscsi/initiatorname.iscsi there)");
            }
            names.add(lower);
        }
        return List.copyOf(names);
    }

    private static void check(@Nullable Chap chap, @Nullable Chap mutual) {
        if (mutual != null && chap == null) {
            throw invalid("a target proves itself only to initiators that do: give CHAP as well");
        }
        if (chap != null) {
            check(chap, "CHAP");
        }
        if (mutual != null && chap != null) {
            check(mutual, "mutual CHAP");
            if (mutual.secret().equals(chap.secret())) {
                // RFC 7143 9.2.1: one secret for both directions lets a reflected challenge pass.
                throw invalid("the secrets of the two directions must differ");
            }
        }
    }

    private static void check(Chap chap, String what) {
        int user = chap.user().getBytes(StandardCharsets.UTF_8).length;
        int secret = chap.secret().getBytes(StandardCharsets.UTF_8).length;
        if (user < 1 || user > MAX_CHAP_BYTES || chap.user().chars().anyMatch(c -> c < ' ')) {
            throw invalid("the name for " + what + " must have 1 to 255 printable characters");
        }
        if (secret < MIN_SECRET_BYTES || secret > MAX_CHAP_BYTES) {
            throw invalid(
                    "the secret for "
                            + what
                            + " has "
                            + secret
                            + " bytes; iSCSI asks for at least 96 bits: use 12 to 255 bytes");
        }
    }

    private static SystemState.Chap stored(Chap chap) {
        return new SystemState.Chap(chap.user(), Objects.requireNonNull(chap.secret()));
    }

    private static CisternException invalid(String message) {
        return new CisternException(ErrorCode.INVALID, message);
    }
}
