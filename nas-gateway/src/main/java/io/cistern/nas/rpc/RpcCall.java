package io.cistern.nas.rpc;

import io.cistern.block.fs.WouldBlockException;
import io.cistern.nas.xdr.XdrReader;
import io.netty.buffer.ByteBuf;

/// One call, its header decoded and its arguments not yet.
///
/// @param record the arguments' bytes; valid while the call is carried out
/// @param atOnce whether it is carried out by a thread that may not wait: what would have to then
///   throws [io.cistern.block.fs.WouldBlockException]
public record RpcCall(
        int xid,
        int program,
        int version,
        int procedure,
        Credential credential,
        RpcPeer peer,
        ByteBuf record,
        boolean atOnce) {

    /// A reader of the arguments from their beginning.
    public XdrReader args() {
        return new XdrReader(record.duplicate());
    }

    /// The same call for a thread that may wait.
    public RpcCall waiting() {
        return new RpcCall(xid, program, version, procedure, credential, peer, record, false);
    }

    /// @throws WouldBlockException where the call is carried out at once
    public void mayWait() {
        if (atOnce) {
            throw WouldBlockException.INSTANCE;
        }
    }
}
