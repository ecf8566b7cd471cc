package io.cistern.nas.rpc;

import io.cistern.nas.xdr.XdrException;
import io.cistern.nas.xdr.XdrWriter;
import org.jspecify.annotations.Nullable;

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

    /// Carries a call out as far as that needs no waiting. Called on the connection's event loop.
    ///
    /// @param call to be carried out at once
    /// @return null: its result is written; else what is left of it, and nothing is written
    /// @throws RpcException as [#call]
    /// @throws XdrException as [#call]
    default @Nullable Rest begin(RpcCall call, XdrWriter result) {
        RpcCall waiting = call.waiting();
        return out -> call(waiting, out);
    }

    /// What is left of a call, for a thread that may wait. One of the two is called, once.
    interface Rest {
        /// See [RpcProgram#call].
        boolean run(XdrWriter result);

        /// It will not be carried out.
        default void abandon() {}
    }

    /// A connection ended. On its event loop; may not block.
    default void disconnected(RpcPeer peer) {}
}
