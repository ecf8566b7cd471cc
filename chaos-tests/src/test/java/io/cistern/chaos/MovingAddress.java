package io.cistern.chaos;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/// An address that moves from one server to another, as a floating IP address does: connections to
/// it are passed on to where it points, and end when it is moved.
final class MovingAddress implements AutoCloseable {
    private final ServerSocket listener;
    private final Set<Socket> open = ConcurrentHashMap.newKeySet();
    private volatile InetSocketAddress target;

    MovingAddress(InetSocketAddress target) throws IOException {
        this.target = target;
        this.listener = new ServerSocket(0, 64, InetAddress.getLoopbackAddress());
        Thread.ofPlatform().daemon().name("moving-address").start(this::accept);
    }

    int port() {
        return listener.getLocalPort();
    }

    void moveTo(InetSocketAddress next) {
        target = next;
        open.forEach(MovingAddress::end);
    }

    private void accept() {
        while (!listener.isClosed()) {
            try {
                Socket client = listener.accept();
                Socket server = new Socket();
                open.add(client);
                open.add(server);
                try {
                    server.connect(target, 1_000);
                } catch (IOException e) {
                    forget(client, server);
                    continue;
                }
                pass(client, server);
                pass(server, client);
            } catch (IOException e) {
                return; // closed
            }
        }
    }

    private void pass(Socket from, Socket to) {
        Thread.ofVirtual()
                .start(() -> {
                    try {
                        from.getInputStream().transferTo(to.getOutputStream());
                    } catch (IOException e) {
                        // one of them has ended: so do both
                    } finally {
                        forget(from, to);
                    }
                });
    }

    private void forget(Socket a, Socket b) {
        end(a);
        end(b);
        open.remove(a);
        open.remove(b);
    }

    private static void end(Socket socket) {
        try {
            socket.close();
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    @Override
    public void close() throws IOException {
        listener.close();
        open.forEach(MovingAddress::end);
    }
}
