package io.cistern.nas.v4;

import io.cistern.block.fs.ByteString;
import io.cistern.block.fs.FileResults.Changed;
import io.cistern.block.fs.FileSystem;
import io.cistern.nas.share.NfsException;
import io.cistern.nas.share.NfsStatus;
import io.cistern.nas.state.RangeLocks.Range;
import io.cistern.nas.state.SessionId;
import io.cistern.nas.state.StateId;
import io.cistern.nas.state.Status4;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;

/// Types that several operations have in common (RFC 8881 section 3.3).
final class Wire4 {
    private static final int MAX_WIRE_NAME_BYTES = 64 << 10;
    static final int MAX_OWNER_BYTES = 1_024;
    private static final int NANOS = 1_000_000_000;

    private Wire4() {}

    static StateId readStateId(XdrReader in) {
        return new StateId(in.readInt(), in.readInt(), in.readLong());
    }

    static void write(XdrWriter out, StateId id) {
        out.writeInt(id.seqid()).writeInt(id.boot()).writeLong(id.serial());
    }

    static SessionId readSessionId(XdrReader in) {
        return new SessionId(in.readLong(), in.readInt(), in.readInt());
    }

    static void write(XdrWriter out, SessionId id) {
        out.writeLong(id.client()).writeInt(id.boot()).writeInt(id.number());
    }

    /// A component, as the client sent it.
    static ByteString readName(XdrReader in) {
        return ByteString.of(in.readOpaque(MAX_WIRE_NAME_BYTES, "name"));
    }

    /// Refuses what is no name (RFC 8881 section 14.5).
    static ByteString checkName(ByteString name) {
        if (name.isEmpty()) {
            throw new NfsException(NfsStatus.INVAL, "an empty name");
        }
        if (name.length() > FileSystem.MAX_NAME_BYTES) {
            throw new NfsException(NfsStatus.NAMETOOLONG, "more than 255 bytes");
        }
        boolean dots =
                name.at(0) == '.'
                        && (name.length() == 1 || (name.length() == 2 && name.at(1) == '.'));
        if (dots || name.contains('/') || name.contains(0)) {
            throw new NfsException(Status4.BADNAME, "not a name");
        }
        return name;
    }

    static void writeChange(XdrWriter out, Changed changed) {
        out.writeBool(true); // atomic
        out.writeLong(changed.before().change()).writeLong(changed.after().change());
    }

    static void writeTime(XdrWriter out, long nanos) {
        out.writeLong(Math.floorDiv(nanos, (long) NANOS));
        out.writeInt((int) Math.floorMod(nanos, (long) NANOS));
    }

    /// @throws NfsException INVAL where the nanoseconds are a second or more
    static long readTime(XdrReader in) {
        long seconds = in.readLong();
        long nanos = in.readUint();
        if (nanos >= NANOS) {
            throw new NfsException(NfsStatus.INVAL, "a second or more of nanoseconds");
        }
        long most = Long.MAX_VALUE / NANOS - 1;
        return Math.clamp(seconds, -most, most) * NANOS + nanos;
    }

    /// The last byte of a range, where 2^64 - 1 as its length means to the end.
    ///
    /// @throws NfsException INVAL where it is empty or exceeds 64 bits
    static long lastByte(long offset, long length) {
        if (length == 0) {
            throw new NfsException(NfsStatus.INVAL, "an empty range");
        }
        if (length == -1) {
            return -1;
        }
        long last = offset + length - 1;
        if (Long.compareUnsigned(last, offset) < 0) {
            throw new NfsException(NfsStatus.INVAL, "a range beyond 64 bits");
        }
        return last;
    }

    static long lengthOf(Range range) {
        return range.last() == -1 ? -1 : range.last() - range.first() + 1;
    }

    /// Offset and length of a change of data: within what a file can have.
    static void checkExtent(long offset, long length) {
        if (offset < 0 || length < 0 || offset + length < 0) {
            throw new NfsException(NfsStatus.FBIG, "beyond the largest file");
        }
    }
}
