package io.cistern.nas.rpc;

import io.cistern.nas.xdr.XdrReader;
import io.netty.buffer.ByteBuf;

/// One call, its header decoded and its arguments not yet.
///
/// @param record the arguments' bytes; valid while the call is carried out
public record RpcCall(
        int xid,
        int program,
        int version,
        int procedure,
        Credential credential,
        RpcPeer peer,
        ByteBuf record) {

    /// A reader of the arguments from their beginning.
    public XdrReader args() {
        return new XdrReader(record.duplicate());
    }
}
