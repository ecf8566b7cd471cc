package io.cistern.nas;

import io.cistern.nas.rpc.RpcCall;
import io.cistern.nas.rpc.RpcPeer;
import io.cistern.nas.rpc.RpcProgram;
import io.cistern.nas.v3.Nfs3;
import io.cistern.nas.v4.Nfs4;
import io.cistern.nas.xdr.XdrWriter;
import org.jspecify.annotations.Nullable;

/// The NFS program: versions 3 and 4.
final class NfsProgram implements RpcProgram {
    static final int PROGRAM = 100_003;

    private final Nfs3 v3;
    private final Nfs4 v4;

    NfsProgram(Nfs3 v3, Nfs4 v4) {
        this.v3 = v3;
        this.v4 = v4;
    }

    @Override
    public int number() {
        return PROGRAM;
    }

    @Override
    public int lowestVersion() {
        return 3;
    }

    @Override
    public int highestVersion() {
        return 4;
    }

    @Override
    public boolean call(RpcCall call, XdrWriter result) {
        Rest rest = begin(call, result);
        return rest == null || rest.run(result);
    }

    @Override
    public @Nullable Rest begin(RpcCall call, XdrWriter result) {
        return call.version() == 3 ? v3.begin(call, result) : v4.begin(call, result);
    }

    @Override
    public void disconnected(RpcPeer peer) {
        v4.disconnected(peer);
    }
}
