package io.cistern.vmdisk;

import io.cistern.block.BlockDevice;
import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.storage.Command.AttachMode;
import io.cistern.volume.ClusterClient.Resumption;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// One volume that the driver offers on one socket: OPENING until device and socket are there, then
/// OPEN, and ENDED once the cluster has given the volume to somebody else.
///
/// An ended attachment keeps its socket: its clients get errors, and do not wait for a server that
/// will never come.
final class Attachment {
    private static final Logger LOG = LoggerFactory.getLogger(Attachment.class);

    /// Where an attachment stands.
    enum State {
        OPENING,
        OPEN,
        ENDED,
        CLOSED
    }

    // All guarded by this.
    private AttachmentRecord record;
    private State state;
    private String problem = "";
    private boolean remembered;
    private @Nullable BlockDevice device;
    private @Nullable DiskServer server;
    private @Nullable AutoCloseable resizeListener;

    /// @param remembered true where it comes from the list of an earlier life
    Attachment(AttachmentRecord record, boolean remembered) {
        this.record = record;
        this.remembered = remembered;
        this.state = record.ended().isEmpty() ? State.OPENING : State.ENDED;
        this.problem = record.ended();
    }

    /// Opens the device, notes the right to it, then opens the socket. Blocks.
    ///
    /// The order matters: nobody is served under an attachment that the next start would not know.
    ///
    /// @param noted makes the record durable
    /// @param onEnd called once if the cluster ends the attachment later
    /// @throws CisternException why it cannot be opened; the attachment is as before
    void open(
            VolumeOpener opener,
            String holder,
            DiskServers servers,
            Runnable noted,
            Consumer<CisternException> onEnd) {
        AttachmentRecord wanted = record();
        Path socket = Path.of(wanted.socket());
        SocketPath.checkFree(socket);
        AttachMode mode = wanted.incoming() ? AttachMode.READ_ONLY : wanted.mode();
        VolumeOpener.Opened granted =
                opener.open(
                        new VolumeOpener.Request(
                                wanted.volume(), mode, holder, resumption(wanted)));
        VolumeOpener.Opened opened =
                wanted.incoming()
                        ? new VolumeOpener.Opened(
                                new HandoverDevice(
                                        granted.device(),
                                        () -> takeOver(opener, holder, noted, onEnd)),
                                granted.attachment(),
                                granted.ended())
                        : granted;
        DiskServer started;
        try {
            note(wanted.granted(opened.attachment(), opened.device().sizeBytes()));
            noted.run();
            boolean readOnly = wanted.readOnly() || opened.device().readOnly();
            started =
                    servers.open(
                            wanted.transport(),
                            new Export(wanted.exportName(), opened.device(), readOnly),
                            socket);
        } catch (RuntimeException e) {
            opened.device().close();
            throw e;
        }
        if (!commit(opened, started)) {
            started.close();
            opened.device().close();
            throw new CisternException(
                    ErrorCode.UNAVAILABLE, wanted.volume() + " was detached while it was opened");
        }
        watch(opened, onEnd);
    }

    private void watch(VolumeOpener.Opened opened, Consumer<CisternException> onEnd) {
        CompletableFuture<CisternException> ended = opened.ended();
        ended.whenComplete((reason, cancelled) -> {
            if (reason != null && end(reason)) {
                onEnd.accept(reason);
            }
        });
    }

    /// The guest that was waited for has begun to write. Blocks.
    private BlockDevice takeOver(
            VolumeOpener opener, String holder, Runnable noted, Consumer<CisternException> onEnd) {
        AttachmentRecord waiting = record();
        VolumeOpener.Opened opened =
                opener.open(
                        new VolumeOpener.Request(waiting.volume(), waiting.mode(), holder, null));
        try {
            note(waiting.takenOver(opened.attachment(), opened.device().sizeBytes()));
            noted.run();
        } catch (RuntimeException e) {
            note(waiting);
            opened.device().close();
            throw e;
        }
        LOG.info("{} is taken over: its guest has arrived", waiting.volume());
        watch(opened, onEnd);
        return opened.device();
    }

    /// A snapshot has no attachment that could be continued.
    private static @Nullable Resumption resumption(AttachmentRecord wanted) {
        return wanted.attachment() == 0
                ? null
                : new Resumption(wanted.attachment(), wanted.resumeKey());
    }

