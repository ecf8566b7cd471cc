package io.cistern.nas;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.cistern.nas.rpc.RpcLimits;
import io.cistern.nas.xdr.XdrReader;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import java.io.UncheckedIOException;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

/// What RFC 5531 says about calls that cannot be carried out, and what a peer cannot make the
/// server do.
class RpcServerTest {
    private static byte[] call(Consumer<ByteBuf> rest) {
        ByteBuf out = Unpooled.buffer().writeInt(77).writeInt(0);
        rest.accept(out);
        return ByteBufUtil.getBytes(out);
    }

    private static byte[] call(int program, int version, int procedure) {
        return call(o -> {
            o.writeInt(2).writeInt(program).writeInt(version).writeInt(procedure);
            o.writeLong(0).writeLong(0);
        });
    }

    private static int[] answer(RpcTestClient client, byte[] record) {
        client.sendRecord(record);
        XdrReader reply = client.receive();
        int[] words = new int[reply.remaining() / 4];
        for (int i = 0; i < words.length; i++) {
            words[i] = reply.readInt();
        }
        return words;
    }

    @Test
    void callsThatCannotBeCarriedOutGetTheErrorsOfTheRfc() {
        try (TestServer server = new TestServer();
                RpcTestClient c = server.client()) {
            assertThat(answer(c, call(100_003, 3, 0))).containsExactly(77, 1, 0, 0, 0, 0);
            assertThat(answer(c, call(99, 3, 0))).containsExactly(77, 1, 0, 0, 0, 1);
            assertThat(answer(c, call(100_003, 2, 0))).containsExactly(77, 1, 0, 0, 0, 2, 3, 4);
            assertThat(answer(c, call(100_003, 3, 22))).containsExactly(77, 1, 0, 0, 0, 3);
            assertThat(answer(c, call(100_003, 4, 2))).containsExactly(77, 1, 0, 0, 0, 3);
            assertThat(answer(c, call(100_003, 3, 1))).containsExactly(77, 1, 0, 0, 0, 4);
            // RPC version 3
            assertThat(answer(c, call(o -> o.writeInt(3)))).containsExactly(77, 1, 1, 0, 2, 2);
        }
    }

    @Test
    void credentialsThatAreNoneAreRefused() {
        try (TestServer server = new TestServer();
                RpcTestClient c = server.client()) {
            assertThat(withCredential(c, 1, 3)).containsExactly(77, 1, 1, 1, 1); // too short
            assertThat(withCredential(c, 6, 0)).containsExactly(77, 1, 1, 1, 2); // RPCSEC_GSS
            assertThat(withCredential(c, 7, 0)).containsExactly(77, 1, 1, 1, 1); // no TLS here
            assertThat(withCredential(c, 42, 0)).containsExactly(77, 1, 1, 1, 1);
            byte[] badVerifier =
                    call(o -> {
                        o.writeInt(2).writeInt(100_003).writeInt(3).writeInt(0);
                        o.writeLong(0).writeInt(1).writeInt(0);
                    });
            assertThat(answer(c, badVerifier)).containsExactly(77, 1, 1, 1, 3);
        }
    }

    private static int[] withCredential(RpcTestClient c, int flavor, int words) {
        return answer(
                c,
                call(o -> {
                    o.writeInt(2).writeInt(100_003).writeInt(3).writeInt(0);
                    o.writeInt(flavor).writeInt(words * 4);
                    o.writeZero(words * 4).writeLong(0);
                }));
    }

    @Test
    void manyCallsAtOnceAreAllAnswered() {
        RpcLimits few = new RpcLimits(1 << 20, 16, 4, 1 << 20, 64, 1L << 24, 16, 60);
        try (TestServer server = TestServer.of(MemoryShares.open(), c -> c.withRpc(few));
                RpcTestClient c = server.client()) {
            Set<Integer> open = new HashSet<>();
            for (int i = 0; i < 500; i++) {
                c.send(i, RpcTestClient.MOUNT, 3, 0, o -> {});
                open.add(i);
            }
            while (!open.isEmpty()) {
                assertThat(open.remove(c.receive().readInt())).isTrue();
            }
            assertThat(server.server.metrics().rpc().throttled()).isPositive();
        }
    }

