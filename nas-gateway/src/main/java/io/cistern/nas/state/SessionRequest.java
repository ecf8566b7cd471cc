package io.cistern.nas.state;

/// What CREATE_SESSION asks for.
///
/// @param sequence unsigned
/// @param connection that it comes over
public record SessionRequest(
        long client,
        int sequence,
        ChannelAttributes fore,
        ChannelAttributes back,
        Principal principal,
        long connection) {}
