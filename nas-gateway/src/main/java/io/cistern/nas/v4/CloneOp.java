package io.cistern.nas.v4;

import static io.cistern.nas.share.Futures.await;

import io.cistern.block.fs.Call;
import io.cistern.nas.share.Access;
import io.cistern.nas.share.NfsException;
import io.cistern.nas.share.NfsStatus;
import io.cistern.nas.state.StateId;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;

/// CLONE (RFC 7862 section 15.13), of whole blocks. It copies: what it takes grows with the range,
/// and beyond [io.cistern.block.fs.FileSystem#MAX_IO_BYTES] others may see it half done.
record CloneOp(StateId from, StateId to, long fromOffset, long toOffset, long count)
        implements Operation {
    private static final int BLOCK_BYTES = Copying.BLOCK_BYTES;

    static CloneOp decode(XdrReader in) {
        return new CloneOp(
                Wire4.readStateId(in),
                Wire4.readStateId(in),
                in.readLong(),
                in.readLong(),
                in.readLong());
    }

    @Override
    public void execute(Compound c, XdrWriter out) {
        Copying copying = Copying.prepare(c, from, to);
        Access source = copying.source();
        long size = await(source.files().attributes(source.file())).size();
        boolean toEnd = count == 0 || fromOffset + count == size;
        if (fromOffset % BLOCK_BYTES != 0
                || toOffset % BLOCK_BYTES != 0
                || (!toEnd && count % BLOCK_BYTES != 0)) {
            throw new NfsException(NfsStatus.INVAL, "not whole blocks");
        }
        c.changing(
                copying.target(),
                to,
                () -> {
                    long copied = copying.run(fromOffset, toOffset, count, Long.MAX_VALUE);
                    zeroRest(copying.target(), toOffset + copied);
                    return copied;
                });
    }

    /// What is behind the copy in its last block reads as zero: it is the whole block that is
    /// cloned.
    private static void zeroRest(Access target, long end) {
        long rest = -end & BLOCK_BYTES - 1;
        long size = await(target.files().attributes(target.file())).size();
        if (rest > 0 && end < size) {
            Call call = Call.of(target.who());
            await(target.files().deallocate(call, target.file(), end, Math.min(rest, size - end)));
        }
    }
}
