package io.cistern.nas.state;

/// Limits of a session's channel (RFC 8881 section 18.36.1).
public record ChannelAttributes(
        int maxRequestBytes,
        int maxResponseBytes,
        int maxCachedBytes,
        int maxOperations,
        int maxRequests) {}
