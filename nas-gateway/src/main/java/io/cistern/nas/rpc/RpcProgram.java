package io.cistern.nas.rpc;

import io.cistern.nas.xdr.XdrException;
import io.cistern.nas.xdr.XdrWriter;

/// A program that the server offers.
public interface RpcProgram {
    int number();

    int lowestVersion();

    int highestVersion();

    /// Carries a call out and writes its result. Called on a virtual thread, which may block; calls
    /// of one connection run in parallel and in no order.
    ///
    /// @return false where the call shall not be answered at all
    /// @throws RpcException an RPC error takes the place of the result
    /// @throws XdrException the arguments do not decode: GARBAGE_ARGS
    boolean call(RpcCall call, XdrWriter result);

    /// A connection ended. On its event loop; may not block.
    default void disconnected(RpcPeer peer) {}
}
