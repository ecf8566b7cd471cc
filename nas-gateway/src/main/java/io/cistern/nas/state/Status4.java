package io.cistern.nas.state;

/// Status numbers of NFSv4 only (RFC 8881 section 15.1, RFC 7862 section 11.1, RFC 8276 section
/// 8.2). Those that it shares with NFSv3 are in [io.cistern.nas.share.NfsStatus].
public final class Status4 {
    public static final int SAME = 10_009;
    public static final int DENIED = 10_010;
    public static final int EXPIRED = 10_011;
    public static final int LOCKED = 10_012;
    public static final int GRACE = 10_013;
    public static final int SHARE_DENIED = 10_015;
    public static final int WRONGSEC = 10_016;
    public static final int CLID_INUSE = 10_017;
    public static final int NOFILEHANDLE = 10_020;
    public static final int MINOR_VERS_MISMATCH = 10_021;
    public static final int STALE_CLIENTID = 10_022;
    public static final int STALE_STATEID = 10_023;
    public static final int OLD_STATEID = 10_024;
    public static final int BAD_STATEID = 10_025;
    public static final int NOT_SAME = 10_027;
    public static final int SYMLINK = 10_029;
    public static final int RESTOREFH = 10_030;
    public static final int ATTRNOTSUPP = 10_032;
    public static final int NO_GRACE = 10_033;
    public static final int RECLAIM_BAD = 10_034;
    public static final int BADXDR = 10_036;
    public static final int LOCKS_HELD = 10_037;
    public static final int OPENMODE = 10_038;
    public static final int BADOWNER = 10_039;
    public static final int BADNAME = 10_041;
    public static final int OP_ILLEGAL = 10_044;
    public static final int BADSESSION = 10_052;
    public static final int BADSLOT = 10_053;
    public static final int COMPLETE_ALREADY = 10_054;
    public static final int CONN_NOT_BOUND_TO_SESSION = 10_055;
    public static final int LAYOUTUNAVAILABLE = 10_059;
    public static final int NOMATCHING_LAYOUT = 10_060;
    public static final int UNKNOWN_LAYOUTTYPE = 10_062;
    public static final int SEQ_MISORDERED = 10_063;
    public static final int SEQUENCE_POS = 10_064;
    public static final int REQ_TOO_BIG = 10_065;
    public static final int REP_TOO_BIG = 10_066;
    public static final int REP_TOO_BIG_TO_CACHE = 10_067;
    public static final int RETRY_UNCACHED_REP = 10_068;
    public static final int TOO_MANY_OPS = 10_070;
    public static final int OP_NOT_IN_SESSION = 10_071;
    public static final int CLIENTID_BUSY = 10_074;
    public static final int SEQ_FALSE_RETRY = 10_076;
    public static final int BAD_HIGH_SLOT = 10_077;
    public static final int ENCR_ALG_UNSUPP = 10_079;
    public static final int NOT_ONLY_OP = 10_081;
    public static final int WRONG_CRED = 10_082;
    public static final int WRONG_TYPE = 10_083;
    public static final int DIRDELEG_UNAVAIL = 10_084;
    public static final int DELEG_REVOKED = 10_087;
    public static final int PARTNER_NOTSUPP = 10_088;
    public static final int UNION_NOTSUPP = 10_090;
    public static final int OFFLOAD_DENIED = 10_091;
    public static final int WRONG_LFS = 10_092;
    public static final int OFFLOAD_NO_REQS = 10_094;
    public static final int NOXATTR = 10_095;
    public static final int XATTR2BIG = 10_096;

    private Status4() {}
}
