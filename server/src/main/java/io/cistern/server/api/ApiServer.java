package io.cistern.server.api;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.server.config.Addresses;
import io.cistern.server.config.ServerConfig.ApiConfig;
import io.cistern.server.config.ServerConfig.ApiTls;
import io.cistern.volume.ClusterAdmin;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.WriteBufferWaterMark;
import io.netty.channel.group.ChannelGroup;
import io.netty.channel.group.DefaultChannelGroup;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.SocketChannel;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.handler.codec.http.HttpDecoderConfig;
import io.netty.handler.codec.http.HttpObjectAggregator;
import io.netty.handler.codec.http.HttpServerCodec;
import io.netty.handler.flow.FlowControlHandler;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslContextBuilder;
import io.netty.handler.timeout.IdleStateHandler;
import io.netty.util.concurrent.GlobalEventExecutor;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Serves one node's REST API, metrics page and OpenAPI document.
///
/// One event loop; every handler runs on a virtual thread. Request line, headers, bodies and the
/// number of connections are bounded; each connection has at most one request in work.
public final class ApiServer implements AutoCloseable {
    /// Longest request line, in bytes.
    static final int MAX_LINE_BYTES = 4096;

    /// Longest header section, in bytes.
    static final int MAX_HEADER_BYTES = 16384;

    /// Written as the API's version into the OpenAPI document.
    public static final String API_VERSION = "1.0.0";

    private static final Logger LOG = LoggerFactory.getLogger(ApiServer.class);

    private final EventLoopGroup loops =
            new MultiThreadIoEventLoopGroup(1, NioIoHandler.newFactory());
    private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
    private final ChannelGroup connections = new DefaultChannelGroup(GlobalEventExecutor.INSTANCE);
    private final Map<Integer, LongAdder> answers = new ConcurrentHashMap<>();
    private final ApiConfig config;
    private final Router router;
    private final Pages pages;
    private final @Nullable SslContext tls;
    private @Nullable Channel listener;

    /// @param metrics writes the metrics page
    public ApiServer(
            ApiConfig config, ClusterAdmin admin, Requests.Self self, Supplier<String> metrics) {
        this.config = config;
        this.router = new Router(Routes.of(admin, self, new Verifications(admin, threads)));
        this.pages =
                new Pages(
                        Json.bytes(OpenApi.document(router.routes(), API_VERSION)), metrics, admin);
        this.tls = tls(config.tls());
    }

    /// The OpenAPI document, as maps and lists.
    public static Map<String, Object> document(ClusterAdmin admin) {
        ExecutorService none = Executors.newVirtualThreadPerTaskExecutor();
        Requests.Self self = new Requests.Self("", "", 0, "");
        List<Route> routes = Routes.of(admin, self, new Verifications(admin, none));
        none.close();
        return OpenApi.document(routes, API_VERSION);
    }

    /// Starts to listen.
    ///
    /// @throws CisternException IO where the address is taken or is not this machine's
    public void start() {
        ServerBootstrap bootstrap =
                new ServerBootstrap()
                        .group(loops)
                        .channel(NioServerSocketChannel.class)
                        .option(ChannelOption.SO_BACKLOG, 128)
                        .option(ChannelOption.SO_REUSEADDR, true)
                        .childOption(ChannelOption.TCP_NODELAY, true)
                        .childOption(
                                ChannelOption.WRITE_BUFFER_WATER_MARK,
                                new WriteBufferWaterMark(64 << 10, 256 << 10))
                        .childHandler(
                                new ChannelInitializer<SocketChannel>() {
                                    @Override
                                    protected void initChannel(SocketChannel channel) {
                                        initialize(channel);
                                    }
                                });
        var bound = bootstrap.bind(config.listen()).awaitUninterruptibly();
        if (!bound.isSuccess()) {
            Throwable cause = bound.cause();
            close();
            throw new CisternException(
                    ErrorCode.IO,
                    "cannot listen for the API on "
                            + Addresses.format(config.listen())
                            + ": "
                            + cause.getMessage()
                            + "; change api.listen or free the port",
                    cause);
        }
        listener = bound.channel();
        LOG.info("API at {}", url());
    }

    /// Where it listens, with the port really bound.
    public InetSocketAddress address() {
        Channel open = listener;
        if (open == null) {
            throw new IllegalStateException("not started");
        }
        return (InetSocketAddress) open.localAddress();
    }

    /// Base URL at the address it listens on.
    public String url() {
        return (tls == null ? "http://" : "https://") + Addresses.format(address());
    }

    private void initialize(SocketChannel channel) {
        if (connections.size() >= config.maxConnections()) {
            LOG.warn("{} API connections are open: refused another", connections.size());
            channel.close();
            return;
        }
        connections.add(channel);
        if (tls != null) {
            channel.pipeline().addLast(tls.newHandler(channel.alloc()));
        }
        channel.pipeline()
                .addLast(
                        new IdleStateHandler(
                                0, 0, config.idleTimeout().toMillis(), TimeUnit.MILLISECONDS),
                        new HttpServerCodec(
                                new HttpDecoderConfig()
                                        .setMaxInitialLineLength(MAX_LINE_BYTES)
                                        .setMaxHeaderSize(MAX_HEADER_BYTES)),
                        new HttpObjectAggregator(config.maxBodyBytes()),
                        new FlowControlHandler(), // hands on one request of those sent in a row
                        new ApiHandler(config, router, pages, threads, this::count));
    }

    private void count(int status) {
        answers.computeIfAbsent(status, s -> new LongAdder()).increment();
    }

    /// How many requests were answered with which status.
    public Map<Integer, Long> answers() {
        Map<Integer, Long> counts = new TreeMap<>();
        answers.forEach((status, n) -> counts.put(status, n.sum()));
        return counts;
    }

    private static @Nullable SslContext tls(@Nullable ApiTls files) {
        if (files == null) {
            return null;
        }
        try {
            return SslContextBuilder.forServer(files.certificate().toFile(), files.key().toFile())
                    .protocols("TLSv1.3", "TLSv1.2")
                    .build();
        } catch (IOException | RuntimeException e) {
            throw new CisternException(
                    ErrorCode.INVALID,
                    "cannot use api.certificate "
                            + files.certificate()
                            + " with api.key "
                            + files.key()
                            + ": "
                            + e.getMessage(),
                    e);
        }
    }

    @Override
    public void close() {
        Channel open = listener;
        if (open != null) {
            open.close().awaitUninterruptibly(2000);
        }
        connections.close().awaitUninterruptibly(2000);
        threads.shutdownNow();
        loops.shutdownGracefully(0, 1, TimeUnit.SECONDS).awaitUninterruptibly(2000);
    }
}
