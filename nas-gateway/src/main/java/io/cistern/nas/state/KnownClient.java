package io.cistern.nas.state;

import io.cistern.block.fs.ByteString;
import java.util.List;

/// A client as a share knows it beyond the life of the server that it talks to.
///
/// @param id 0 where nothing but the owner is known
/// @param boot of the server that held its state
/// @param nextSession numbers of its sessions from here on are free
/// @param kinds [Kinds] of state that it may have had; NONE where it only made changes
public record KnownClient(
        ByteString owner,
        long id,
        int boot,
        long verifier,
        Principal principal,
        String address,
        int createSequence,
        int nextSession,
        int kinds,
        List<KnownSession> sessions) {
    public KnownClient {
        sessions = List.copyOf(sessions);
    }

    /// A session of it.
    public record KnownSession(SessionId id, ChannelAttributes fore) {}
}
