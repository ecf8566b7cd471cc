package io.cistern.raft;

import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.util.function.LongSupplier;

/// What a [RaftHost] needs to know.
///
/// @param node this node's name
/// @param clusterId peers of another cluster are refused
/// @param listen address of the Raft port; port 0 takes a free one
/// @param directory logs are kept in `<directory>/raft/<group>/<peer>`
/// @param timings election time-outs, lease and the like
/// @param log sizes of log files
/// @param halt called when the process must stop
/// @param nanoTime the clock of leases and waits, as [System#nanoTime]
public record RaftHostConfig(
        String node,
        String clusterId,
        InetSocketAddress listen,
        Path directory,
        RaftTimings timings,
        RaftLogLimits log,
        Halt halt,
        LongSupplier nanoTime) {

    /// With the default timings, halting the process, on the system's clock.
    public static RaftHostConfig of(
            String node, String clusterId, InetSocketAddress listen, Path directory) {
        return new RaftHostConfig(
                node,
                clusterId,
                listen,
                directory,
                RaftTimings.DEFAULT,
                RaftLogLimits.DEFAULT,
                Halt.process(),
                System::nanoTime);
    }

    public RaftHostConfig withTimings(RaftTimings changed) {
        return new RaftHostConfig(node, clusterId, listen, directory, changed, log, halt, nanoTime);
    }

    public RaftHostConfig withHalt(Halt changed) {
        return new RaftHostConfig(
                node, clusterId, listen, directory, timings, log, changed, nanoTime);
    }

    public RaftHostConfig withNanoTime(LongSupplier changed) {
        return new RaftHostConfig(node, clusterId, listen, directory, timings, log, halt, changed);
    }

    public RaftHostConfig withLog(RaftLogLimits changed) {
        return new RaftHostConfig(
                node, clusterId, listen, directory, timings, changed, halt, nanoTime);
    }
}
