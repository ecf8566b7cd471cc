package io.cistern.nas;

import static io.cistern.nas.V4TestClient.*;
import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.block.fs.FileSystem;
import io.cistern.nas.V4TestClient.Op;
import io.cistern.nas.V4TestClient.Opened;
import io.cistern.nas.share.ShareCatalog;
import io.cistern.nas.share.ShareEntry;
import io.cistern.nas.xdr.XdrReader;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/// What a COPY asks of the file system, and what comes of it where that changes between two
/// questions.
class CopyStepsTest {
    private static final int COPY = 60;

    private final Watched catalog = new Watched();
    private final NfsServer server =
            NfsServer.start(
                    NfsConfig.of(
                            new InetSocketAddress(InetAddress.getLoopbackAddress(), 0),
                            "node0",
                            "test"),
                    catalog);
    private final V4TestClient a = V4TestClient.started(server.addresses().getFirst(), 2, "a");
    private final Opened from = a.open("share", "o", "from", 3, 0, true);
    private final Opened to = a.open("share", "o", "to", 3, 0, true);

    @AfterEach
    void stop() {
        a.close();
        server.close();
    }

    /// Shares in memory that note what is asked of them, and say once that there is a hole where
    /// there is none.
    private static final class Watched implements ShareCatalog {
        private final MemoryShares shares =
                TestServer.withRoots(new MemoryShares().add("share", MemoryShares.open()));
        final List<String> calls = new CopyOnWriteArrayList<>();
        volatile boolean hole;

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
                                calls.add(method.getName());
                                if (hole && method.getName().equals("seek") && !(boolean) args[3]) {
                                    hole = false;
                                    return CompletableFuture.completedFuture(args[2]);
                                }
                                try {
                                    return method.invoke(files, args);
                                } catch (InvocationTargetException e) {
                                    throw e.getCause();
                                }
                            });
        }
    }

    private void write(Opened file, long offset, int bytes) {
        byte[] data = new byte[bytes];
        Arrays.fill(data, (byte) 7);
        a.ok(putfh(file.handle()), V4TestClient.write(file.stateid(), offset, data));
    }

    /// @return how much was copied
    private long copy() {
        Op copy =
                op(
                        COPY,
                        o -> {
                            o.writeFixed(from.stateid()).writeFixed(to.stateid());
                            o.writeLong(0).writeLong(0).writeLong(0);
                            o.writeBool(true).writeBool(true).writeInt(0);
                        });
        catalog.calls.clear();
        XdrReader r = a.ok(putfh(from.handle()), op(SAVEFH), putfh(to.handle()), copy);
        result(r, PUTFH);
        result(r, SAVEFH);
        result(r, PUTFH);
        result(r, COPY);
        r.readInt();
        return r.readLong();
    }

    private List<String> changes() {
        return catalog.calls.stream()
                .filter(c -> List.of("deallocate", "setAttributes", "copy").contains(c))
                .toList();
    }

    @Test
    void aHoleThatComesBetweenTwoLooksDoesNotEndTheCopy() {
        write(from, 0, 20_000);
        catalog.hole = true;
        assertThat(copy()).isEqualTo(20_000);
        assertThat(catalog.hole).as("was looked for").isFalse();
    }

    @Test
    void theTargetIsLengthenedOnceAndNothingBehindItsEndIsFreed() {
        write(from, 0, 4_096);
        write(from, 1 << 20, 4_096);
        write(from, 2 << 20, 4_096);
        Op size =
                op(
                        34,
                        o ->
                                o.writeFixed(from.stateid())
                                        .writeBitmap(16)
                                        .writeInt(8)
                                        .writeLong(3 << 20));
        a.ok(putfh(from.handle()), size);
        assertThat(copy()).isEqualTo(3 << 20);
        assertThat(changes()).containsExactly("copy", "copy", "copy", "setAttributes");
        assertThat(copy()).isEqualTo(3 << 20);
        assertThat(changes())
                .containsExactly("copy", "deallocate", "copy", "deallocate", "copy", "deallocate");
    }
}
