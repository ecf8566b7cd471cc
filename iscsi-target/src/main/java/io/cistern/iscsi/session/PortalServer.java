package io.cistern.iscsi.session;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.iscsi.PortalConfig;
import io.cistern.iscsi.TargetCatalog;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.WriteBufferWaterMark;
import io.netty.channel.socket.SocketChannel;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The listening side of a portal and its connections. Any thread.
public final class PortalServer implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(PortalServer.class);
    private static final int BACKLOG = 256;

    /// Above the first, nothing more is read from a peer until it has read down to the second.
    private static final WriteBufferWaterMark WATER_MARK =
            new WriteBufferWaterMark(1 << 20, 4 << 20);

    private final Shared shared;
    private final List<Channel> listeners = new ArrayList<>();
    private final AutoCloseable subscription;

    // Guarded by this.
    /// Oldest first.
    private final Set<Connection> connections = new LinkedHashSet<>();

    private boolean closing;

    private PortalServer(PortalConfig config, TargetCatalog catalog) {
        this.shared = new Shared(config, catalog);
        this.subscription = catalog.onChange(this::changed);
    }

    /// As [io.cistern.iscsi.Portal#open] says.
    public static PortalServer open(
            PortalConfig config, TargetCatalog catalog, EventLoopGroup loops) {
        PortalServer server = new PortalServer(config, catalog);
        try {
            for (InetSocketAddress address : config.listen()) {
                server.listen(address, loops);
            }
            return server;
        } catch (RuntimeException e) {
            server.close();
            throw e;
        }
    }

    private void listen(InetSocketAddress address, EventLoopGroup loops) {
        ChannelFuture bound =
                new ServerBootstrap()
                        .group(loops)
                        .channel(NioServerSocketChannel.class)
                        .option(ChannelOption.SO_BACKLOG, BACKLOG)
                        .option(ChannelOption.SO_REUSEADDR, true)
                        .childOption(ChannelOption.TCP_NODELAY, true)
                        .childOption(ChannelOption.SO_KEEPALIVE, true)
                        .childOption(ChannelOption.WRITE_BUFFER_WATER_MARK, WATER_MARK)
                        .childHandler(
                                new ChannelInitializer<SocketChannel>() {
                                    @Override
                                    protected void initChannel(SocketChannel channel) {
                                        accept(channel);
                                    }
                                })
                        .bind(address)
                        .awaitUninterruptibly();
        if (!bound.isSuccess()) {
            throw new CisternException(
                    ErrorCode.IO,
                    "the iSCSI portal cannot listen on "
                            + address
                            + ": "
                            + bound.cause().getMessage()
                            + "; is another target using the port?",
                    bound.cause());
        }
        listeners.add(bound.channel());
    }

    private void accept(Channel channel) {
        Connection oldestLogin = null;
        synchronized (this) {
            if (closing || connections.size() >= shared.config().limits().maxConnections()) {
                shared.metrics().refused.increment();
                channel.close();
                return;
            }
            List<Connection> logins = connections.stream().filter(c -> !c.loggedIn()).toList();
            if (logins.size() >= shared.config().limits().maxLogins()) {
                oldestLogin = logins.getFirst();
                // At once, lest the next one choose it again before its event loop has closed it.
                connections.remove(oldestLogin);
                shared.metrics().refused.increment();
            }
            connections.add(new Connection(shared, channel, this::forget));
        }
        shared.metrics().accepted.increment();
        if (oldestLogin != null) {
            oldestLogin.shutdown("too many connections that do not log in");
        }
    }

    private synchronized void forget(Connection connection) {
        connections.remove(connection);
        notifyAll();
    }

    private void changed(String targetName) {
        for (Session session : shared.registry().all()) {
            if (session.login().targetName().equals(targetName)) {
                session.checkAccess();
            }
        }
    }

    public List<InetSocketAddress> addresses() {
        return listeners.stream().map(c -> (InetSocketAddress) c.localAddress()).toList();
    }

    public List<SessionInfo> sessions() {
        return shared.registry().all().stream().map(Session::info).toList();
    }

    public PortalMetrics.Snapshot metrics() {
        return shared.metrics().snapshot(shared.writes().used(), shared.reads().used());
    }

    @Override
    public void close() {
        List<Connection> open;
        synchronized (this) {
            if (closing) {
                return;
            }
            closing = true;
            open = new ArrayList<>(connections);
        }
        listeners.forEach(listener -> listener.close().awaitUninterruptibly());
        try {
            subscription.close();
        } catch (Exception e) {
            LOG.warn("the catalog's subscription cannot be ended", e);
        }
        open.forEach(connection -> connection.shutdown("the portal closes"));
        long grace = shared.config().timeouts().logout().toMillis() + 1_500;
        if (!awaitNone(grace)) {
            synchronized (this) {
                open = new ArrayList<>(connections);
            }
            open.forEach(c -> c.execute(() -> c.close("the portal closes")));
            awaitNone(grace);
        }
    }

    private synchronized boolean awaitNone(long millis) {
        long end = System.nanoTime() + millis * 1_000_000;
        boolean interrupted = false;
        while (!connections.isEmpty()) {
            long left = (end - System.nanoTime()) / 1_000_000;
            if (left <= 0 || interrupted) {
                break;
            }
            try {
                wait(left);
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        return connections.isEmpty();
    }
}
