package io.cistern.nas;

import static io.cistern.nas.V4TestClient.*;
import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.block.fs.ByteString;
import io.cistern.block.fs.Call;
import io.cistern.block.fs.CreateMode;
import io.cistern.block.fs.Credentials;
import io.cistern.block.fs.FileId;
import io.cistern.block.fs.MemoryFileSystem;
import io.cistern.block.fs.SetAttributes;
import io.cistern.nas.V4TestClient.Op;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/// Calls that are carried out on the event loop where what they need is in memory.
class AtOnceTest {
    private static final byte[] ANONYMOUS = new byte[16];
    private static final int[] SIZES = {0, 1, 100, 4_096, 9_000, 300_000};

    private final TestServer server = new TestServer();
    private final MemoryFileSystem files = server.shares.files("share");

    @AfterEach
    void stop() {
        server.close();
    }

    private record Ask(int procedure, Consumer<XdrWriter> args) {}

    private void fill() {
        Call root = Call.of(Credentials.ROOT);
        for (int size : SIZES) {
            FileId file =
                    files.create(
                                    root,
                                    FileId.ROOT,
                                    ByteString.utf8("f" + size),
                                    CreateMode.GUARDED,
                                    SetAttributes.ofMode(0644))
                            .join()
                            .file()
                            .id();
            byte[] data = new byte[size];
            for (int i = 0; i < size; i++) {
                data[i] = (byte) (i * 31 + size);
            }
            files.write(root, file, 0, ByteBuffer.wrap(data)).join();
        }
        ByteString target = ByteString.utf8("f100");
        files.symlink(
                        root,
                        FileId.ROOT,
                        ByteString.utf8("link"),
                        target,
                        SetAttributes.ofMode(0777))
                .join();
    }

    /// What comes back for `asks`, from the status on.
    private static List<byte[]> replies(RpcTestClient client, List<Ask> asks) {
        List<byte[]> replies = new ArrayList<>();
        for (Ask ask : asks) {
            XdrReader r = client.call(RpcTestClient.NFS, 3, ask.procedure, ask.args);
            replies.add(r.readFixed(r.remaining()));
        }
        return replies;
    }

    private static byte[] find(RpcTestClient client, byte[] root, String name) {
        XdrReader r =
                client.call(RpcTestClient.NFS, 3, 3, o -> o.writeOpaque(root).writeString(name));
        assertThat(r.readInt()).isZero();
        return r.readOpaque(64, "handle");
    }

    private static byte[] mount(RpcTestClient client) {
        XdrReader r = client.call(RpcTestClient.MOUNT, 3, 1, o -> o.writeString("/share"));
        assertThat(r.readInt()).isZero();
        return r.readOpaque(64, "handle");
    }

    private static List<Ask> asks(RpcTestClient client, byte[] root) {
        List<Ask> asks = new ArrayList<>();
        List<byte[]> handles = new ArrayList<>(List.of(root, find(client, root, "link")));
        for (int size : SIZES) {
            handles.add(find(client, root, "f" + size));
        }
        handles.add(new byte[40]); // BADHANDLE
        for (byte[] h : handles) {
            asks.add(new Ask(0, o -> {}));
            asks.add(new Ask(1, o -> o.writeOpaque(h)));
            asks.add(new Ask(3, o -> o.writeOpaque(h).writeString("f100")));
            asks.add(new Ask(3, o -> o.writeOpaque(h).writeString("missing")));
            asks.add(new Ask(4, o -> o.writeOpaque(h).writeInt(0x3f)));
            asks.add(new Ask(5, o -> o.writeOpaque(h)));
            for (int count : new int[] {0, 5, 4_096, 1 << 20, -1}) {
                for (long at : new long[] {0, 3, 99, 8_999, 1 << 20, -1}) {
                    asks.add(new Ask(6, o -> o.writeOpaque(h).writeLong(at).writeInt(count)));
                }
            }
            asks.add(new Ask(19, o -> o.writeOpaque(h)));
            asks.add(new Ask(20, o -> o.writeOpaque(h)));
            asks.add(new Ask(21, o -> o.writeOpaque(h).writeLong(0).writeInt(0)));
        }
        return asks;
    }

