package io.cistern.nas.v4;

import static io.cistern.nas.share.Futures.await;

import io.cistern.block.fs.ByteString;
import io.cistern.nas.share.Access;
import io.cistern.nas.share.NfsStatus;
import io.cistern.nas.state.Kinds;
import io.cistern.nas.state.NfsState.LockRequest;
import io.cistern.nas.state.NfsState.LockResult;
import io.cistern.nas.state.RangeLocks.Range;
import io.cistern.nas.state.StateId;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;
import org.jspecify.annotations.Nullable;

/// LOCK (RFC 8881 section 18.10). A lock that waits is answered at once: the client asks again.
record LockOp(
        int type,
        boolean reclaim,
        long offset,
        long length,
        StateId id,
        @Nullable ByteString newOwner)
        implements Operation {
    static LockOp decode(XdrReader in) {
        int type = LockTypes.read(in);
        boolean reclaim = in.readBool();
        long offset = in.readLong();
        long length = in.readLong();
        if (in.readBool()) {
            in.readInt(); // open seqid
            StateId open = Wire4.readStateId(in);
            in.readInt(); // lock seqid
            return new LockOp(type, reclaim, offset, length, open, LockTypes.readOwner(in));
        }
        StateId lock = Wire4.readStateId(in);
        in.readInt();
        return new LockOp(type, reclaim, offset, length, lock, null);
    }

    @Override
    public void execute(Compound c, XdrWriter out) {
        Access a = c.access(NfsStatus.ISDIR);
        long last = Wire4.lastByte(offset, length);
        Types.requireRegular(await(a.files().attributes(a.file())).type());
        long share = a.share().entry().id();
        if (reclaim) {
            c.state().takeovers().checkMayReclaim(c.client(), share, Kinds.IN_THE_WAY_OF_LOCKS);
        } else {
            c.state().takeovers().checkMayLock(c.client(), share);
        }
        c.parts().recovery().record(c.client(), a.share(), Kinds.LOCKS);
        LockResult result =
                c.state()
                        .lock(
                                new LockRequest(
                                        c.client(),
                                        Compound.key(a),
                                        c.stateid(id),
                                        newOwner,
                                        offset,
                                        last,
                                        LockTypes.exclusive(type)));
        Range denied = result.denied();
        if (denied != null) {
            throw new LockTypes.DeniedException(denied);
        }
        StateId granted = result.granted();
        if (granted == null) {
            throw new IllegalStateException("neither granted nor denied");
        }
        c.parts().recovery().record(c.client(), a.share(), Kinds.LOCKS);
        c.setState(granted);
        Wire4.write(out, granted);
    }

    @Override
    public void failure(Compound c, int status, RuntimeException failure, XdrWriter out) {
        LockTypes.writeDenied(failure, out);
    }

    @Override
    public int resultBytes() {
        return 16;
    }
}
