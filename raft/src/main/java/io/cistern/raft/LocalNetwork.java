package io.cistern.raft;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.InetSocketAddress;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.ratis.proto.RaftProtos.RaftRpcRequestProto;
import org.apache.ratis.server.RaftServer;
import org.apache.ratis.thirdparty.com.google.protobuf.ByteString;

/// Hosts of one process that reach each other by calls, and links between them that can be cut.
final class LocalNetwork {
    static final LocalNetwork SHARED = new LocalNetwork();

    private record Key(ByteString group, ByteString peer) {}

    private record Link(ByteString from, ByteString to) {}

    private final AtomicInteger nextPort = new AtomicInteger(1);
    private final ConcurrentHashMap<Key, RaftServer> servers = new ConcurrentHashMap<>();
    private final Set<Link> cut = ConcurrentHashMap.newKeySet();
    private final ExecutorService calls =
            Executors.newCachedThreadPool(Thread.ofPlatform().name("local-rpc").daemon().factory());

    /// One host's place in the network.
    record Port(LocalNetwork network, InetSocketAddress address) {}

    InetSocketAddress bind(InetSocketAddress wanted) {
        return wanted.getPort() != 0
                ? wanted
                : new InetSocketAddress(wanted.getAddress(), nextPort.getAndIncrement());
    }

    Port at(InetSocketAddress address) {
        return new Port(this, address);
    }

    void cut(String from, String to) {
        cut.add(new Link(ByteString.copyFromUtf8(from), ByteString.copyFromUtf8(to)));
    }

    void heal() {
        cut.clear();
    }

    void register(ByteString group, ByteString peer, RaftServer server) {
        servers.put(new Key(group, peer), server);
    }

    void unregister(RaftServer server) {
        servers.values().removeIf(other -> other == server);
    }

    interface Call<T> {
        T on(RaftServer server) throws IOException;
    }

    <T> T send(RaftRpcRequestProto header, Call<T> call) throws IOException {
        ByteString from = header.getRequestorId();
        ByteString to = header.getReplyId();
        check(from, to);
        RaftServer server = servers.get(new Key(header.getRaftGroupId().getId(), to));
        if (server == null) {
            throw new IOException(to.toStringUtf8() + " does not listen");
        }
        // On another thread: the caller's may be interrupted, which must not reach the callee.
        Callable<T> task = () -> call.on(server);
        Future<T> answer = calls.submit(task);
        try {
            T result = answer.get();
            check(to, from);
            return result;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("interrupted while waiting for " + to.toStringUtf8());
        } catch (ExecutionException e) {
            throw e.getCause() instanceof IOException io ? io : new IOException(e.getCause());
        }
    }

    private void check(ByteString from, ByteString to) throws IOException {
        if (cut.contains(new Link(from, to))) {
            throw new IOException(from.toStringUtf8() + " cannot reach " + to.toStringUtf8());
        }
    }
}
