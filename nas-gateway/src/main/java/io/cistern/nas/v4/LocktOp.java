package io.cistern.nas.v4;

import static io.cistern.nas.share.Futures.await;

import io.cistern.block.fs.ByteString;
import io.cistern.nas.share.Access;
import io.cistern.nas.share.NfsStatus;
import io.cistern.nas.state.Kinds;
import io.cistern.nas.state.LockOwner;
import io.cistern.nas.state.RangeLocks.Range;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;

/// LOCKT (RFC 8881 section 18.11).
record LocktOp(int type, long offset, long length, ByteString owner) implements Operation {
    static LocktOp decode(XdrReader in) {
        return new LocktOp(
                LockTypes.read(in), in.readLong(), in.readLong(), LockTypes.readOwner(in));
    }

    @Override
    public void execute(Compound c, XdrWriter out) {
        Access a = c.access(NfsStatus.ISDIR);
        long last = Wire4.lastByte(offset, length);
        Types.requireRegular(await(a.files().attributes(a.file())).type());
        Reclaiming.refuse(c, a, Kinds.IN_THE_WAY_OF_LOCKS);
        Range wanted =
                new Range(
                        new LockOwner(c.client().id(), owner),
                        offset,
                        last,
                        LockTypes.exclusive(type));
        Range conflict = c.state().testLock(Compound.key(a), wanted);
        if (conflict != null) {
            throw new LockTypes.DeniedException(conflict);
        }
    }

    @Override
    public void failure(Compound c, int status, RuntimeException failure, XdrWriter out) {
        LockTypes.writeDenied(failure, out);
    }
}
