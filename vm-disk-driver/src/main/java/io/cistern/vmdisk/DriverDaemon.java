package io.cistern.vmdisk;

import io.cistern.block.BlockDevice;
import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.storage.Command.AttachMode;
import io.cistern.volume.VolumeDevice;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The driver of one host: any number of attachments, each a volume on a socket.
///
/// It runs in a process of its own, so that the death of a node's process never closes a client's
/// connection. Its list of attachments is durable: after any end of the process the next start in
/// the same home offers the same volumes on the same sockets. All methods may be called by any
/// thread; they block.
public final class DriverDaemon implements AutoCloseable {
    /// Most attachments of one driver.
    public static final int MAX_ATTACHMENTS = 256;

    private static final Logger LOG = LoggerFactory.getLogger(DriverDaemon.class);
    private static final long RETRY_MS = 1_000;
    private static final long DETACH_PATIENCE_MS = 3_000;
    private static final long REFRESH_S = 10;

    private final Path home;
    private final VolumeOpener opener;
    private final DiskServers servers;
    private final AttachmentStore store;
    private final HomeLock lock;
    private final String holder;

    // Guarded by this. Keyed by socket path, in the order of attaching.
    private final Map<String, Attachment> attachments = new LinkedHashMap<>();
    private final List<Thread> retries = new ArrayList<>();
    private boolean stopping;
    private long changes;

    /// Held while the list is written, and taken before this.
    private final Object saving = new Object();

    /// Up to which change the list is durable. Guarded by `saving`.
    private long saved;

    private DriverDaemon(
            Path home, VolumeOpener opener, long bufferBytes, NbdLimits limits, HomeLock lock) {
        this.home = home;
        this.opener = opener;
        this.servers = DiskServers.of(bufferBytes, limits);
        this.store = new AttachmentStore(home);
        this.lock = lock;
        this.holder = "driver process " + ProcessHandle.current().pid() + " in " + home;
    }

    /// Starts the driver of a home, which is created if need be, and re-opens every attachment of
    /// its last life. Returns when each was tried once; those whose cluster cannot be reached yet
    /// are tried again in the background.
    ///
    /// @param bufferBytes limit of all request buffers together
    /// @throws CisternException BUSY where a driver already runs in that home; CORRUPT, IO
    public static DriverDaemon start(
            Path home, VolumeOpener opener, long bufferBytes, NbdLimits limits) {
        try {
            Files.createDirectories(home);
            Files.setPosixFilePermissions(home, PosixFilePermissions.fromString("rwx------"));
        } catch (IOException e) {
            throw new CisternException(
                    ErrorCode.IO, "cannot make the directory " + home + ": " + e.getMessage(), e);
        }
        HomeLock lock = HomeLock.take(home);
        try {
            DriverDaemon daemon = new DriverDaemon(home, opener, bufferBytes, limits, lock);
            daemon.reopen();
            return daemon;
        } catch (RuntimeException e) {
            lock.close();
            throw e;
        }
    }

    /// Offers a volume on a socket; returns when the socket answers. Attaching again what is
    /// attached in the same way changes nothing.
    ///
    /// @param volume `VOLUME` or `VOLUME@SNAPSHOT`; a snapshot is always read-only
    /// @param socket absolute path; null for a name after the volume in the driver's home
    /// @throws CisternException INVALID (name, path), BUSY (the socket is in use), LIMIT, and what
    ///   [VolumeOpener#open] throws
    public AttachmentView attach(
            String volume, AttachMode mode, Transport transport, @Nullable Path socket) {
        return attach(volume, mode, new Offer(transport, false), socket);
    }

    /// How a volume is offered.
    ///
    /// @param incoming true to take the volume over only when a guest, migrated here, first writes
    public record Offer(Transport transport, boolean incoming) {}

    /// As the other [#attach].
    public AttachmentView attach(
            String volume, AttachMode mode, Offer offer, @Nullable Path socket) {
        Transport transport = offer.transport();
        if (offer.incoming() && (mode == AttachMode.READ_ONLY || volume.indexOf('@') >= 0)) {
            throw new CisternException(
                    ErrorCode.INVALID,
                    "a guest that only reads needs no hand-over: attach as usual");
        }
        AttachmentRecord.checkName(volume);
        Path path = socket == null ? defaultSocket(volume, transport) : socket.normalize();
        AttachMode effective = volume.indexOf('@') < 0 ? mode : AttachMode.READ_ONLY;
        AttachmentRecord wanted =
                AttachmentRecord.wanted(
                        volume, effective, transport, path.toString(), offer.incoming());
        Attachment attachment = reserve(wanted);
        if (attachment.state() == Attachment.State.OPEN) {
            return AttachmentView.of(attachment);
        }
        try {
            open(attachment);
        } catch (RuntimeException e) {
            forget(attachment);
            if (attachment.remembered()) {
                saveChange();
            }
            attachment.detach();
            throw e;
        }
        LOG.info("{} is attached ({}) on {}", volume, effective, path);
        return AttachmentView.of(attachment);
    }

