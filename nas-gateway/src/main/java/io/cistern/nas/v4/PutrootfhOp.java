package io.cistern.nas.v4;

import io.cistern.nas.share.FileHandle;
import io.cistern.nas.xdr.XdrWriter;

/// PUTROOTFH, and PUTPUBFH, which means the same (RFC 8881 sections 18.20 and 18.21).
record PutrootfhOp() implements Operation {
    @Override
    public void execute(Compound c, XdrWriter out) {
        c.setHandle(FileHandle.PSEUDO_ROOT);
    }
}
