package io.cistern.server.config;

import io.cistern.volume.NodeConfig;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// What one configuration file comes to.
///
/// @param iscsi null where no portal is to run
/// @param nfs null where no NFS is to be served
public record ServerConfig(
        NodeConfig node,
        ApiConfig api,
        @Nullable IscsiConfig iscsi,
        @Nullable NfsConfig nfs,
        LogConfig log) {

    /// @param token null where requests need none
    /// @param tls null for plain HTTP
    /// @param maxBodyBytes 1 byte to 16 MiB
    public record ApiConfig(
            InetSocketAddress listen,
            @Nullable String token,
            @Nullable ApiTls tls,
            int maxConnections,
            int maxBodyBytes,
            Duration idleTimeout) {
        /// Largest configurable [#maxBodyBytes].
        public static final int MAX_BODY_BYTES = 16 << 20;

        /// Holds the token back.
        @Override
        public String toString() {
            return "ApiConfig[listen=" + listen + ", tls=" + (tls != null) + "]";
        }
    }

    /// @param advertise `host:port` each
    /// @param chapAlgorithms of `sha3-256`, `sha256`, `sha1` and `md5`
    public record IscsiConfig(
            List<InetSocketAddress> listen,
            List<String> advertise,
            List<String> chapAlgorithms,
            int maxConnections) {
        /// True where the portal may do without: others are told of another of its addresses.
        public boolean optional(InetSocketAddress address) {
            return !told(address) && listen.stream().anyMatch(this::told);
        }

        private boolean told(InetSocketAddress address) {
            return address.getAddress().isAnyLocalAddress()
                    || advertise.contains(Addresses.format(address));
        }
    }

    /// @param advertise `host:port`
    /// @param portmapper null for none
    /// @param leaseSeconds 1 to 3600
    /// @param tls null where TLS is not offered
    public record NfsConfig(
            List<InetSocketAddress> listen,
            String advertise,
            @Nullable InetSocketAddress portmapper,
            int leaseSeconds,
            @Nullable ApiTls tls) {}

    public record ApiTls(Path certificate, Path key) {}

    /// @param file null for standard output
    public record LogConfig(String level, @Nullable Path file) {}
}
