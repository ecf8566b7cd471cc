package io.cistern.nas;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.fs.FileSystem;
import io.cistern.block.fs.MemoryFileSystem;
import io.cistern.nas.share.Cidr;
import io.cistern.nas.share.ClientRule;
import io.cistern.nas.share.ShareCatalog;
import io.cistern.nas.share.ShareEntry;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/// Shares in memory, for servers under test. A share that is opened again is the same one, as after
/// a change of owner.
final class MemoryShares implements ShareCatalog {
    private final List<ShareEntry> entries = new ArrayList<>();
    private final Map<Long, MemoryFileSystem> files = new ConcurrentHashMap<>();

    /// Names of shares that another node serves.
    final Set<String> elsewhere = ConcurrentHashMap.newKeySet();

    /// What is found by the next look at the cluster's state.
    volatile Runnable onRefresh = () -> {};

    /// A share that everybody may use, as whoever they say they are.
    static ClientRule open() {
        return new ClientRule(Cidr.ANY_V4, false, false, false, false, false);
    }

    MemoryShares add(String name, ClientRule... rules) {
        long id = entries.size() + 100;
        entries.add(new ShareEntry(id, name, List.of(rules)));
        files.put(id, new MemoryFileSystem());
        return this;
    }

    void remove(String name) {
        entries.removeIf(e -> e.name().equals(name));
    }

    void replace(String name, ClientRule... rules) {
        entries.replaceAll(
                e -> e.name().equals(name) ? new ShareEntry(e.id(), name, List.of(rules)) : e);
    }

    MemoryFileSystem files(String name) {
        for (ShareEntry entry : entries) {
            if (entry.name().equals(name)) {
                MemoryFileSystem found = files.get(entry.id());
                if (found != null) {
                    return found;
                }
            }
        }
        throw new IllegalArgumentException(name);
    }

    @Override
    public List<ShareEntry> shares() {
        return List.copyOf(entries);
    }

    private static void mayBlock() {
        if (Thread.currentThread().getName().startsWith("nfs-io")) {
            throw new AssertionError("blocks an event loop");
        }
    }

    @Override
    public void refresh() {
        mayBlock();
        onRefresh.run();
    }

    @Override
    public FileSystem open(ShareEntry share) {
        mayBlock();
        if (elsewhere.contains(share.name())) {
            throw new CisternException(ErrorCode.BUSY, share.name() + " is served elsewhere");
        }
        MemoryFileSystem next = files.computeIfPresent(share.id(), (id, fs) -> fs.reopen());
        if (next == null) {
            throw new IllegalArgumentException(share.name());
        }
        return next;
    }

    /// Serves two shares in memory until the process is ended: `PORT [PORTMAPPER-PORT [LEASE]]`.
    public static void main(String[] args) throws InterruptedException {
        int port = Integer.parseInt(args[0]);
        MemoryShares shares = new MemoryShares().add("share", open()).add("other", open());
        NfsConfig config =
                NfsConfig.of(new InetSocketAddress("0.0.0.0", port), "node0", "test")
                        .withPortmapper(
                                args.length > 1 && !args[1].equals("0")
                                        ? new InetSocketAddress(
                                                "0.0.0.0", Integer.parseInt(args[1]))
                                        : null);
        if (args.length > 2) {
            int lease = Integer.parseInt(args[2]);
            config = config.withState(config.state().withLease(lease, lease));
        }
        shares.prepare();
        try (NfsServer server = NfsServer.start(config, shares)) {
            System.out.println("serving on " + server.addresses());
            Thread.currentThread().join();
        }
    }

    /// Makes the roots writable for everybody.
    private void prepare() {
        files.values()
                .forEach(fs ->
                        fs.setAttributes(
                                        io.cistern.block.fs.Call.of(
                                                io.cistern.block.fs.Credentials.ROOT),
                                        io.cistern.block.fs.FileId.ROOT,
                                        io.cistern.block.fs.SetAttributes.ofMode(0777),
                                        null)
                                .join());
    }
}
