package io.cistern.nas.share;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.fs.Credentials;
import io.cistern.block.fs.FileId;
import io.cistern.nas.rpc.Credential;
import io.cistern.nas.rpc.RpcCall;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.BooleanSupplier;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The shares a server has opened, and who may use them. Any thread; opening blocks, which a call
/// that is carried out at once does not.
public final class Shares implements AutoCloseable {
    /// User and group of those who are nobody in particular.
    public static final int NOBODY = 65_534;

    private static final Credentials NOBODY_AT_ALL = new Credentials(NOBODY, NOBODY, List.of());
    private static final Logger LOG = LoggerFactory.getLogger(Shares.class);

    private final ShareCatalog catalog;
    private final HandleCodec handles;
    private final ConcurrentHashMap<Long, OpenShare> open = new ConcurrentHashMap<>();
    private volatile Listener listener = new Listener() {};

    /// What else is to be done when shares come and go.
    public interface Listener {
        /// This node has become the owner; nobody uses the share yet.
        default void opened(OpenShare share) {}

        /// Another node has become the owner.
        default void lost(OpenShare share) {}

        /// The share is given up because nobody uses it. It is still this node's.
        default void releasing(OpenShare share) {}
    }

    public Shares(ShareCatalog catalog, HandleCodec handles) {
        this.catalog = catalog;
        this.handles = handles;
    }

    public void listener(Listener value) {
        this.listener = value;
    }

    public HandleCodec handles() {
        return handles;
    }

    public List<OpenShare> opened() {
        return List.copyOf(open.values());
    }

    /// Shares that this client may mount.
    public List<ShareEntry> visibleTo(RpcCall call) {
        return catalog.shares().stream()
                .filter(s -> s.ruleFor(call.peer().host()) != null)
                .toList();
    }

    public @Nullable ShareEntry find(String name) {
        ShareEntry known = known(name);
        if (known == null) {
            catalog.refresh();
            known = known(name);
        }
        return known;
    }

    private @Nullable ShareEntry known(String name) {
        for (ShareEntry share : catalog.shares()) {
            if (share.name().equals(name)) {
                return share;
            }
        }
        return null;
    }

    private @Nullable ShareEntry find(long id) {
        for (ShareEntry share : catalog.shares()) {
            if (share.id() == id) {
                return share;
            }
        }
        return null;
    }

    /// The file of a handle, where the caller may use its share at all.
    ///
    /// @throws NfsException BADHANDLE; STALE where the share is gone; ACCESS
    public Access access(FileHandle.InShare handle, RpcCall call) {
        ShareEntry entry = find(handle.share());
        if (entry == null) {
            throw new NfsException(NfsStatus.STALE, "the share is gone");
        }
        return access(entry, handle.file(), call);
    }

    public Access access(ShareEntry entry, FileId file, RpcCall call) {
        ClientRule rule = entry.ruleFor(call.peer().host());
        if (rule == null) {
            // It may just have been let in.
            call.mayWait();
            catalog.refresh();
            ShareEntry now = find(entry.id());
            rule = now == null ? null : now.ruleFor(call.peer().host());
        }
        if (rule == null
                || (rule.tlsRequired() && !call.peer().tls())
                || (rule.privilegedPort() && call.peer().port() >= 1024)) {
            throw new NfsException(NfsStatus.ACCESS, "no rule of the share lets this client in");
        }
        OpenShare share = openShare(entry, call);
        share.used().set(System.nanoTime());
        return new Access(
                call.atOnce() ? share.atOnce() : share,
                file,
                rule.allSquash() ? NOBODY_AT_ALL : identity(call.credential(), rule.rootSquash()),
                rule.readOnly() || share.files().readOnly());
    }

