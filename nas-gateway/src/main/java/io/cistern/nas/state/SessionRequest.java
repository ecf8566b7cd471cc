package io.cistern.nas.state;

import org.jspecify.annotations.Nullable;

/// What CREATE_SESSION asks for.
///
/// @param sequence unsigned
/// @param connection that it comes over
/// @param callbacks where the client wants to be called back; null: nowhere yet
/// @param sameConnection whether over the connection that the request comes over
public record SessionRequest(
        long client,
        int sequence,
        ChannelAttributes fore,
        ChannelAttributes back,
        Principal principal,
        long connection,
        @Nullable BackChannel callbacks,
        boolean sameConnection) {}
