package io.cistern.nas.v4;

import io.cistern.block.fs.ByteString;
import io.cistern.nas.state.RangeLocks.Range;
import io.cistern.nas.xdr.XdrException;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;

/// What the lock operations have in common.
final class LockTypes {
    private static final int READ = 1;
    private static final int WRITE = 2;
    private static final int WRITE_WAIT = 4;

    private LockTypes() {}

    /// Somebody else's lock is in the way.
    static final class DeniedException extends RuntimeException {
        private static final long serialVersionUID = 1L;

        private final transient Range held;

        DeniedException(Range held) {
            super("denied", null, false, false);
            this.held = held;
        }
    }

    static int read(XdrReader in) {
        int type = in.readEnum(WRITE_WAIT, "nfs_lock_type4");
        if (type == 0) {
            throw new XdrException("nfs_lock_type4 0");
        }
        return type;
    }

    static boolean exclusive(int type) {
        return type == WRITE || type == WRITE_WAIT;
    }

    /// lock_owner4, whose client is the session's.
    static ByteString readOwner(XdrReader in) {
        in.readLong();
        return ByteString.of(in.readOpaque(Wire4.MAX_OWNER_BYTES, "lock owner"));
    }

    static void writeDenied(RuntimeException failure, XdrWriter out) {
        if (failure instanceof DeniedException denied) {
            Range held = denied.held;
            out.writeLong(held.first()).writeLong(Wire4.lengthOf(held));
            out.writeInt(held.exclusive() ? WRITE : READ);
            out.writeLong(held.owner().client());
            out.writeOpaque(held.owner().name().toByteArray());
        }
    }
}
