package io.cistern.nas.rpc;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.buffer.ByteBufAllocator;
import io.netty.channel.Channel;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.DefaultSelectStrategyFactory;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.SelectStrategyFactory;
import io.netty.channel.WriteBufferWaterMark;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.SocketChannel;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslHandler;
import io.netty.handler.timeout.IdleStateHandler;
import io.netty.util.concurrent.DefaultThreadFactory;
import java.net.InetSocketAddress;
import java.nio.channels.spi.SelectorProvider;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// Serves RPC programs on one or more TCP addresses. Any thread.
public final class RpcServer implements AutoCloseable {
    private static final int LOW_WATER_BYTES = 256 << 10;
    private static final int HIGH_WATER_BYTES = 4 << 20;
    private static final int BACKLOG = 256;

    private final Map<Integer, RpcProgram> programs;
    private final RpcLimits limits;
    private final @Nullable SslContext tls;
    private final RpcStats stats = new RpcStats();
    private final EventLoopGroup loops;
    private final ExecutorService executor =
            Executors.newThreadPerTaskExecutor(Thread.ofVirtual().name("nfs-", 0).factory());
    private final AtomicLong connectionIds = new AtomicLong();
    private final Set<Channel> connections = ConcurrentHashMap.newKeySet();
    private final List<Channel> listeners = new ArrayList<>();
    private final AtomicInteger totalInFlight = new AtomicInteger();
    private final AtomicLong totalBytes = new AtomicLong();
    private final Queue<RpcConnection> parked = new ConcurrentLinkedQueue<>();

    /// @param tls what RPC over TLS (RFC 9289) is offered with; null: not offered
    public RpcServer(
            List<RpcProgram> programs, RpcLimits limits, @Nullable SslContext tls, int threads) {
        this.programs =
                programs.stream()
                        .collect(Collectors.toMap(RpcProgram::number, Function.identity()));
        this.limits = limits;
        this.tls = tls;
        this.loops =
                new MultiThreadIoEventLoopGroup(
                        threads,
                        new DefaultThreadFactory("nfs-io", true),
                        NioIoHandler.newFactory(SelectorProvider.provider(), selection()));
    }

    private SelectStrategyFactory selection() {
        // Where there is one processor, whom a loop waits for needs it.
        return Runtime.getRuntime().availableProcessors() > 1
                ? () -> new RhythmSelect(System::nanoTime, () -> inFlight() > 0)
                : DefaultSelectStrategyFactory.INSTANCE;
    }

    /// Begins to listen.
    ///
    /// @return the address, with the port that was found where `address` left it open
    /// @throws CisternException BUSY where the address is in use or cannot be had
    public synchronized InetSocketAddress listen(InetSocketAddress address) {
        ServerBootstrap bootstrap =
                new ServerBootstrap()
                        .group(loops)
                        .channel(NioServerSocketChannel.class)
                        .option(ChannelOption.SO_BACKLOG, BACKLOG)
                        .option(ChannelOption.SO_REUSEADDR, true)
                        .childOption(ChannelOption.TCP_NODELAY, true)
                        .childOption(ChannelOption.SO_KEEPALIVE, true)
                        .childOption(
                                ChannelOption.WRITE_BUFFER_WATER_MARK,
                                new WriteBufferWaterMark(LOW_WATER_BYTES, HIGH_WATER_BYTES))
                        .childHandler(new Initializer());
        var bound = bootstrap.bind(address).awaitUninterruptibly();
        if (!bound.isSuccess()) {
            throw new CisternException(
                    ErrorCode.BUSY,
                    "cannot listen on "
                            + address
                            + ": "
                            + bound.cause().getMessage()
                            + "; choose another port or stop what uses it",
                    bound.cause());
        }
        listeners.add(bound.channel());
        return (InetSocketAddress) bound.channel().localAddress();
    }

    private final class Initializer extends ChannelInitializer<SocketChannel> {
        @Override
        protected void initChannel(SocketChannel channel) {
            RecordDecoder decoder =
                    new RecordDecoder(limits.maxRecordBytes(), limits.maxFragments());
            channel.pipeline()
                    .addLast(new IdleStateHandler(0, 0, limits.idleSeconds()))
                    .addLast(decoder)
                    .addLast(new RpcConnection(RpcServer.this, decoder));
        }
    }

    public RpcStats stats() {
        return stats;
    }

    public int connections() {
        return connections.size();
    }

    RpcLimits limits() {
        return limits;
    }

    @Nullable SslContext tls() {
        return tls;
    }

    SslHandler newTlsHandler(ByteBufAllocator allocator) {
        SslContext context = tls;
        if (context == null) {
            throw new IllegalStateException("no TLS configured");
        }
        return context.newHandler(allocator);
    }

    ExecutorService executor() {
        return executor;
    }

    @Nullable RpcProgram program(int number) {
        return programs.get(number);
    }

    long nextConnectionId() {
        return connectionIds.incrementAndGet();
    }

    /// Whether all connections together may have another call under way.
    boolean hasRoom() {
        return totalInFlight.get() < limits.maxTotalInFlight()
                && totalBytes.get() < limits.totalBudgetBytes();
    }

    void took(int bytes) {
        totalInFlight.incrementAndGet();
        totalBytes.addAndGet(bytes);
    }

    void gave(int bytes) {
        totalInFlight.decrementAndGet();
        totalBytes.addAndGet(-bytes);
        while (!parked.isEmpty() && hasRoom()) {
            RpcConnection next = parked.poll();
            if (next != null) {
                next.unpark();
            }
        }
    }

    /// Has a connection told when there is room again.
    void park(RpcConnection connection) {
        stats.saturated.increment();
        if (!parked.contains(connection)) {
            parked.add(connection);
        }
    }

    void unparked(RpcConnection connection) {
        parked.remove(connection);
    }

    /// Calls under way, and the bytes of their arguments.
    public int inFlight() {
        return totalInFlight.get();
    }

    public long heldBytes() {
        return totalBytes.get();
    }

    boolean admit(Channel channel) {
        stats.accepted.increment();
        connections.add(channel);
        return connections.size() <= limits.maxConnections();
    }

    void disconnected(Channel channel, RpcPeer peer) {
        connections.remove(channel);
        programs.values().forEach(program -> program.disconnected(peer));
    }

    /// Stops listening, then ends the connections. Calls under way are carried out, their replies
    /// may be lost.
    @Override
    public synchronized void close() {
        listeners.forEach(l -> l.close().awaitUninterruptibly());
        listeners.clear();
        List.copyOf(connections).forEach(c -> c.close().awaitUninterruptibly());
        executor.shutdown();
        try {
            if (!executor.awaitTermination(5, TimeUnit.SECONDS)) {
                executor.shutdownNow();
            }
        } catch (InterruptedException e) {
            executor.shutdownNow();
            Thread.currentThread().interrupt();
        }
        loops.shutdownGracefully(0, 2, TimeUnit.SECONDS).awaitUninterruptibly(5_000);
    }
}