    /// Ends the attachments of a volume. Clients that are connected get a moment to leave.
    ///
    /// @param socket only the attachment on that socket; null for all of the volume
    /// @param force true to end it under clients that are still connected: they get errors
    /// @return how many
    /// @throws CisternException NOT_FOUND; BUSY where clients stay and `force` is false
    public int detach(String volume, @Nullable Path socket, boolean force) {
        List<Attachment> chosen =
                select(record ->
                        record.volume().equals(volume)
                                && (socket == null
                                        || record.socket().equals(socket.normalize().toString())));
        if (chosen.isEmpty()) {
            throw notAttached(volume);
        }
        for (Attachment attachment : chosen) {
            awaitUnused(attachment, force);
        }
        for (Attachment attachment : chosen) {
            forget(attachment);
        }
        save();
        chosen.forEach(Attachment::detach);
        LOG.info("{} is detached", volume);
        return chosen.size();
    }

    public List<AttachmentView> list() {
        return select(record -> true).stream().map(AttachmentView::of).toList();
    }

    /// Makes the clients of a volume that survive it connect anew, so that they see its present
    /// size. Others keep their connections and may use the new space, but see the old size.
    ///
    /// @param all true to cut also the connections of clients that may not survive it
    /// @return the volume's attachments and, by socket, how many connections were ended
    /// @throws CisternException NOT_FOUND
    public Map<String, Integer> notifyResize(String volume, boolean all) {
        List<Attachment> chosen = select(record -> record.volume().equals(volume));
        if (chosen.isEmpty()) {
            throw notAttached(volume);
        }
        Map<String, Integer> result = new LinkedHashMap<>();
        for (Attachment attachment : chosen) {
            BlockDevice device = attachment.device();
            if (device instanceof VolumeDevice known) {
                known.refresh().orTimeout(REFRESH_S, TimeUnit.SECONDS).join();
            }
            result.put(attachment.record().socket(), attachment.reconnect(all));
        }
        return result;
    }

    /// The driver's home.
    public Path home() {
        return home;
    }

    /// Stops in order: requests under way are answered, sockets close without an error to their
    /// clients. Attachments stay for the next start.
    @Override
    public void close() {
        List<Attachment> all;
        List<Thread> waiting;
        synchronized (this) {
            if (stopping) {
                return;
            }
            stopping = true;
            all = new ArrayList<>(attachments.values());
            waiting = new ArrayList<>(retries);
        }
        synchronized (saving) {
            // Whoever writes the list now has ended; nobody else begins.
            LOG.debug("stopping with {} attachments", all.size());
        }
        List<Thread> stops = new ArrayList<>(waiting);
        waiting.forEach(Thread::interrupt);
        for (Attachment attachment : all) {
            stops.add(Thread.ofVirtual().start(attachment::stop));
        }
        for (Thread stop : stops) {
            try {
                stop.join();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                break;
            }
        }
        opener.close();
        lock.close();
    }

    private void reopen() {
        List<Thread> attempts = new ArrayList<>();
        for (AttachmentRecord record : store.load()) {
            synchronized (this) {
                attachments.put(record.socket(), new Attachment(record, true));
            }
        }
        // The keys that attachments are continued with must be on disk before they are used; a list
        // of an older version had none.
        save();
        for (Attachment attachment : select(record -> true)) {
            boolean over = attachment.state() == Attachment.State.ENDED;
            attempts.add(
                    Thread.ofVirtual()
                            .start(() -> {
                                if (over) {
                                    openEnded(attachment);
                                } else {
                                    tryReopen(attachment);
                                }
                            }));
        }
        for (Thread attempt : attempts) {
            try {
                attempt.join();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return;
            }
        }
        save();
        for (Attachment attachment : select(record -> true)) {
            if (attachment.state() == Attachment.State.OPENING) {
                Thread retry = Thread.ofVirtual().unstarted(() -> keepReopening(attachment));
                synchronized (this) {
                    retries.add(retry);
                }
                retry.start();
            }
        }
    }

