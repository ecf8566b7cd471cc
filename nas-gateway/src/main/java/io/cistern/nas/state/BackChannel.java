package io.cistern.nas.state;

import io.cistern.nas.rpc.RpcPeer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Semaphore;
import org.jspecify.annotations.Nullable;

/// The back channel of a session (RFC 8881 section 2.10.3.1): over which connections, as what
/// program and under which name its client is called back. It has one slot. Any thread.
///
/// ```
/// UNTRIED --probe answered--> UP <--answered / not answered--> DOWN
///                             any --a callback of which nobody knows whether it came--> FAULTY
/// ```
///
/// A faulty one is used no more: the client is told, and makes another session.
public final class BackChannel {
    private static final int MAX_LINES = 16;

    /// How the server names itself to the client.
    public record Security(int flavor, byte[] body) {
        @Override
        public boolean equals(Object o) {
            return this == o;
        }

        @Override
        public int hashCode() {
            return System.identityHashCode(this);
        }
    }

    private final int minorVersion;
    private final Semaphore slot = new Semaphore(1);
    private final List<RpcPeer> lines = new ArrayList<>();
    private final CompletableFuture<Boolean> probed = new CompletableFuture<>();
    private int program;
    private Security security;
    private int sequence;
    private boolean down;
    private boolean closed;
    private boolean faulty;

    public BackChannel(int program, Security security, int minorVersion) {
        this.program = program;
        this.security = security;
        this.minorVersion = minorVersion;
    }

    /// BACKCHANNEL_CTL.
    public synchronized void change(int newProgram, Security newSecurity) {
        program = newProgram;
        security = newSecurity;
    }

    public synchronized int program() {
        return program;
    }

    public synchronized Security security() {
        return security;
    }

    public int minorVersion() {
        return minorVersion;
    }

    /// Adds a connection; more than a client can need are not remembered.
    public synchronized void add(RpcPeer line) {
        down = false;
        lines.removeIf(l -> l.id() == line.id() || !l.transport().open());
        if (lines.size() < MAX_LINES) {
            lines.add(line);
        }
    }

    synchronized void remove(long connection) {
        lines.removeIf(l -> l.id() == connection);
    }

    /// A connection that is open; null where there is none.
    public synchronized @Nullable RpcPeer line() {
        for (RpcPeer line : lines) {
            if (line.transport().open()) {
                return line;
            }
        }
        return null;
    }

    /// Whether a callback may be tried.
    public synchronized boolean usable() {
        return !closed && !down && !faulty && line() != null;
    }

    /// Completes when the first callback was answered, with whether it was.
    public CompletableFuture<Boolean> probed() {
        return probed;
    }

    public void answered(boolean well) {
        synchronized (this) {
            down = !well;
        }
        probed.complete(well);
    }

    /// The client may or may not have seen the last callback.
    public void fault() {
        synchronized (this) {
            faulty = true;
        }
        probed.complete(false);
    }

    synchronized boolean faulty() {
        return faulty;
    }

    synchronized void close() {
        closed = true;
        lines.clear();
        probed.complete(false);
    }

    public synchronized boolean closed() {
        return closed;
    }

    /// Claims the slot. Blocks.
    ///
    /// @return the sequence number to use
    public int begin() throws InterruptedException {
        slot.acquire();
        synchronized (this) {
            return sequence + 1;
        }
    }

    /// @param used whether the client has seen the sequence number
    public void end(boolean used) {
        synchronized (this) {
            if (used) {
                sequence++;
            }
        }
        slot.release();
    }
}
