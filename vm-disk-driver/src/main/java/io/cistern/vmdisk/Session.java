package io.cistern.vmdisk;

/// What the parts of one connection share once its handshake is over.
///
/// @param structured true where the client asked for structured replies
/// @param blockStatus true where the client selected `base:allocation`
/// @param inFlight the connection's limits
record Session(
        Export export,
        boolean structured,
        boolean blockStatus,
        BufferPool pool,
        InFlight inFlight,
        Outbox outbox,
        NbdMetrics metrics) {

    /// Bytes of a reply before a read's data.
    int readHeaderBytes() {
        return structured ? NbdProtocol.DATA_CHUNK_BYTES : NbdProtocol.SIMPLE_REPLY_BYTES;
    }
}
