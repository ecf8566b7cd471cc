package io.cistern.vmdisk;

import io.cistern.block.BlockDevice;

/// What the clients of one socket may use.
///
/// @param maxConnections open at a time; more are closed at once
/// @param maxRequests under way per connection; a client that sends more waits
/// @param maxBytes of request and reply buffers per connection, at least 34 MiB
/// @param handshakeTimeoutMs until a client must have chosen an export
public record NbdLimits(
        int maxConnections, int maxRequests, long maxBytes, int handshakeTimeoutMs) {
    /// 32 connections of 256 requests and 64 MiB; 10 s.
    public static final NbdLimits DEFAULT = new NbdLimits(32, 256, 64 << 20, 10_000);

    public NbdLimits {
        if (maxConnections < 1 || maxRequests < 2 || handshakeTimeoutMs < 1) {
            throw new IllegalArgumentException("limits must be positive");
        }
        if (maxBytes < BlockDevice.MAX_IO_BYTES + (2 << 20)) {
            throw new IllegalArgumentException("a connection needs 34 MiB for its largest request");
        }
    }
}
