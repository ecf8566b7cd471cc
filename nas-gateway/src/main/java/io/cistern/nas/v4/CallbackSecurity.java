package io.cistern.nas.v4;

import io.cistern.nas.rpc.Credential;
import io.cistern.nas.xdr.XdrException;
import io.cistern.nas.xdr.XdrReader;

/// How a client wants to be called back (callback_sec_parms4): decoded for its form alone.
final class CallbackSecurity {
    private static final int MAX_CHOICES = 16;
    private static final int MAX_MACHINE_BYTES = 255;
    private static final int MAX_GIDS = 16;
    private static final int MAX_HANDLE_BYTES = 1_024;

    private CallbackSecurity() {}

    static void skip(XdrReader in) {
        int count = in.readCount(MAX_CHOICES, "callback security");
        for (int i = 0; i < count; i++) {
            switch (in.readInt()) {
                case Credential.FLAVOR_NONE -> {}
                case Credential.FLAVOR_SYS -> {
                    in.readInt();
                    in.readOpaque(MAX_MACHINE_BYTES, "machine name");
                    in.readInt();
                    in.readInt();
                    in.readList(MAX_GIDS, "groups", XdrReader::readInt);
                }
                case Credential.FLAVOR_GSS -> {
                    in.readInt();
                    in.readOpaque(MAX_HANDLE_BYTES, "handle");
                    in.readOpaque(MAX_HANDLE_BYTES, "handle");
                }
                default -> throw new XdrException("unknown callback security flavor");
            }
        }
    }
}