    private long calls(String procedure) {
        return server.server.metrics().calls().getOrDefault(procedure, 0L);
    }

    @Test
    void whatHasToWaitIsAnsweredAsWhatHasNot() {
        try (RpcTestClient client = server.client()) {
            byte[] root = mount(client);
            fill();
            List<Ask> asks = asks(client, root);
            long before = calls("v3.read");
            List<byte[]> quick = replies(client, asks);
            files.slow(true);
            assertThat(replies(client, asks)).containsExactlyElementsOf(quick);
            long reads = asks.stream().filter(a -> a.procedure == 6).count();
            assertThat(calls("v3.read")).as("each call counts once").isEqualTo(before + 2 * reads);
        }
    }

    private static List<Op[]> compounds() {
        List<Op[]> all = new ArrayList<>();
        all.add(new Op[] {root(), op(GETFH), lookup("share"), op(GETFH), attributes()});
        all.add(new Op[] {root(), lookup("share"), lookup("missing"), op(GETFH)});
        all.add(new Op[] {root(), lookup("share"), lookup("link"), read(ANONYMOUS, 0, 10)});
        all.add(new Op[] {root(), lookup("share"), read(ANONYMOUS, 0, 10)});
        all.add(new Op[] {root(), lookup("share"), op(27)});
        all.add(new Op[] {root(), lookup("share"), lookup("link"), op(27)});
        for (int size : SIZES) {
            all.add(
                    new Op[] {
                        root(),
                        lookup("share"),
                        op(SAVEFH),
                        lookup("f" + size),
                        op(ACCESS, o -> o.writeInt(0x3f)),
                        read(ANONYMOUS, 0, 1 << 20),
                        read(ANONYMOUS, 7, 4_096),
                        attributes(),
                        op(RESTOREFH),
                        op(GETFH),
                        op(LOOKUPP), // on a thread that may wait
                        op(GETFH),
                        lookup("share"),
                        lookup("f" + size),
                        read(ANONYMOUS, 1, 50_000)
                    });
        }
        return all;
    }

    private static Op attributes() {
        return op(GETATTR, o -> o.writeBitmap(1 << 1 | 1 << 3 | 1 << 4 | 1 << 19 | 1 << 20, 2));
    }

    private static List<byte[]> compounds(V4TestClient client) {
        List<byte[]> replies = new ArrayList<>();
        for (Op[] ops : compounds()) {
            XdrReader r = client.compound(ops);
            byte[] results = r.readFixed(r.remaining());
            replies.add(results);
            XdrReader again = client.again();
            if (results.length < 8_000) {
                assertThat(again.readFixed(again.remaining())).as("repeated").isEqualTo(results);
            }
        }
        return replies;
    }

    @Test
    void compoundsGoOnFromWhereTheyHaveToWait() {
        try (V4TestClient client = V4TestClient.started(server.address(), 2, "a")) {
            client.ok(root(), lookup("share"));
            fill();
            long before = calls("v4.lookup");
            List<byte[]> quick = compounds(client);
            long lookups = calls("v4.lookup") - before;
            files.slow(true);
            assertThat(compounds(client)).containsExactlyElementsOf(quick);
            assertThat(calls("v4.lookup"))
                    .as("each operation counts once")
                    .isEqualTo(before + 2 * lookups);
        }
    }

    @Test
    void oneThatWaitsKeepsNobodyElseWaiting() {
        CountDownLatch found = new CountDownLatch(1);
        try (RpcTestClient client = server.client()) {
            byte[] root = mount(client);
            server.shares.onRefresh =
                    () -> {
                        try {
                            found.await();
                        } catch (InterruptedException e) {
                            Thread.currentThread().interrupt();
                        }
                    };
            client.send(1, RpcTestClient.MOUNT, 3, 1, o -> o.writeString("/unknown"));
            client.send(2, RpcTestClient.NFS, 3, 1, o -> o.writeOpaque(root));
            assertThat(RpcTestClient.result(client.receive(), 2).readInt()).isZero();
            found.countDown();
            assertThat(RpcTestClient.result(client.receive(), 1).readInt()).isEqualTo(2);
        } finally {
            found.countDown();
        }
    }
}
