package io.cistern.raft.net;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.awaitility.Awaitility;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class RpcTest {
    private static final Duration LONG = Duration.ofSeconds(30);
    private static final UUID CLUSTER = new UUID(7, 7);
    private static final int ECHO = 1;
    private static final int FAIL = 2;
    private static final int HOLD = 3;

    private final RpcLoops loops = new RpcLoops("test-rpc", 2);
    private final List<AutoCloseable> open = new ArrayList<>();
    private final LinkedBlockingQueue<Responder> held = new LinkedBlockingQueue<>();

    @AfterEach
    void closeAll() throws Exception {
        for (AutoCloseable c : open.reversed()) {
            c.close();
        }
        loops.close();
    }

    private static RpcIdentity identity(String node) {
        return new RpcIdentity(RpcIdentity.SERVICE_RAFT, CLUSTER, node);
    }

    private RpcServer server(RpcLimits limits, @Nullable TlsConfig tls) {
        RpcServer server = new RpcServer(identity("server"), limits, tls, loops);
        open.add(server);
        server.register(ECHO, (request, responder) -> responder.ok(request.retain()));
        server.register(
                FAIL,
                (request, responder) -> {
                    throw new CisternException(ErrorCode.NO_SPACE, "pool is full");
                });
        server.register(HOLD, (request, responder) -> held.add(responder));
        return server;
    }

    private static InetSocketAddress loopback(int port) {
        return new InetSocketAddress(InetAddress.getLoopbackAddress(), port);
    }

    private RpcClient client(RpcIdentity identity, RpcLimits limits, @Nullable TlsConfig tls) {
        RpcClient client = new RpcClient(identity, limits, tls, loops);
        open.add(client);
        return client;
    }

    private RpcClient client() {
        return client(identity("client"), RpcLimits.DEFAULT, null);
    }

    private static ByteBuf text(String s) {
        return Unpooled.copiedBuffer(s, StandardCharsets.UTF_8);
    }

    private static String read(CompletableFuture<ByteBuf> answer) throws Exception {
        ByteBuf buf = answer.get(30, TimeUnit.SECONDS);
        try {
            return buf.toString(StandardCharsets.UTF_8);
        } finally {
            buf.release();
        }
    }

    private static CisternException failure(CompletableFuture<ByteBuf> answer) throws Exception {
        try {
            answer.get(30, TimeUnit.SECONDS).release();
        } catch (ExecutionException e) {
            return CisternException.of(e);
        }
        throw new AssertionError("the call succeeded");
    }

    @Test
    void whatHasNoHandlerYetIsToBeAskedAgain() throws Exception {
        RpcServer server = server(RpcLimits.DEFAULT, null);
        server.starting();
        InetSocketAddress at = server.bind(loopback(0));
        RpcClient client = client();
        assertThat(failure(client.call(at, 9, LONG, text("a"))).code())
                .isEqualTo(ErrorCode.UNAVAILABLE);
        server.register(9, (request, responder) -> responder.ok(request.retain()));
        server.started();
        assertThat(read(client.call(at, 9, LONG, text("a")))).isEqualTo("a");
        assertThat(failure(client.call(at, 10, LONG, text("a"))).code())
                .isEqualTo(ErrorCode.INVALID);
    }

    @Test
    void answersCarryThePayload() throws Exception {
        InetSocketAddress at = server(RpcLimits.DEFAULT, null).bind(loopback(0));
        assertThat(read(client().call(at, ECHO, LONG, text("a"), text("b")))).isEqualTo("ab");
        assertThat(read(client().call(at, ECHO, LONG))).isEmpty();
        byte[] large = new byte[3 << 20];
        new java.util.Random(1).nextBytes(large);
        ByteBuf back = client().call(at, ECHO, LONG, Unpooled.wrappedBuffer(large)).get();
        assertThat(ByteBufUtil.getBytes(back)).isEqualTo(large);
        back.release();
    }

    @Test
    void aRemoteFailureKeepsCodeAndMessage() throws Exception {
        InetSocketAddress at = server(RpcLimits.DEFAULT, null).bind(loopback(0));
        CisternException failure = failure(client().call(at, FAIL, LONG));
        assertThat(failure.code()).isEqualTo(ErrorCode.NO_SPACE);
        assertThat(failure).hasMessage("pool is full");
        CisternException unknown = failure(client().call(at, 99, LONG));
        assertThat(unknown.code()).isEqualTo(ErrorCode.INVALID);
        assertThat(unknown).hasMessageContaining("99");
    }

    @Test
    void callsArriveInTheOrderTheyWereSent() throws Exception {
        RpcServer server = server(RpcLimits.DEFAULT, null);
        Queue<Integer> seen = new ConcurrentLinkedQueue<>();
        server.register(
                10,
                (request, responder) -> {
                    seen.add(request.readInt());
                    responder.ok();
                });
        InetSocketAddress at = server.bind(loopback(0));
        RpcConnection connection = client().connect(at);
        List<CompletableFuture<ByteBuf>> answers = new ArrayList<>();
        for (int i = 0; i < 3000; i++) {
            answers.add(connection.call(10, LONG, Unpooled.buffer().writeInt(i)));
        }
        for (CompletableFuture<ByteBuf> answer : answers) {
            answer.get().release();
        }
        assertThat(new ArrayList<>(seen)).hasSize(3000).isSorted();
    }

    @Test
    void answersMayComeInAnotherOrder() throws Exception {
        InetSocketAddress at = server(RpcLimits.DEFAULT, null).bind(loopback(0));
        RpcConnection connection = client().connect(at);
        CompletableFuture<ByteBuf> slow = connection.call(HOLD, LONG);
        assertThat(read(connection.call(ECHO, LONG, text("fast")))).isEqualTo("fast");
        held.take().ok(text("slow"));
        assertThat(read(slow)).isEqualTo("slow");
    }

    @Test
    void aSecondAnswerIsAnError() throws Exception {
        InetSocketAddress at = server(RpcLimits.DEFAULT, null).bind(loopback(0));
        CompletableFuture<ByteBuf> answer = client().call(at, HOLD, LONG);
        Responder responder = held.take();
        assertThat(responder.peer()).isEqualTo("client");
        responder.ok();
        ByteBuf second = text("again");
        assertThatThrownBy(() -> responder.ok(second)).isInstanceOf(IllegalStateException.class);
        assertThat(second.refCnt()).isZero();
        answer.get().release();
    }

    @Test
    void noAnswerInTimeIsUnavailable() throws Exception {
        InetSocketAddress at = server(RpcLimits.DEFAULT, null).bind(loopback(0));
        RpcConnection connection = client().connect(at);
        CompletableFuture<ByteBuf> unhurried = connection.call(HOLD, LONG);
        CisternException failure = failure(connection.call(HOLD, Duration.ofMillis(30)));
        assertThat(failure.code()).isEqualTo(ErrorCode.UNAVAILABLE);
        assertThat(failure).hasMessageContaining("in time");
        held.take().ok(text("first"));
        held.take().ok(text("too late"));
        assertThat(read(unhurried)).isEqualTo("first");
        assertThat(read(connection.call(ECHO, LONG, text("x")))).isEqualTo("x");
    }

    @Test
    void aRefusedConnectionIsUnavailable() throws Exception {
        RpcServer server = server(RpcLimits.DEFAULT, null);
        InetSocketAddress at = server.bind(loopback(0));
        server.close();
        CisternException failure = failure(client().call(at, ECHO, LONG));
        assertThat(failure.code()).isEqualTo(ErrorCode.UNAVAILABLE);
    }

    @Test
    void aLostServerFailsCallsAndTheNextCallReconnects() throws Exception {
        RpcServer first = server(RpcLimits.DEFAULT, null);
        InetSocketAddress at = first.bind(loopback(0));
        RpcConnection connection = client().connect(at);
        CompletableFuture<ByteBuf> inFlight = connection.call(HOLD, LONG);
        held.take();
        first.close();
        assertThat(failure(inFlight).code()).isEqualTo(ErrorCode.UNAVAILABLE);
        assertThat(failure(connection.call(ECHO, LONG)).code()).isEqualTo(ErrorCode.UNAVAILABLE);
        server(RpcLimits.DEFAULT, null).bind(at);
        Awaitility.await()
                .until(() -> {
                    try {
                        return read(connection.call(ECHO, LONG, text("back"))).equals("back");
                    } catch (ExecutionException stillBackingOff) {
                        return false;
                    }
                });
    }

    @Test
    void theClientBoundsWhatIsInFlight() throws Exception {
        InetSocketAddress at = server(RpcLimits.DEFAULT, null).bind(loopback(0));
        RpcLimits limits = RpcLimits.DEFAULT.withInFlight(2, 100);
        RpcConnection connection = client(identity("client"), limits, null).connect(at);
        CompletableFuture<ByteBuf> one = connection.call(HOLD, LONG);
        CompletableFuture<ByteBuf> two = connection.call(HOLD, LONG);
        assertThat(failure(connection.call(ECHO, LONG)).code()).isEqualTo(ErrorCode.LIMIT);
        held.take().ok();
        held.take().ok();
        one.get().release();
        two.get().release();
        ByteBuf big = Unpooled.buffer().writeZero(101);
        assertThat(failure(connection.call(ECHO, LONG, big)).code()).isEqualTo(ErrorCode.LIMIT);
        assertThat(big.refCnt()).isZero();
        assertThat(read(connection.call(ECHO, LONG, text("fits")))).isEqualTo("fits");
    }

    @Test
    void theServerStopsReadingWhereTooMuchIsInFlight() throws Exception {
        RpcLimits limits = RpcLimits.DEFAULT.withInFlight(8, 1 << 20);
        InetSocketAddress at = server(limits, null).bind(loopback(0));
        RpcConnection connection = client().connect(at);
        List<CompletableFuture<ByteBuf>> answers = new ArrayList<>();
        for (int i = 0; i < 200; i++) {
            answers.add(connection.call(HOLD, LONG, Unpooled.buffer().writeZero(256 << 10)));
        }
        // 50 MiB are offered; a server that kept reading would hold all of them.
        int most = 0;
        for (int answered = 0; answered < 200; answered++) {
            Responder responder = held.take();
            most = Math.max(most, held.size() + 1);
            responder.ok();
        }
        for (CompletableFuture<ByteBuf> answer : answers) {
            answer.get(30, TimeUnit.SECONDS).release();
        }
        assertThat(most).isLessThanOrEqualTo(16);
    }

    @Test
    void aPeerThatDoesNotReadIsDisconnected() throws Exception {
        RpcLimits limits = RpcLimits.DEFAULT.withMaxOutboundBytes(1 << 20);
        RpcServer server = server(limits, null);
        server.register(
                11, (request, responder) -> responder.ok(Unpooled.buffer().writeZero(512 << 10)));
        InetSocketAddress at = server.bind(loopback(0));
        try (Socket socket = rawHello(at)) {
            Frame.Encoded request = request(11);
            byte[] bytes = ByteBufUtil.getBytes(request.head());
            request.release();
            for (int i = 0; i < 100; i++) {
                socket.getOutputStream().write(bytes);
            }
            Awaitility.await().until(() -> server.connections() == 0);
        } catch (java.net.SocketException reset) {
            Awaitility.await().until(() -> server.connections() == 0);
        }
    }

    private static Frame.Encoded request(int opcode) {
        return Frame.encode(
                io.netty.buffer.ByteBufAllocator.DEFAULT,
                new Frame.Message(Frame.REQUEST, opcode, 1, Unpooled.EMPTY_BUFFER),
                1 << 20);
    }

    private static Socket rawHello(InetSocketAddress at) throws Exception {
        Socket socket = new Socket(at.getAddress(), at.getPort());
        ByteBuf hello =
                Handshake.hello(identity("raw")).encode(io.netty.buffer.ByteBufAllocator.DEFAULT);
        socket.getOutputStream().write(ByteBufUtil.getBytes(hello));
        hello.release();
        assertThat(socket.getInputStream().readNBytes(Frame.HELLO_BYTES + 6)).hasSize(36);
        return socket;
    }

    @Test
    void garbageClosesTheConnectionAndNothingElse() throws Exception {
        RpcServer server = server(RpcLimits.DEFAULT, null);
        InetSocketAddress at = server.bind(loopback(0));
        try (Socket socket = new Socket(at.getAddress(), at.getPort())) {
            socket.getOutputStream()
                    .write("GET / HTTP/1.1\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
            assertThat(endOf(socket.getInputStream())).isTrue();
        }
        try (Socket socket = rawHello(at)) {
            socket.getOutputStream().write(new byte[] {-1, -1, -1, -1, 0, 0});
            assertThat(endOf(socket.getInputStream())).isTrue();
        }
        assertThat(read(client().call(at, ECHO, LONG, text("fine")))).isEqualTo("fine");
    }

    private static boolean endOf(InputStream in) throws Exception {
        try {
            return in.read() < 0;
        } catch (java.net.SocketException reset) {
            return true;
        }
    }

    @Test
    void aSilentConnectionIsClosed() throws Exception {
        RpcLimits limits = RpcLimits.DEFAULT.withHandshakeTimeout(Duration.ofMillis(100));
        InetSocketAddress at = server(limits, null).bind(loopback(0));
        try (Socket socket = new Socket(at.getAddress(), at.getPort())) {
            assertThat(socket.getInputStream().read()).isNegative();
        }
    }

    @Test
    void connectionsAreLimited() throws Exception {
        InetSocketAddress at =
                server(RpcLimits.DEFAULT.withMaxConnections(1), null).bind(loopback(0));
        RpcConnection first = client().connect(at);
        assertThat(read(first.call(ECHO, LONG, text("1")))).isEqualTo("1");
        assertThat(failure(client().call(at, ECHO, LONG)).code()).isEqualTo(ErrorCode.UNAVAILABLE);
        assertThat(read(first.call(ECHO, LONG, text("2")))).isEqualTo("2");
    }

    @Test
    void anotherClusterOrServiceIsRefusedWithTheReason() throws Exception {
        InetSocketAddress at = server(RpcLimits.DEFAULT, null).bind(loopback(0));
        RpcIdentity stranger = new RpcIdentity(RpcIdentity.SERVICE_RAFT, new UUID(8, 8), "far");
        CisternException cluster =
                failure(client(stranger, RpcLimits.DEFAULT, null).call(at, ECHO, LONG));
        assertThat(cluster.code()).isEqualTo(ErrorCode.UNAUTHORIZED);
        assertThat(cluster).hasMessageContaining("belongs to cluster " + CLUSTER);
        RpcIdentity wire = new RpcIdentity(RpcIdentity.SERVICE_NODE, CLUSTER, "near");
        CisternException service =
                failure(client(wire, RpcLimits.DEFAULT, null).call(at, ECHO, LONG));
        assertThat(service.code()).isEqualTo(ErrorCode.INVALID);
        assertThat(service).hasMessageContaining("service");
    }

    private static RpcIdentity speaking(String node, int oldest, int newest) {
        return new RpcIdentity(
                RpcIdentity.SERVICE_RAFT, CLUSTER, node, new Versions(oldest, newest));
    }

    /// Two releases in one cluster, and two that are too far apart.
    @Test
    void endsAgreeOnAVersionThatBothSpeak() throws Exception {
        RpcServer server = new RpcServer(speaking("server", 1, 3), RpcLimits.DEFAULT, null, loops);
        open.add(server);
        server.register(ECHO, (request, responder) -> responder.ok(request.retain()));
        InetSocketAddress at = server.bind(loopback(0));
        for (RpcIdentity near :
                List.of(
                        identity("one"),
                        speaking("two", 2, 2),
                        speaking("next", 3, 7),
                        speaking("all", 1, 255))) {
            RpcClient client = client(near, RpcLimits.DEFAULT, null);
            assertThat(read(client.call(at, ECHO, LONG, text("hi")))).isEqualTo("hi");
        }
        CisternException far =
                failure(
                        client(speaking("far", 4, 5), RpcLimits.DEFAULT, null)
                                .call(at, ECHO, LONG));
        assertThat(far.code()).isEqualTo(ErrorCode.INVALID);
        assertThat(far)
                .hasMessageContaining("versions 1 to 3")
                .hasMessageContaining("versions 4 to 5");
        assertThat(new Versions(1, 3).common(new Versions(2, 9))).isEqualTo(3);
        assertThat(Versions.of(new Versions(2, 9).field())).isEqualTo(new Versions(2, 9));
        assertThat(Versions.valid(0)).isFalse();
        assertThat(Versions.valid(0x0302)).isFalse();
    }

    @Test
    void tlsNeedsACertificateOfTheSameAuthority(@TempDir Path ours, @TempDir Path theirs)
            throws Exception {
        TlsConfig tls = TestCertificates.create(ours);
        TlsConfig other = TestCertificates.create(theirs);
        InetSocketAddress at = server(RpcLimits.DEFAULT, tls).bind(loopback(0));
        byte[] large = new byte[1 << 20];
        new java.util.Random(2).nextBytes(large);
        RpcClient good = client(identity("good"), RpcLimits.DEFAULT, tls);
        ByteBuf back = good.call(at, ECHO, LONG, Unpooled.wrappedBuffer(large)).get();
        assertThat(ByteBufUtil.getBytes(back)).isEqualTo(large);
        back.release();

        CisternException plain = failure(client().call(at, ECHO, LONG));
        assertThat(plain.code()).isEqualTo(ErrorCode.UNAUTHORIZED);
        assertThat(plain).hasMessageContaining("this cluster uses TLS");
        assertThat(plain.getMessage()).doesNotContain(CLUSTER.toString());
        CisternException foreign =
                failure(client(identity("bad"), RpcLimits.DEFAULT, other).call(at, ECHO, LONG));
        assertThat(foreign.code()).isEqualTo(ErrorCode.UNAUTHORIZED);

        // Trusts the server but has another authority's certificate: the server refuses.
        TlsConfig half = new TlsConfig(other.certificateChain(), other.key(), tls.authority());
        CisternException refused =
                failure(client(identity("bad"), RpcLimits.DEFAULT, half).call(at, ECHO, LONG));
        assertThat(refused.code()).isIn(ErrorCode.UNAUTHORIZED, ErrorCode.UNAVAILABLE);
        assertThat(held).isEmpty();
    }

    @Test
    void missingTlsFilesAreNamed(@TempDir Path empty) {
        Path missing = empty.resolve("missing.pem");
        assertThatThrownBy(() ->
                        client(
                                identity("x"),
                                RpcLimits.DEFAULT,
                                new TlsConfig(missing, missing, missing)))
                .isInstanceOf(CisternException.class)
                .hasMessageContaining("missing.pem");
    }
}
