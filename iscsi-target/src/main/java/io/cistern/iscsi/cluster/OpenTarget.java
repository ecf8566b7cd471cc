package io.cistern.iscsi.cluster;

import io.cistern.block.CisternException;
import io.cistern.iscsi.cluster.UnitFactory.Parts;
import io.cistern.iscsi.cluster.UnitFactory.Unit;
import io.cistern.iscsi.scsi.ScsiTarget;
import io.cistern.iscsi.scsi.ThinSpace;
import io.cistern.storage.Command.AttachMode;
import io.cistern.volume.ClusterNode;
import io.cistern.volume.ExportView.Exported;
import io.cistern.volume.VolumeDevice;
import io.cistern.volume.VolumeInfo.AttachmentInfo;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// One exported volume at this node: keeps it open, shared, and the device server over it. Where
/// the attachment is ended by force, or the volume cannot be opened yet, it tries again.
///
/// ```
/// OPENING --attached--> OPEN --attachment ended--> OPENING
///    '---------- close ---'--> CLOSED
/// ```
final class OpenTarget implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(OpenTarget.class);
    private static final long RETRY_MILLIS = 1_000;
    private static final long RECORD_PATIENCE_MILLIS = 2_000;

    /// How attachments of portals are named; the node's name follows.
    static final String HOLDER = "iscsi/";

    private final ClusterNode node;
    private final UnitFactory units;
    private final Exported export;
    private final String name;
    private final int portTag;
    private final Thread thread;
    private volatile @Nullable ScsiTarget target;
    private volatile boolean closed;

    OpenTarget(ClusterNode node, UnitFactory units, Exported export, String name, int portTag) {
        this.node = node;
        this.units = units;
        this.export = export;
        this.name = name;
        this.portTag = portTag;
        this.thread = Thread.ofVirtual().name("target-" + export.volume()).start(this::run);
    }

    /// Null while the volume is not open.
    @Nullable ScsiTarget target() {
        return target;
    }

    private void run() {
        while (!closed) {
            try {
                serve();
            } catch (CisternException e) {
                log.warn("cannot offer {} now: {}", name, e.getMessage());
            } catch (InterruptedException closing) {
                return;
            } catch (RuntimeException e) {
                log.error("offering {} failed and is tried again", name, e);
            }
            try {
                Thread.sleep(RETRY_MILLIS);
            } catch (InterruptedException closing) {
                return;
            }
        }
    }

    /// Until the attachment ends, or [#close].
    private void serve() throws InterruptedException {
        String holder = HOLDER + node.name();
        VolumeDevice device = node.client().open(export.volume(), AttachMode.SHARED, holder);
        try (device) {
            endFormer(device, holder);
            learnRecord(device);
            try (ClusterPorts ports = new ClusterPorts(node.exports(), device);
                    SilentPortals _ = new SilentPortals(node, device)) {
                Unit unit =
                        units.make(
                                new Parts(
                                        name,
                                        UUID.fromString(node.clusterId()),
                                        export.volumeId(),
                                        export.blockBytes(),
                                        portTag,
                                        device,
                                        ports,
                                        new Space()));
                try {
                    target = unit.target();
                    log.info("offering {} at node {}", name, node.name());
                    CisternException why = device.ended().get();
                    log.warn("{} lost its attachment: {}", name, why.getMessage());
                } catch (ExecutionException | CancellationException closedElsewhere) {
                    log.debug("{} was closed", name, closedElsewhere);
                } finally {
                    target = null;
                    Quietly.close(List.of(unit.closing()));
                }
            }
        }
    }

    /// The unit begins with what is the case, so that its first initiators are not told of what
    /// happened before it was there. Without a leader it has to begin without.
    private void learnRecord(VolumeDevice device) throws InterruptedException {
        try {
            device.record().get(RECORD_PATIENCE_MILLIS, TimeUnit.MILLISECONDS);
        } catch (ExecutionException | TimeoutException e) {
            log.debug("{} is offered before its record is known", name, e);
        }
    }

    /// Ends what an earlier process of this node left attached.
    private void endFormer(VolumeDevice device, String holder) {
        for (AttachmentInfo a : node.client().attachments(export.volume())) {
            if (a.holder().equals(holder) && a.id() < device.attachment()) {
                node.admin().detach(export.volume(), a.id());
            }
        }
    }

    @Override
    public void close() {
        closed = true;
        thread.interrupt();
        try {
            thread.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private final class Space implements ThinSpace {
        @Override
        public long usedBytes() {
            return Math.max(0, node.exports().usedBytes(export.volumeId()));
        }

        @Override
        public long availableBytes() {
            return node.exports().availableBytes(export.group());
        }
    }
}
