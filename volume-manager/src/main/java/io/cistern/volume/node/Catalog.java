package io.cistern.volume.node;

import io.cistern.block.CisternException;
import io.cistern.volume.system.SystemState;
import io.cistern.volume.system.SystemState.Group;
import io.cistern.volume.system.SystemState.Node;
import io.cistern.volume.system.SystemState.Replica;
import java.net.InetSocketAddress;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The newest system state that this process knows; it may be a little old. Kept fresh by a thread
/// that looks at the replica here, or asks the nodes that have one.
final class Catalog implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(Catalog.class);
    private static final long PERIOD_MILLIS = 500;

    private final Map<String, InetSocketAddress> seeds;
    private final Function<SystemState, @Nullable SystemState> newer;
    private final List<Runnable> listeners = new CopyOnWriteArrayList<>();
    private final Object signal = new Object();
    private boolean signalled;
    private volatile boolean closed;
    private volatile SystemState state = SystemState.EMPTY;
    private final Thread thread;

    /// @param seeds nodes and their addresses while no state is known
    /// @param newer finds a state newer than the one given, null if there is none; may block and
    ///   may throw CisternException
    Catalog(
            String name,
            Map<String, InetSocketAddress> seeds,
            Function<SystemState, @Nullable SystemState> newer) {
        this.seeds = Map.copyOf(seeds);
        this.newer = newer;
        this.thread = Thread.ofVirtual().name("catalog-" + name).unstarted(this::run);
    }

    void start() {
        thread.start();
    }

    SystemState state() {
        return state;
    }

    /// Node wire addresses of those who hold a replica of the system group, and the seeds.
    List<InetSocketAddress> systemMembers() {
        Set<InetSocketAddress> members = new LinkedHashSet<>();
        Group system = state.groups().get(0L);
        if (system != null) {
            for (Replica replica : system.replicas()) {
                InetSocketAddress address = wire(replica.node());
                if (address != null) {
                    members.add(address);
                }
            }
        }
        members.addAll(seeds.values());
        return List.copyOf(members);
    }

    /// Where a node listens for the node wire, null if the node is not known.
    @Nullable InetSocketAddress wire(String node) {
        Node known = state.nodes().get(node);
        return known == null ? seeds.get(node) : Addresses.parse(known.wire());
    }

    /// Calls `listener` after each change, on the catalog's thread.
    void onChange(Runnable listener) {
        listeners.add(listener);
    }

    /// Looks again soon.
    void wake() {
        synchronized (signal) {
            signalled = true;
            signal.notifyAll();
        }
    }

    /// Some node knows the state of this version.
    void othersKnow(long version) {
        if (version > state.version()) {
            wake();
        }
    }

    /// Takes over a state if it is newer.
    void learned(SystemState newest) {
        synchronized (this) {
            if (newest.version() <= state.version()) {
                return;
            }
            state = newest;
        }
        listeners.forEach(Runnable::run);
    }

    private void run() {
        while (!closed) {
            try {
                SystemState found = newer.apply(state);
                if (found != null) {
                    learned(found);
                }
            } catch (CisternException e) {
                log.debug("no news of the cluster: {}", e.getMessage());
            }
            try {
                await();
            } catch (InterruptedException stopping) {
                return;
            }
        }
    }

    private void await() throws InterruptedException {
        synchronized (signal) {
            long end = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(PERIOD_MILLIS);
            for (long left = PERIOD_MILLIS; !signalled && left > 0; ) {
                signal.wait(left);
                left = TimeUnit.NANOSECONDS.toMillis(end - System.nanoTime());
            }
            signalled = false;
        }
    }

    @Override
    public void close() {
        closed = true;
        thread.interrupt();
    }
}
