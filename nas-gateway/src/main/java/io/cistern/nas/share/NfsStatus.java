package io.cistern.nas.share;

import io.cistern.block.CisternException;
import io.cistern.block.fs.FileError;
import io.cistern.block.fs.FileException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Status numbers that NFSv3 (RFC 1813 section 2.6) and NFSv4 (RFC 8881 section 15.1) share, and
/// the one place where failures of the file system become such numbers.
public final class NfsStatus {
    public static final int OK = 0;
    public static final int PERM = 1;
    public static final int NOENT = 2;
    public static final int IO = 5;
    public static final int NXIO = 6;
    public static final int ACCESS = 13;
    public static final int EXIST = 17;
    public static final int XDEV = 18;
    public static final int NOTDIR = 20;
    public static final int ISDIR = 21;
    public static final int INVAL = 22;
    public static final int FBIG = 27;
    public static final int NOSPC = 28;
    public static final int ROFS = 30;
    public static final int MLINK = 31;
    public static final int NAMETOOLONG = 63;
    public static final int NOTEMPTY = 66;
    public static final int DQUOT = 69;
    public static final int STALE = 70;
    public static final int BADHANDLE = 10_001;
    public static final int BAD_COOKIE = 10_003;
    public static final int NOTSUPP = 10_004;
    public static final int TOOSMALL = 10_005;
    public static final int SERVERFAULT = 10_006;
    public static final int BADTYPE = 10_007;

    /// JUKEBOX in NFSv3, DELAY in NFSv4: ask again later.
    public static final int DELAY = 10_008;

    // NFSv3 only
    public static final int V3_NOT_SYNC = 10_002;

    // NFSv4 only
    public static final int V4_NOT_SAME = 10_027;
    public static final int V4_WRONG_TYPE = 10_083;
    public static final int V4_NOXATTR = 10_095;
    public static final int V4_XATTR2BIG = 10_096;

    private static final Logger LOG = LoggerFactory.getLogger(NfsStatus.class);

    private NfsStatus() {}

    /// The status of a failure: an [NfsException]'s own, or what the file system's means in NFS.
    ///
    /// @param version 3 or 4
    public static int of(Throwable failure, int version) {
        if (failure instanceof NfsException known) {
            return known.status();
        }
        FileException refused = FileException.of(failure);
        if (refused != null) {
            return of(refused.error(), version);
        }
        CisternException failed = CisternException.of(failure);
        return switch (failed.code()) {
            case NO_SPACE -> NOSPC;
            case READ_ONLY -> ROFS;
            case NOT_FOUND -> STALE;
            case UNAUTHORIZED -> ACCESS;
            case FENCED, NOT_LEADER, UNAVAILABLE, STALE, LIMIT, BUSY -> {
                LOG.debug("client told to wait: {}", failed.getMessage());
                yield DELAY;
            }
            case CORRUPT, IO -> {
                LOG.error("I/O error to a client", failed);
                yield IO;
            }
            default -> {
                LOG.error("unexpected failure", failed);
                yield SERVERFAULT;
            }
        };
    }

    private static int of(FileError error, int version) {
        boolean v4 = version == 4;
        return switch (error) {
            case NOT_PERMITTED -> PERM;
            case ACCESS -> ACCESS;
            case NOT_FOUND -> NOENT;
            case EXISTS -> EXIST;
            case NOT_DIRECTORY -> NOTDIR;
            case IS_DIRECTORY -> ISDIR;
            case NOT_EMPTY -> NOTEMPTY;
            case INVALID -> INVAL;
            case STALE -> STALE;
            case WRONG_TYPE -> v4 ? V4_WRONG_TYPE : INVAL;
            case READ_ONLY -> ROFS;
            case TOO_LARGE -> FBIG;
            case NO_SPACE -> NOSPC;
            case QUOTA -> DQUOT;
            case NAME_TOO_LONG -> NAMETOOLONG;
            case TOO_MANY_LINKS -> MLINK;
            case CROSS_DEVICE -> XDEV;
            case CHANGED -> v4 ? DELAY : V3_NOT_SYNC;
            case BAD_COOKIE -> v4 ? V4_NOT_SAME : BAD_COOKIE;
            case NO_ATTRIBUTE -> v4 ? V4_NOXATTR : NOTSUPP;
            case ATTRIBUTE_TOO_LARGE -> v4 ? V4_XATTR2BIG : NOTSUPP;
            case LIMIT -> NOSPC;
            case NOT_SUPPORTED -> NOTSUPP;
            case NO_DATA -> NXIO;
        };
    }
}
