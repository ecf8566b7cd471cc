package io.cistern.nas.v4;

import io.cistern.block.fs.ByteString;
import io.cistern.nas.share.NfsException;
import io.cistern.nas.share.NfsStatus;
import io.cistern.nas.state.NfsState.Exchanged;
import io.cistern.nas.state.Status4;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;

/// EXCHANGE_ID (RFC 8881 section 18.35). State protection other than SP4_NONE needs RPCSEC_GSS,
/// which is not offered.
record ExchangeIdOp(long verifier, ByteString owner, int flags, int protection)
        implements Operation {
    private static final int FLAG_UPDATE = 0x4000_0000;
    private static final int FLAG_CONFIRMED = 0x8000_0000;
    private static final int FLAG_NON_PNFS = 0x0001_0000;

    /// What a client may set. EXCHGID4_FLAG_SUPP_FENCE_OPS (RFC 7862 section 14.1) is not among it:
    /// what it asks for is not offered, and a flag that a server does not know is to be refused.
    private static final int CLIENT_FLAGS = 0x4007_0103;

    private static final int PROTECT_NONE = 0;
    private static final int PROTECT_SSV = 2;
    private static final int MAX_BITMAP_WORDS = 8;
    private static final int MAX_ALGORITHMS = 32;
    private static final int MAX_OID_BYTES = 256;
    private static final int MAX_IMPL_BYTES = 1_024;

    static ExchangeIdOp decode(XdrReader in) {
        long verifier = in.readLong();
        ByteString owner = ByteString.of(in.readOpaque(Wire4.MAX_OWNER_BYTES, "client owner"));
        int flags = in.readInt();
        int protection = in.readEnum(PROTECT_SSV, "state_protect_how4");
        if (protection != PROTECT_NONE) {
            in.readBitmap(MAX_BITMAP_WORDS, "operations");
            in.readBitmap(MAX_BITMAP_WORDS, "operations");
        }
        if (protection == PROTECT_SSV) {
            in.readList(MAX_ALGORITHMS, "hash algorithms", ExchangeIdOp::readOid);
            in.readList(MAX_ALGORITHMS, "encryption algorithms", ExchangeIdOp::readOid);
            in.readInt();
            in.readInt();
        }
        if (in.readCount(1, "implementation ids") == 1) {
            in.readOpaque(MAX_IMPL_BYTES, "domain");
            in.readOpaque(MAX_IMPL_BYTES, "implementation");
            in.readLong();
            in.readInt();
        }
        return new ExchangeIdOp(verifier, owner, flags, protection);
    }

    private static byte[] readOid(XdrReader in) {
        return in.readOpaque(MAX_OID_BYTES, "algorithm");
    }

    @Override
    public void execute(Compound c, XdrWriter out) {
        if ((flags & ~CLIENT_FLAGS) != 0) {
            throw new NfsException(NfsStatus.INVAL, "undefined flags");
        }
        if (protection == PROTECT_SSV) {
            throw new NfsException(Status4.ENCR_ALG_UNSUPP, "SP4_SSV is not offered");
        }
        if (protection != PROTECT_NONE) {
            throw new NfsException(NfsStatus.INVAL, "SP4_MACH_CRED needs RPCSEC_GSS");
        }
        Exchanged e =
                c.state()
                        .exchange(
                                owner,
                                verifier,
                                Principals.of(c.call()),
                                (flags & FLAG_UPDATE) != 0,
                                c.call().peer().host().getHostAddress());
        out.writeLong(e.client()).writeInt(e.sequence());
        out.writeInt(FLAG_NON_PNFS | (e.confirmed() ? FLAG_CONFIRMED : 0));
        out.writeInt(PROTECT_NONE);
        out.writeLong(0).writeString(c.parts().serverId()).writeString(c.parts().scope());
        out.writeInt(1).writeString("cistern.io").writeString("Cistern").writeLong(0).writeInt(0);
    }
}
