package io.cistern.nas.v4;

import io.cistern.nas.rpc.Credential;
import io.cistern.nas.rpc.RpcCall;
import io.cistern.nas.state.Principal;

/// Who calls, as far as client ids are concerned.
final class Principals {
    private Principals() {}

    static Principal of(RpcCall call) {
        return switch (call.credential()) {
            case Credential.Anonymous _ -> new Principal(Credential.FLAVOR_NONE, -1, -1);
            case Credential.Sys sys -> new Principal(Credential.FLAVOR_SYS, sys.uid(), sys.gid());
        };
    }
}
