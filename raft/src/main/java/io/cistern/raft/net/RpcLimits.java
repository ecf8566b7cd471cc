package io.cistern.raft.net;

import java.time.Duration;

/// The bounds of one server or client. Nothing a peer sends or withholds grows anything past them.
///
/// @param maxFrameBytes longest frame after its length field, header included; a longer one closes
///   the connection, and is refused with LIMIT before it is sent
/// @param maxInFlight most calls in flight on a connection. A client refuses more with LIMIT; a
///   server stops reading from the connection until answers have left
/// @param maxInFlightBytes most request bytes in flight on a connection, handled alike
/// @param maxOutboundBytes most bytes waiting for a peer that does not read. A server closes the
///   connection beyond it, a client refuses calls with LIMIT
/// @param maxConnections most connections a server holds; further ones are closed on accept
/// @param handshakeTimeout from accept or connect to the end of the handshake, TLS included
public record RpcLimits(
        int maxFrameBytes,
        int maxInFlight,
        long maxInFlightBytes,
        long maxOutboundBytes,
        int maxConnections,
        Duration handshakeTimeout) {
    /// 16 MiB frames, 4096 calls and 64 MiB in flight, 64 MiB outbound, 1024 connections, 5 s.
    public static final RpcLimits DEFAULT =
            new RpcLimits(16 << 20, 4096, 64L << 20, 64L << 20, 1024, Duration.ofSeconds(5));

    public RpcLimits {
        if (maxFrameBytes < Frame.HEADER_BYTES
                || maxInFlight < 1
                || maxInFlightBytes < 1
                || maxOutboundBytes < 1
                || maxConnections < 1
                || !handshakeTimeout.isPositive()) {
            throw new IllegalArgumentException("limits must be positive");
        }
    }

    public RpcLimits withMaxFrameBytes(int bytes) {
        return new RpcLimits(
                bytes,
                maxInFlight,
                maxInFlightBytes,
                maxOutboundBytes,
                maxConnections,
                handshakeTimeout);
    }

    public RpcLimits withInFlight(int count, long bytes) {
        return new RpcLimits(
                maxFrameBytes, count, bytes, maxOutboundBytes, maxConnections, handshakeTimeout);
    }

    public RpcLimits withMaxOutboundBytes(long bytes) {
        return new RpcLimits(
                maxFrameBytes,
                maxInFlight,
                maxInFlightBytes,
                bytes,
                maxConnections,
                handshakeTimeout);
    }

    public RpcLimits withMaxConnections(int connections) {
        return new RpcLimits(
                maxFrameBytes,
                maxInFlight,
                maxInFlightBytes,
                maxOutboundBytes,
                connections,
                handshakeTimeout);
    }

    public RpcLimits withHandshakeTimeout(Duration timeout) {
        return new RpcLimits(
                maxFrameBytes,
                maxInFlight,
                maxInFlightBytes,
                maxOutboundBytes,
                maxConnections,
                timeout);
    }
}
