package io.cistern.nas.recovery;

import static io.cistern.nas.share.Futures.await;

import io.cistern.block.fs.ByteString;
import io.cistern.block.fs.Call;
import io.cistern.block.fs.Call.Hold;
import io.cistern.block.fs.Call.StateChange;
import io.cistern.block.fs.Credentials;
import io.cistern.block.fs.FileId;
import io.cistern.block.fs.FileResults.StateEntry;
import io.cistern.block.fs.FileSystem;
import io.cistern.nas.share.Futures;
import io.cistern.nas.share.OpenShare;
import io.cistern.nas.share.Shares;
import io.cistern.nas.state.Client;
import io.cistern.nas.state.FileKey;
import io.cistern.nas.state.KnownClient;
import io.cistern.nas.state.NfsState;
import io.cistern.nas.state.Session;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// What the server keeps in a share so that the share's next owner, or this one after a restart,
/// knows who may reclaim, goes on with the clients' sessions, and knows which files are held for
/// opens.
///
/// ```
/// nfs/client/SHA-256 of the owner   ->  see ClientRecord        a client that had state there
/// nfs/held/inode:8                  ->  version:1 generation:4  a nameless file that was open
/// ```
///
/// A client is recorded before it is given anything, and nobody is given what a client had that
/// lost it before that client's record is gone ([#settle]): so a client that lost its state cannot
/// reclaim it (RFC 8881 section 8.4.3).
///
/// Any thread.
public final class Recovery implements NfsState.Listener, Shares.Listener {
    private static final Logger LOG = LoggerFactory.getLogger(Recovery.class);
    private static final ByteString CLIENTS = ByteString.utf8("nfs/client/");
    private static final ByteString HELD = ByteString.utf8("nfs/held/");
    private static final byte VERSION = 1;
    private static final int PAGE = 256;
    private static final int RELEASES_AT_ONCE = 64;

    private final Map<Long, FileSystem> shares = new ConcurrentHashMap<>();

    /// Owners whose records are to go before anybody is given anything.
    private final Map<Long, Set<ByteString>> doomed = new ConcurrentHashMap<>();

    /// Records that are being written; guarded by itself.
    private final Map<RecordKey, CompletableFuture<Void>> writing = new HashMap<>();

    private @Nullable NfsState state;

    private record RecordKey(long client, long share) {}

    public void state(NfsState value) {
        this.state = value;
    }

    private NfsState state() {
        NfsState s = state;
        if (s == null) {
            throw new IllegalStateException("not started");
        }
        return s;
    }

    /// This server has become the owner of a share.
    @Override
    public void opened(OpenShare share) {
        long id = share.entry().id();
        shares.put(id, share.files());
        List<KnownClient> known = new ArrayList<>();
        for (StateEntry entry : all(share.files(), CLIENTS)) {
            KnownClient client = ClientRecord.decode(entry.value());
            if (client == null) {
                LOG.warn("share {}: a client's record is not understood", share.entry().name());
            } else {
                known.add(client);
            }
        }
        state().takeovers().shareOpened(id, known);
        if (state().takeovers().inGrace(id)) {
            LOG.info(
                    "share {}: of {} clients some may reclaim", share.entry().name(), known.size());
        } else {
            dropUnusedHolds(id);
        }
    }

    private static List<StateEntry> all(FileSystem files, ByteString prefix) {
        List<StateEntry> found = new ArrayList<>();
        ByteString after = prefix;
        while (true) {
            List<StateEntry> page = await(files.states(prefix, after, PAGE));
            if (page.isEmpty()) {
                return found;
            }
            found.addAll(page);
            after = page.getLast().key();
        }
    }

