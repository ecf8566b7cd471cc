package io.cistern.raft;

import io.cistern.raft.net.RpcLoops;
import io.cistern.raft.net.TlsConfig;
import io.cistern.raft.ratis.LinkFilter;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/// What a [RaftHost] needs to know.
///
/// @param node this node's name
/// @param clusterId peers of another cluster are refused; a UUID as text, or any other text
/// @param listen address of the Raft port; port 0 takes a free one
/// @param directory logs are kept in `<directory>/raft/<group>/<peer>`
/// @param tls null for plaintext; the same on every node
/// @param loops threads for the network, shared and closed by the caller; null for its own
/// @param timings election time-outs, lease and the like
/// @param log sizes of log files
/// @param halt called when the process must stop
/// @param nanoTime the clock of leases and waits, as [System#nanoTime]
/// @param links which messages pass between replicas, for fault tests
public record RaftHostConfig(
        String node,
        String clusterId,
        InetSocketAddress listen,
        Path directory,
        @Nullable TlsConfig tls,
        @Nullable RpcLoops loops,
        RaftTimings timings,
        RaftLogLimits log,
        Halt halt,
        LongSupplier nanoTime,
        LinkFilter links) {

    /// In plaintext, with the default timings, halting the process, on the system's clock.
    public static RaftHostConfig of(
            String node, String clusterId, InetSocketAddress listen, Path directory) {
        return new RaftHostConfig(
                node,
                clusterId,
                listen,
                directory,
                null,
                null,
                RaftTimings.DEFAULT,
                RaftLogLimits.DEFAULT,
                Halt.process(),
                System::nanoTime,
                LinkFilter.OPEN);
    }

    public RaftHostConfig withClusterId(String id) {
        return new RaftHostConfig(
                node, id, listen, directory, tls, loops, timings, log, halt, nanoTime, links);
    }

    public RaftHostConfig withTls(@Nullable TlsConfig changed) {
        return new RaftHostConfig(
                node, clusterId, listen, directory, changed, loops, timings, log, halt, nanoTime,
                links);
    }

    public RaftHostConfig withLoops(RpcLoops changed) {
        return new RaftHostConfig(
                node, clusterId, listen, directory, tls, changed, timings, log, halt, nanoTime,
                links);
    }

    public RaftHostConfig withTimings(RaftTimings changed) {
        return new RaftHostConfig(
                node, clusterId, listen, directory, tls, loops, changed, log, halt, nanoTime,
                links);
    }

    public RaftHostConfig withLog(RaftLogLimits changed) {
        return new RaftHostConfig(
                node, clusterId, listen, directory, tls, loops, timings, changed, halt, nanoTime,
                links);
    }

    public RaftHostConfig withHalt(Halt changed) {
        return new RaftHostConfig(
                node, clusterId, listen, directory, tls, loops, timings, log, changed, nanoTime,
                links);
    }

    public RaftHostConfig withNanoTime(LongSupplier changed) {
        return new RaftHostConfig(
                node, clusterId, listen, directory, tls, loops, timings, log, halt, changed, links);
    }

    public RaftHostConfig withLinks(LinkFilter changed) {
        return new RaftHostConfig(
                node, clusterId, listen, directory, tls, loops, timings, log, halt, nanoTime,
                changed);
    }
}
