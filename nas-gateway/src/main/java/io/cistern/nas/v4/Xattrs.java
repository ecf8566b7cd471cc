package io.cistern.nas.v4;

import io.cistern.block.fs.ByteString;
import io.cistern.block.fs.FileSystem;
import io.cistern.nas.share.NfsException;
import io.cistern.nas.share.NfsStatus;
import io.cistern.nas.xdr.XdrReader;

/// Names of extended attributes (RFC 8276 section 6): without a prefix, as bytes.
final class Xattrs {
    private static final int MAX_WIRE_BYTES = 64 << 10;

    private Xattrs() {}

    static ByteString readName(XdrReader in) {
        return ByteString.of(in.readOpaque(MAX_WIRE_BYTES, "attribute name"));
    }

    static void check(ByteString name) {
        if (name.isEmpty()) {
            throw new NfsException(NfsStatus.INVAL, "an empty name");
        }
        if (name.length() > FileSystem.MAX_XATTR_NAME_BYTES) {
            throw new NfsException(NfsStatus.NAMETOOLONG, "more than 255 bytes");
        }
    }
}