    /// Makes sure that a client that is given state in a share could reclaim it, and that its
    /// session is known to the share's next owner. To be called before state is given and once more
    /// before that is answered: what a client has not had for a while is forgotten ([#tidy]).
    /// Blocks.
    ///
    /// @param kinds [io.cistern.nas.state.Kinds] of state that it is to have; NONE where it only
    ///   makes changes
    public void record(Client client, OpenShare share, int kinds) {
        settle(share);
        long id = share.entry().id();
        RecordKey key = new RecordKey(client.id(), id);
        while (true) {
            CompletableFuture<Void> write;
            boolean other;
            synchronized (writing) {
                CompletableFuture<Void> running = writing.get(key);
                other = running != null;
                if (running == null) {
                    KnownClient known = state().takeovers().toRecord(client, id, kinds);
                    if (known == null) {
                        return;
                    }
                    running = write(key, client, known, share.files());
                }
                write = running;
            }
            try {
                await(write);
            } catch (RuntimeException e) {
                if (!other) {
                    throw e;
                }
            }
        }
    }

    /// Writes a record; the caller has [#writing].
    private CompletableFuture<Void> write(
            RecordKey key, Client client, KnownClient known, FileSystem files) {
        CompletableFuture<Void> written = new CompletableFuture<>();
        writing.put(key, written);
        change(files, known)
                .whenComplete((nothing, e) -> {
                    if (e != null) {
                        state().takeovers().recordFailed(client, key.share);
                    }
                    synchronized (writing) {
                        writing.remove(key, written);
                    }
                    if (e == null) {
                        written.complete(null);
                    } else {
                        written.completeExceptionally(e);
                    }
                });
        return written;
    }

    private static CompletableFuture<Void> change(FileSystem files, KnownClient known) {
        try {
            return files.changeState(List.of(recordOf(known)));
        } catch (RuntimeException e) {
            return CompletableFuture.failedFuture(e);
        }
    }

    /// Takes back from the records what clients have not had for a while. To be called now and
    /// then; does not block.
    public void tidy() {
        shares.forEach((share, files) -> {
            for (Client client : state().takeovers().recordedIn(share)) {
                RecordKey key = new RecordKey(client.id(), share);
                synchronized (writing) {
                    KnownClient known =
                            writing.containsKey(key)
                                    ? null
                                    : state().takeovers().toForget(client, share);
                    if (known != null) {
                        write(key, client, known, files);
                    }
                }
            }
        });
    }

    private static StateChange recordOf(KnownClient client) {
        return new StateChange(clientKey(client.owner()), ClientRecord.encode(client));
    }

    /// Returns when clients that lost what they had in the share cannot reclaim it any more.
    /// Blocks.
    public void settle(OpenShare share) {
        settle(share.entry().id());
    }

    private void settle(long share) {
        Set<ByteString> owners = doomed.get(share);
        FileSystem files = shares.get(share);
        if (owners == null || files == null || owners.isEmpty()) {
            return;
        }
        synchronized (owners) { // a record that is written after this must not be struck off
            while (!owners.isEmpty()) {
                List<ByteString> now = owners.stream().limit(PAGE).toList();
                await(
                        files.changeState(
                                now.stream()
                                        .map(o -> new StateChange(clientKey(o), null))
                                        .toList()));
                now.forEach(owners::remove);
            }
        }
    }

    private static ByteString clientKey(ByteString owner) {
        try {
            byte[] digest = MessageDigest.getInstance("SHA-256").digest(owner.toByteArray());
            ByteBuffer key = ByteBuffer.allocate(CLIENTS.length() + digest.length);
            CLIENTS.putTo(key);
            return ByteString.of(key.put(digest).array());
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
        }
    }

    private static ByteString heldKey(long inode) {
        ByteBuffer key = ByteBuffer.allocate(HELD.length() + 8);
        HELD.putTo(key);
        return ByteString.of(key.putLong(inode).array());
    }

    static StateChange holdRecord(FileId file) {
        ByteBuffer value = ByteBuffer.allocate(5).put(VERSION).putInt(file.generation());
        return new StateChange(heldKey(file.inode()), ByteString.of(value.array()));
    }

    @Override
    public void released(FileKey key) {
        FileSystem files = shares.get(key.share());
        if (files != null) {
            release(files, key.inode(), null);
        }
    }

