package io.cistern.nas;

import static io.cistern.nas.V4TestClient.*;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.fs.FileSystem;
import io.cistern.nas.V4TestClient.Op;
import io.cistern.nas.V4TestClient.Opened;
import io.cistern.nas.share.ShareCatalog;
import io.cistern.nas.share.ShareEntry;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;
import java.io.UncheckedIOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketTimeoutException;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/// Changes that were made though the server was never told: no majority was there in time, or
/// another node became the owner. Their clients must not take the repetition for a new request.
class OutcomeUnknownTest {
    private static final int NOENT = 2;
    private static final int DELAY = 10_008;

    private final Doubtful catalog = new Doubtful();
    private final NfsServer server =
            NfsServer.start(
                    NfsConfig.of(
                            new InetSocketAddress(InetAddress.getLoopbackAddress(), 0),
                            "node0",
                            "test"),
                    catalog);
    private final InetSocketAddress address = server.addresses().getFirst();
    private final V4TestClient a = V4TestClient.started(address, 1, "a");

    @AfterEach
    void stop() {
        a.close();
        server.close();
    }

    /// Shares in memory whose removals can be made to fail after they were made.
    private static final class Doubtful implements ShareCatalog {
        private final MemoryShares shares =
                TestServer.withRoots(new MemoryShares().add("share", MemoryShares.open()));
        volatile boolean doubt;

        @Override
        public List<ShareEntry> shares() {
            return shares.shares();
        }

        @Override
        public FileSystem open(ShareEntry share) {
            FileSystem files = shares.open(share);
            return (FileSystem)
                    Proxy.newProxyInstance(
                            FileSystem.class.getClassLoader(),
                            new Class<?>[] {FileSystem.class},
                            (proxy, method, args) -> {
                                Object result;
                                try {
                                    result = method.invoke(files, args);
                                } catch (InvocationTargetException e) {
                                    throw e.getCause();
                                }
                                return doubt && method.getName().equals("remove")
                                        ? doubtful((CompletableFuture<?>) result)
                                        : result;
                            });
        }

        private CompletableFuture<?> doubtful(CompletableFuture<?> made) {
            doubt = false;
            made.join();
            return CompletableFuture.failedFuture(
                    new CisternException(ErrorCode.UNAVAILABLE, "no answer in time"));
        }
    }

    @Test
    void aRequestOfVersionFourIsSentAgainUnderItsNumberAndGetsTheFirstResult() {
        Opened f = a.open("share", "o", "f", 3, 0, true);
        a.close(f);
        Op[] remove = {root(), lookup("share"), remove("f")};
        catalog.doubt = true;
        assertThat(a.status(remove)).isEqualTo(DELAY);
        assertThat(a.lastCount()).as("SEQUENCE failed, so its slot is as it was").isEqualTo(1);
        a.again();
        assertThat(a.lastStatus()).isZero();
        a.again();
        assertThat(a.lastStatus()).as("from the slot").isZero();
        assertThat(a.status(remove)).as("a new request").isEqualTo(NOENT);
    }

    @Test
    void aRequestThatChangedWhatIsNotRememberedIsAnsweredAsItIs() {
        a.close(a.open("share", "o", "f", 3, 0, true));
        Opened g = a.open("share", "o", "g", 3, 0, true);
        catalog.doubt = true;
        assertThat(
                        a.status(
                                putfh(g.handle()),
                                op(CLOSE, o -> o.writeInt(0).writeFixed(g.stateid())),
                                root(),
                                lookup("share"),
                                remove("f")))
                .isEqualTo(DELAY);
        assertThat(a.lastCount()).isEqualTo(6);
    }

    @Test
    void aCallOfVersionThreeIsNotAnsweredAndGetsTheFirstResultOverAnotherConnection() {
        a.close(a.open("share", "o", "f", 3, 0, true));
        try (RpcTestClient old = new RpcTestClient(address)) {
            XdrReader mounted = old.call(RpcTestClient.MOUNT, 3, 1, o -> o.writeString("/share"));
            assertThat(mounted.readInt()).isZero();
            byte[] root = mounted.readOpaque(64, "handle");
            catalog.doubt = true;
            assertThatThrownBy(() -> removed(old, root, false))
                    .isInstanceOf(UncheckedIOException.class)
                    .cause()
                    .as("closed at once")
                    .isNotInstanceOf(SocketTimeoutException.class);
            old.reconnect();
            assertThat(removed(old, root, true)).isZero();
            assertThat(removed(old, root, false)).as("a new call").isEqualTo(NOENT);
        }
    }

    private static int removed(RpcTestClient client, byte[] root, boolean again) {
        Consumer<XdrWriter> args = o -> o.writeOpaque(root).writeString("f");
        return (again
                        ? client.repeat(RpcTestClient.NFS, 3, 12, args)
                        : client.call(RpcTestClient.NFS, 3, 12, args))
                .readInt();
    }
}