    private synchronized void note(AttachmentRecord granted) {
        record = granted;
        remembered = true;
    }

    private synchronized boolean commit(VolumeOpener.Opened opened, DiskServer started) {
        if (state != State.OPENING) {
            return false;
        }
        device = opened.device();
        server = started;
        state = State.OPEN;
        problem = "";
        resizeListener = opened.device().onResize(size -> resized(started, size));
        return true;
    }

    synchronized AttachmentRecord record() {
        return record;
    }

    /// True once it belongs on the durable list.
    synchronized boolean remembered() {
        return remembered;
    }

    synchronized State state() {
        return state;
    }

    synchronized String problem() {
        return problem;
    }

    /// Opens the socket of an attachment that has ended, so that whoever waits there is told.
    ///
    /// @throws CisternException as [#open]
    void openEnded(DiskServers servers) {
        AttachmentRecord ended = record();
        CisternException reason = new CisternException(ErrorCode.FENCED, ended.ended());
        DiskServer started =
                servers.open(
                        ended.transport(),
                        new Export(
                                ended.exportName(),
                                new EndedDevice(ended.sizeBytes(), reason),
                                ended.readOnly()),
                        Path.of(ended.socket()));
        boolean wanted;
        synchronized (this) {
            wanted = state == State.ENDED && server == null;
            if (wanted) {
                server = started;
            }
        }
        if (!wanted) {
            started.close();
        }
    }

    /// Notes why the last attempt to open failed.
    synchronized void failed(CisternException reason) {
        problem = String.valueOf(reason.getMessage());
        if (reason.code() == ErrorCode.FENCED || reason.code() == ErrorCode.NOT_FOUND) {
            state = State.ENDED;
            record = record.withEnd(problem);
        }
    }

    synchronized long sizeBytes() {
        BlockDevice open = device;
        return open == null ? 0 : open.sizeBytes();
    }

    synchronized @Nullable BlockDevice device() {
        return device;
    }

    synchronized List<Peer> peers() {
        DiskServer current = server;
        return current == null ? List.of() : current.peers();
    }

    synchronized NbdMetrics.@Nullable Snapshot metrics() {
        DiskServer current = server;
        return current == null ? null : current.metrics();
    }

    /// Makes clients that survive it connect anew, so that they see the present size.
    ///
    /// @param all true also for clients that may not survive it
    /// @return how many
    int reconnect(boolean all) {
        DiskServer current;
        synchronized (this) {
            current = server;
        }
        return current == null ? 0 : current.resized(peer -> all || peer.reconnects());
    }

    /// Waits until no client is connected.
    ///
    /// @return false where some still are after `millis`
    boolean awaitNoPeers(long millis) throws InterruptedException {
        DiskServer current;
        synchronized (this) {
            current = server;
        }
        return current == null || current.awaitNoPeers(millis);
    }

    /// Ends use for good: clients that are still connected get ESHUTDOWN and then the end of the
    /// stream; the device is closed, which ends the attachment in the cluster.
    void detach() {
        DiskServer current;
        synchronized (this) {
            current = server;
        }
        if (current != null) {
            current.refuse();
        }
        stop();
        BlockDevice open = device();
        if (open != null) {
            open.close();
        }
    }

    /// Answers what is under way and closes the socket, but keeps the right to the volume.
    void stop() {
        DiskServer current;
        AutoCloseable listener;
        synchronized (this) {
            state = State.CLOSED;
            current = server;
            listener = resizeListener;
            server = null;
            resizeListener = null;
        }
        if (listener != null) {
            try {
                listener.close();
            } catch (Exception e) {
                LOG.warn("{}: no longer listening to its size failed", record().volume(), e);
            }
        }
        if (current != null) {
            current.close();
        }
    }

    private synchronized boolean end(CisternException reason) {
        if (state != State.OPEN) {
            return false;
        }
        state = State.ENDED;
        problem = String.valueOf(reason.getMessage());
        record = record.withEnd(problem);
        return true;
    }

    private void resized(DiskServer current, long sizeBytes) {
        int reconnected = current.resized(Peer::reconnects);
        LOG.info(
                "{} has {} bytes now; {} clients connect anew to see it",
                record().volume(),
                sizeBytes,
                reconnected);
    }
}