    /// Ends a hold, in the background: it is only space that is kept meanwhile.
    ///
    /// @return never fails
    private static CompletableFuture<Void> release(
            FileSystem files, long inode, @Nullable FileId known) {
        return files.state(heldKey(inode))
                .thenCompose(value -> {
                    FileId file = known == null ? heldFile(inode, value) : known;
                    return file == null
                            ? CompletableFuture.<Void>completedFuture(null)
                            : files.change(
                                    Call.of(Credentials.ROOT)
                                            .withHolds(
                                                    List.of(
                                                            new Hold(
                                                                    file,
                                                                    Removals.HOLDER,
                                                                    inode,
                                                                    false)))
                                            .withState(
                                                    List.of(
                                                            new StateChange(
                                                                    heldKey(inode), null))));
                })
                .exceptionally(e -> {
                    LOG.warn("inode {}: releasing failed, tried at the next start", inode, e);
                    return null;
                });
    }

    private static @Nullable FileId heldFile(long inode, @Nullable ByteString value) {
        if (value == null || value.length() != 5) {
            return null;
        }
        return new FileId(0, inode, ByteBuffer.wrap(value.toByteArray()).getInt(1));
    }

    @Override
    public void forgotten(ByteString owner, Set<Long> recordedIn) {
        recordedIn.forEach(share -> doom(share, Set.of(owner)));
    }

    private void doom(long share, Set<ByteString> owners) {
        if (owners.isEmpty() || !shares.containsKey(share)) {
            return;
        }
        doomed.computeIfAbsent(share, s -> ConcurrentHashMap.newKeySet()).addAll(owners);
        Thread.ofVirtual()
                .name("nfs-forget")
                .start(() -> {
                    try {
                        settle(share);
                    } catch (RuntimeException e) {
                        LOG.info("forgetting clients failed, tried again: {}", e.getMessage());
                    }
                });
    }

    /// Ends what is remembered of a session's changes, in the background.
    @Override
    public void ended(Session session, Set<Long> recordedIn) {
        for (long share : recordedIn) {
            FileSystem files = shares.get(share);
            if (files != null) {
                files.forgetClient(Call.of(Credentials.ROOT), session.onceClient())
                        .exceptionally(e -> {
                            LOG.info("forgetting a session's results failed: {}", e.getMessage());
                            return null;
                        });
            }
        }
    }

    /// Another server owns a share now.
    @Override
    public void lost(OpenShare share) {
        shares.remove(share.entry().id(), share.files());
        doomed.remove(share.entry().id());
        state().shareLost(share.entry().id());
    }

    /// A share in which nobody has anything open is about to be given up: its next owner has nobody
    /// to wait for. Blocks.
    @Override
    public void releasing(OpenShare share) {
        long id = share.entry().id();
        for (ByteString owner : state().takeovers().shareReleased(id)) {
            await(share.files().changeState(List.of(new StateChange(clientKey(owner), null))));
        }
        shares.remove(id, share.files());
    }

    @Override
    public void graceOver(long share, Set<ByteString> absent) {
        LOG.info("share {}: grace is over, {} clients did not come back", share, absent.size());
        doom(share, absent);
        Thread.ofVirtual().name("nfs-grace").start(() -> dropUnusedHolds(share));
    }

    /// Ends the holds of files that nobody reclaimed.
    private void dropUnusedHolds(long share) {
        FileSystem files = shares.get(share);
        if (files == null) {
            return;
        }
        try {
            List<CompletableFuture<Void>> releases = new ArrayList<>();
            for (StateEntry entry : all(files, HELD)) {
                if (releases.size() == RELEASES_AT_ONCE) {
                    releases.forEach(Futures::await);
                    releases.clear();
                }
                long inode = ByteBuffer.wrap(entry.key().toByteArray()).getLong(HELD.length());
                FileKey key = new FileKey(share, 0, inode);
                if (state().isOpen(key)) {
                    state().held(key);
                } else {
                    releases.add(release(files, inode, heldFile(inode, entry.value())));
                }
            }
        } catch (RuntimeException e) {
            LOG.warn("share {}: files that nobody has open stay until the next start", share, e);
        }
    }
}
