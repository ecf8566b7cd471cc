package io.cistern.nas;

import io.cistern.block.fs.Call;
import io.cistern.block.fs.Credentials;
import io.cistern.block.fs.FileId;
import io.cistern.block.fs.SetAttributes;
import io.cistern.nas.share.ClientRule;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.function.UnaryOperator;

/// A server over shares in memory, on a free port of the loopback interface.
final class TestServer implements AutoCloseable {
    final MemoryShares shares;
    final NfsServer server;

    TestServer() {
        this(withRoots(new MemoryShares().add("share", MemoryShares.open())), c -> c);
    }

    TestServer(MemoryShares shares, UnaryOperator<NfsConfig> change) {
        this.shares = shares;
        NfsConfig config =
                NfsConfig.of(
                        new InetSocketAddress(InetAddress.getLoopbackAddress(), 0),
                        "node0",
                        "test");
        this.server = NfsServer.start(change.apply(config), shares);
    }

    /// One share "share" with that rule.
    static TestServer of(ClientRule rule, UnaryOperator<NfsConfig> change) {
        return new TestServer(withRoots(new MemoryShares().add("share", rule)), change);
    }

    static MemoryShares withRoots(MemoryShares shares) {
        shares.shares()
                .forEach(s ->
                        shares.files(s.name())
                                .setAttributes(
                                        Call.of(Credentials.ROOT),
                                        FileId.ROOT,
                                        SetAttributes.ofMode(0777),
                                        null)
                                .join());
        return shares;
    }

    InetSocketAddress address() {
        return server.addresses().getFirst();
    }

    RpcTestClient client() {
        return new RpcTestClient(address());
    }

    @Override
    public void close() {
        server.close();
    }
}