    @Test
    void callsBeyondWhatAllConnectionsMayHaveUnderWayWaitTheirTurn() {
        RpcLimits one = new RpcLimits(1 << 20, 16, 4, 1 << 20, 1, 1 << 20, 16, 60);
        try (TestServer server = TestServer.of(MemoryShares.open(), c -> c.withRpc(one));
                RpcTestClient a = server.client();
                RpcTestClient b = server.client();
                RpcTestClient c = server.client()) {
            for (int i = 0; i < 300; i++) {
                for (RpcTestClient client : List.of(a, b, c)) {
                    client.send(i, RpcTestClient.MOUNT, 3, 0, o -> {});
                }
            }
            for (RpcTestClient client : List.of(a, b, c)) {
                for (int i = 0; i < 300; i++) {
                    client.receive();
                }
            }
            assertThat(server.server.metrics().rpc().saturated()).isPositive();
        }
    }

    @Test
    void connectionsBeyondTheLimitAreClosed() {
        RpcLimits few = new RpcLimits(1 << 20, 16, 4, 1 << 20, 64, 1L << 24, 2, 60);
        try (TestServer server = TestServer.of(MemoryShares.open(), c -> c.withRpc(few));
                RpcTestClient a = server.client();
                RpcTestClient b = server.client()) {
            a.call(RpcTestClient.NFS, 3, 0, o -> {});
            b.call(RpcTestClient.NFS, 3, 0, o -> {});
            try (RpcTestClient third = server.client()) {
                assertThatThrownBy(() -> third.call(RpcTestClient.NFS, 3, 0, o -> {}))
                        .isInstanceOf(UncheckedIOException.class);
            }
            a.call(RpcTestClient.NFS, 3, 0, o -> {});
        }
    }

    /// Ten thousand messages that begin well and then are anything.
    @Test
    void malformedMessagesNeitherStopTheServerNorMakeItHoldOnToAnything() {
        long seed = new Random().nextLong();
        System.out.println("seed " + seed);
        Random random = new Random(seed);
        try (TestServer server = new TestServer()) {
            for (int connection = 0; connection < 100; connection++) {
                try (RpcTestClient c = server.client()) {
                    for (int i = 0; i < 100; i++) {
                        c.sendRecord(garbage(random));
                    }
                } catch (UncheckedIOException closed) {
                    // its right: what is no RPC message ends the connection
                }
            }
            try (RpcTestClient c = server.client()) {
                c.call(RpcTestClient.NFS, 3, 0, o -> {});
            }
            await().untilAsserted(() -> assertThat(server.server.metrics().connections()).isZero());
            assertThat(server.server.metrics().rpc().failed()).as("unexpected failures").isZero();
        }
    }

    private static byte[] garbage(Random random) {
        boolean v4 = random.nextBoolean();
        byte[] tail = new byte[random.nextInt(200)];
        random.nextBytes(tail);
        for (int i = 0; i + 4 <= tail.length; i += 4) {
            if (random.nextInt(3) > 0) { // small numbers get further into the decoders
                tail[i] = 0;
                tail[i + 1] = 0;
                tail[i + 2] = 0;
                tail[i + 3] &= 0x3f;
            }
        }
        return call(o -> {
            o.writeInt(2).writeInt(random.nextInt(9) == 0 ? 100_005 : 100_003);
            o.writeInt(v4 ? 4 : 3).writeInt(v4 ? 1 : random.nextInt(22));
            o.writeLong(0).writeLong(0);
            if (v4) {
                o.writeInt(0).writeInt(1 + random.nextInt(2)).writeInt(1);
                int[] first = {42, 43, 44, 41, 57, 53};
                o.writeInt(first[random.nextInt(first.length)]);
            }
            o.writeBytes(tail);
        });
    }
}
