package io.cistern.volume;

import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// How to reach a cluster from outside of its nodes.
///
/// @param seeds node wire addresses; one that answers is enough
/// @param clusterId the cluster's id: nodes of another one are refused
/// @param tls null for plain connections
/// @param requestTimeout how long one request of a device may wait and be repeated before it fails;
///   60 s by default
/// @param tryTimeout how long one attempt may take before other members are asked; 1 s
/// @param openTimeout for attaching and control calls; 30 s
public record ClientConfig(
        List<InetSocketAddress> seeds,
        String clusterId,
        @Nullable TlsFiles tls,
        Duration requestTimeout,
        Duration tryTimeout,
        Duration openTimeout) {

    public static ClientConfig of(List<InetSocketAddress> seeds, String clusterId) {
        return new ClientConfig(
                seeds,
                clusterId,
                null,
                Duration.ofSeconds(60),
                Duration.ofSeconds(1),
                Duration.ofSeconds(30));
    }
}
