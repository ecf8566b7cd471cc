package io.cistern.nas.v4;

import io.cistern.nas.share.NfsException;
import io.cistern.nas.share.NfsStatus;
import io.cistern.nas.state.Status4;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.UnpooledByteBufAllocator;
import java.util.Arrays;

/// VERIFY and NVERIFY (RFC 8881 sections 18.31 and 18.15).
record VerifyOp(Fattr4 attributes, boolean same) implements Operation {
    static VerifyOp decode(XdrReader in, boolean same) {
        return new VerifyOp(Fattr4.read(in), same);
    }

    @Override
    public void execute(Compound c, XdrWriter out) {
        c.handle();
        for (int number = 0; number < attributes.mask().length * 32; number++) {
            if (Fattr4.has(attributes.mask(), number)) {
                AttributeTable attribute = AttributeTable.of(number, c.minorVersion());
                if (attribute == null) {
                    throw new NfsException(Status4.ATTRNOTSUPP, "attribute " + number);
                }
                if (attribute.writeOnly() || attribute == AttributeTable.RDATTR_ERROR) {
                    throw new NfsException(NfsStatus.INVAL, "not to be compared");
                }
            }
        }
        boolean equal = Arrays.equals(current(c), attributes.values());
        if (equal != same) {
            throw new NfsException(same ? Status4.NOT_SAME : Status4.SAME, "compared");
        }
    }

    private byte[] current(Compound c) {
        try (XdrWriter out = new XdrWriter(UnpooledByteBufAllocator.DEFAULT)) {
            AttributeTable.write(out, attributes.mask(), AttributeSource.current(c));
            ByteBuf bytes = out.take();
            XdrReader in = new XdrReader(bytes);
            Fattr4 now = Fattr4.read(in);
            bytes.release();
            return now.values();
        }
    }
}