    private void keepReopening(Attachment attachment) {
        try {
            while (attachment.state() == Attachment.State.OPENING && !isStopping()) {
                Thread.sleep(RETRY_MS);
                tryReopen(attachment);
            }
            saveChange();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void tryReopen(Attachment attachment) {
        AttachmentRecord record = attachment.record();
        try {
            open(attachment);
            LOG.info("{} is attached again on {}", record.volume(), record.socket());
        } catch (RuntimeException e) {
            CisternException reason = CisternException.of(e);
            attachment.failed(reason);
            LOG.warn("cannot open {} again: {}", record.volume(), reason.getMessage());
            if (attachment.state() == Attachment.State.ENDED) {
                openEnded(attachment);
            }
        }
    }

    private void open(Attachment attachment) {
        attachment.open(opener, holder, servers, this::save, reason -> ended(attachment, reason));
    }

    private void openEnded(Attachment attachment) {
        try {
            attachment.openEnded(servers);
        } catch (RuntimeException e) {
            LOG.warn(
                    "{} has ended, and its socket cannot say so: {}",
                    attachment.record().volume(),
                    CisternException.of(e).getMessage());
        }
    }

    private void ended(Attachment attachment, CisternException reason) {
        LOG.warn("{} is no longer ours: {}", attachment.record().volume(), reason.getMessage());
        Thread.ofVirtual().start(this::saveChange);
    }

    /// Saves what has changed by itself. Not saving it is no loss: the next start finds it again.
    private void saveChange() {
        try {
            if (!isStopping()) {
                save();
            }
        } catch (CisternException e) {
            LOG.error("{}", e.getMessage());
        }
    }

    private Attachment reserve(AttachmentRecord wanted) {
        Attachment old;
        Attachment fresh = new Attachment(wanted, false);
        synchronized (this) {
            if (stopping) {
                throw stopping();
            }
            old = attachments.get(wanted.socket());
            if (old != null && old.state() != Attachment.State.ENDED) {
                AttachmentRecord present = old.record();
                if (old.state() == Attachment.State.OPEN
                        && present.volume().equals(wanted.volume())
                        && present.transport() == wanted.transport()
                        && present.mode() == wanted.mode()) {
                    return old;
                }
                throw new CisternException(
                        ErrorCode.BUSY,
                        "the socket "
                                + wanted.socket()
                                + " belongs to volume "
                                + present.volume()
                                + " ("
                                + present.mode()
                                + ", "
                                + old.state()
                                + "): detach that or choose another path");
            }
            if (old == null && attachments.size() >= MAX_ATTACHMENTS) {
                throw new CisternException(
                        ErrorCode.LIMIT,
                        "this driver has " + MAX_ATTACHMENTS + " attachments: detach some first");
            }
            attachments.remove(wanted.socket());
            attachments.put(wanted.socket(), fresh);
        }
        if (old != null) {
            old.detach();
        }
        return fresh;
    }

    private synchronized void forget(Attachment attachment) {
        attachments.values().remove(attachment);
    }

    /// Makes the present list durable. One write serves all who wait for it.
    private void save() {
        long change = nextChange();
        synchronized (saving) {
            if (saved >= change) {
                return;
            }
            long upTo;
            List<AttachmentRecord> records;
            synchronized (this) {
                if (stopping) {
                    throw stopping();
                }
                upTo = changes;
                records =
                        attachments.values().stream()
                                .filter(Attachment::remembered)
                                .map(Attachment::record)
                                .toList();
            }
            store.save(records);
            saved = upTo;
        }
    }

    private synchronized long nextChange() {
        return ++changes;
    }

    private static CisternException stopping() {
        return new CisternException(ErrorCode.UNAVAILABLE, "the driver is stopping");
    }

    private synchronized boolean isStopping() {
        return stopping;
    }

    private synchronized List<Attachment> select(Predicate<AttachmentRecord> which) {
        return attachments.values().stream().filter(a -> which.test(a.record())).toList();
    }

    private static void awaitUnused(Attachment attachment, boolean force) {
        try {
            if (!attachment.awaitNoPeers(force ? 0 : DETACH_PATIENCE_MS) && !force) {
                throw new CisternException(
                        ErrorCode.BUSY,
                        "volume "
                                + attachment.record().volume()
                                + " is in use by "
                                + attachment.peers()
                                + ": stop them, or detach with force");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CisternException(ErrorCode.UNAVAILABLE, "interrupted", e);
        }
    }

    private Path defaultSocket(String volume, Transport transport) {
        Path directory = home.resolve("sockets");
        try {
            Files.createDirectories(directory);
        } catch (IOException e) {
            throw new CisternException(
                    ErrorCode.IO, "cannot make " + directory + ": " + e.getMessage(), e);
        }
        return directory.resolve(volume + transport.suffix());
    }

    private static CisternException notAttached(String volume) {
        return new CisternException(
                ErrorCode.NOT_FOUND, "volume " + volume + " is not attached by this driver");
    }
}
