package io.cistern.raft.net;

import io.netty.channel.EventLoop;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.nio.NioIoHandler;
import io.netty.util.concurrent.DefaultThreadFactory;
import java.util.concurrent.TimeUnit;

/// The event-loop threads that servers and clients of one process share. One or two are enough:
/// nothing on them blocks.
public final class RpcLoops implements AutoCloseable {
    private final EventLoopGroup group;

    /// @param name prefix of the threads' names
    /// @param threads 1 or more
    public RpcLoops(String name, int threads) {
        this.group =
                new MultiThreadIoEventLoopGroup(
                        threads, new DefaultThreadFactory(name, true), NioIoHandler.newFactory());
    }

    /// One of the loops, by turns.
    public EventLoop next() {
        return group.next();
    }

    EventLoopGroup group() {
        return group;
    }

    /// Stops the threads, after the servers and clients on them were closed. Waits up to 5 s.
    @Override
    public void close() {
        group.shutdownGracefully(0, 5, TimeUnit.SECONDS).awaitUninterruptibly(5, TimeUnit.SECONDS);
    }
}
