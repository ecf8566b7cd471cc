package io.cistern.nas.rpc;

import io.cistern.nas.xdr.XdrReader;
import java.util.Arrays;

/// Who a call says it comes from.
public sealed interface Credential {
    /// Flavor numbers (RFC 5531 section 8.2, RFC 9289 section 4.1).
    int FLAVOR_NONE = 0;

    int FLAVOR_SYS = 1;
    int FLAVOR_SHORT = 2;
    int FLAVOR_GSS = 6;
    int FLAVOR_TLS = 7;

    /// AUTH_NONE.
    record Anonymous() implements Credential {}

    /// AUTH_SYS (RFC 5531 appendix A). The server believes it as far as the share's rules say so.
    record Sys(String machine, int uid, int gid, int[] gids) implements Credential {
        private static final int MAX_MACHINE_BYTES = 255;
        private static final int MAX_GIDS = 16;

        static Sys read(XdrReader in) {
            in.readInt(); // a stamp of the client's own
            String machine = in.readString(MAX_MACHINE_BYTES, "machine name");
            int uid = in.readInt();
            int gid = in.readInt();
            int[] gids = new int[in.readCount(MAX_GIDS, "groups")];
            for (int i = 0; i < gids.length; i++) {
                gids[i] = in.readInt();
            }
            in.expectEnd("AUTH_SYS");
            return new Sys(machine, uid, gid, gids);
        }

        @Override
        public boolean equals(Object o) {
            return o instanceof Sys s
                    && s.uid == uid
                    && s.gid == gid
                    && s.machine.equals(machine)
                    && Arrays.equals(s.gids, gids);
        }

        @Override
        public int hashCode() {
            return 31 * machine.hashCode() + uid;
        }
    }
}