    /// Whose rights a call has.
    public static Credentials identity(Credential credential, boolean rootSquash) {
        return switch (credential) {
            case Credential.Anonymous _ -> NOBODY_AT_ALL;
            case Credential.Sys sys -> {
                boolean squash = rootSquash && sys.uid() == 0;
                List<Integer> groups = new ArrayList<>();
                for (int gid : sys.gids()) {
                    groups.add(rootSquash && gid == 0 ? NOBODY : gid);
                }
                yield squash
                        ? NOBODY_AT_ALL
                        : new Credentials(
                                sys.uid(),
                                rootSquash && sys.gid() == 0 ? NOBODY : sys.gid(),
                                groups);
            }
        };
    }

    private OpenShare openShare(ShareEntry entry, RpcCall call) {
        OpenShare known = open.get(entry.id());
        if (known != null) {
            return known.entry().equals(entry) ? known : refresh(known, entry);
        }
        call.mayWait();
        return openShare(entry);
    }

    private OpenShare openShare(ShareEntry entry) {
        return open.computeIfAbsent(
                entry.id(),
                id -> {
                    var files = catalog.open(entry);
                    OpenShare share = OpenShare.of(entry, files);
                    LOG.info("share {}: owned here as owner {}", entry.name(), files.owner());
                    listener.opened(share);
                    return share;
                });
    }

    /// Opens the shares that this client may use and nobody else serves, one after the other until
    /// something is found; those in which nothing was are given up again. Blocks.
    ///
    /// @param found whether it is found now
    /// @param needed shares that are to be kept all the same
    /// @return whether one of them is not to be had now
    public boolean adoptFor(RpcCall call, BooleanSupplier found, Predicate<OpenShare> needed) {
        catalog.refresh();
        boolean pending = false;
        for (ShareEntry entry : visibleTo(call)) {
            if (open.containsKey(entry.id())) {
                continue;
            }
            try {
                OpenShare share = openShare(entry);
                if (found.getAsBoolean()) {
                    return false;
                }
                if (!needed.test(share) && open.remove(entry.id(), share)) {
                    listener.lost(share); // as it was: its clients stay recorded there
                    share.files().close();
                }
            } catch (RuntimeException e) {
                pending |= CisternException.of(e).code() != ErrorCode.NOT_FOUND;
            }
        }
        return pending;
    }

    private OpenShare refresh(OpenShare known, ShareEntry entry) {
        OpenShare renewed = known.with(entry);
        open.replace(entry.id(), known, renewed);
        return renewed;
    }

    /// Gives up shares that nobody has used for a while, so that another node may take them.
    ///
    /// @param idleNanos how long that is
    /// @param needed shares that are to be kept all the same: those with opens
    public void releaseIdle(long idleNanos, Predicate<OpenShare> needed) {
        long now = System.nanoTime();
        for (OpenShare share : open.values()) {
            if (now - share.used().get() > idleNanos
                    && !needed.test(share)
                    && open.remove(share.entry().id(), share)) {
                release(share, needed);
            }
        }
    }

    private void release(OpenShare share, Predicate<OpenShare> needed) {
        if (needed.test(share) && open.putIfAbsent(share.entry().id(), share) == null) {
            return; // opened by a request that came just before
        }
        LOG.info("share {}: not used, given up", share.entry().name());
        try {
            listener.releasing(share);
        } catch (RuntimeException e) {
            LOG.info(
                    "share {}: its next owner will wait for clients: {}",
                    share.entry().name(),
                    e.getMessage());
        }
        share.files().close();
    }

    /// Gives a share up after a failure that says another node owns it. The next request opens it
    /// again, if the catalog lets it.
    public void failed(OpenShare share, Throwable failure) {
        if (CisternException.of(failure).code() == ErrorCode.FENCED
                && open.remove(share.entry().id(), share)) {
            LOG.warn("share {}: another node owns it now", share.entry().name());
            listener.lost(share);
            share.files().close();
        }
    }

    @Override
    public void close() {
        open.values().forEach(share -> share.files().close());
        open.clear();
    }
}
