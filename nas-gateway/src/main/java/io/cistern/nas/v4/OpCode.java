package io.cistern.nas.v4;

import io.cistern.nas.share.NfsStatus;
import io.cistern.nas.state.Status4;
import io.cistern.nas.xdr.XdrReader;
import java.util.function.Function;

/// The operations by number (RFC 8881 section 18, RFC 7862 section 15, RFC 8276 section 8.4): name,
/// the minor version they came with, and how they are decoded.
enum OpCode {
    ACCESS(3, 1, AccessOp::decode),
    CLOSE(4, 1, CloseOp::decode),
    COMMIT(5, 1, CommitOp::decode),
    CREATE(6, 1, CreateOp::decode),
    DELEGPURGE(7, 1, NfsStatus.NOTSUPP),
    DELEGRETURN(8, 1, DelegreturnOp::decode),
    GETATTR(9, 1, GetattrOp::decode),
    GETFH(10, 1, in -> new GetfhOp()),
    LINK(11, 1, LinkOp::decode),
    LOCK(12, 1, LockOp::decode),
    LOCKT(13, 1, LocktOp::decode),
    LOCKU(14, 1, LockuOp::decode),
    LOOKUP(15, 1, LookupOp::decode),
    LOOKUPP(16, 1, in -> new LookuppOp()),
    NVERIFY(17, 1, in -> VerifyOp.decode(in, false)),
    OPEN(18, 1, OpenOp::decode),
    OPENATTR(19, 1, NfsStatus.NOTSUPP),
    OPEN_CONFIRM(20, 1, NfsStatus.NOTSUPP),
    OPEN_DOWNGRADE(21, 1, OpenDowngradeOp::decode),
    PUTFH(22, 1, PutfhOp::decode),
    PUTPUBFH(23, 1, in -> new PutrootfhOp()),
    PUTROOTFH(24, 1, in -> new PutrootfhOp()),
    READ(25, 1, ReadOp::decode),
    READDIR(26, 1, ReaddirOp::decode),
    READLINK(27, 1, in -> new ReadlinkOp()),
    REMOVE(28, 1, RemoveOp::decode),
    RENAME(29, 1, RenameOp::decode),
    RENEW(30, 1, NfsStatus.NOTSUPP),
    RESTOREFH(31, 1, in -> new RestorefhOp()),
    SAVEFH(32, 1, in -> new SavefhOp()),
    SECINFO(33, 1, SecinfoOp::decode),
    SETATTR(34, 1, SetattrOp::decode),
    SETCLIENTID(35, 1, NfsStatus.NOTSUPP),
    SETCLIENTID_CONFIRM(36, 1, NfsStatus.NOTSUPP),
    VERIFY(37, 1, in -> VerifyOp.decode(in, true)),
    WRITE(38, 1, WriteOp::decode),
    RELEASE_LOCKOWNER(39, 1, NfsStatus.NOTSUPP),
    BACKCHANNEL_CTL(40, 1, BackchannelCtlOp::decode),
    BIND_CONN_TO_SESSION(41, 1, BindConnToSessionOp::decode),
    EXCHANGE_ID(42, 1, ExchangeIdOp::decode),
    CREATE_SESSION(43, 1, CreateSessionOp::decode),
    DESTROY_SESSION(44, 1, DestroySessionOp::decode),
    FREE_STATEID(45, 1, FreeStateidOp::decode),
    GET_DIR_DELEGATION(46, 1, NfsStatus.NOTSUPP),
    GETDEVICEINFO(47, 1, NfsStatus.NOTSUPP),
    GETDEVICELIST(48, 1, NfsStatus.NOTSUPP),
    LAYOUTCOMMIT(49, 1, NfsStatus.NOTSUPP),
    LAYOUTGET(50, 1, Status4.LAYOUTUNAVAILABLE),
    LAYOUTRETURN(51, 1, NfsStatus.NOTSUPP),
    SECINFO_NO_NAME(52, 1, SecinfoNoNameOp::decode),
    SEQUENCE(53, 1, SequenceOp::decode),
    SET_SSV(54, 1, NfsStatus.INVAL),
    TEST_STATEID(55, 1, TestStateidOp::decode),
    WANT_DELEGATION(56, 1, NfsStatus.NOTSUPP),
    DESTROY_CLIENTID(57, 1, DestroyClientidOp::decode),
    RECLAIM_COMPLETE(58, 1, ReclaimCompleteOp::decode),
    ALLOCATE(59, 2, AllocateOp::decode),
    COPY(60, 2, CopyOp::decode),
    COPY_NOTIFY(61, 2, NfsStatus.NOTSUPP),
    DEALLOCATE(62, 2, DeallocateOp::decode),
    IO_ADVISE(63, 2, IoAdviseOp::decode),
    LAYOUTERROR(64, 2, NfsStatus.NOTSUPP),
    LAYOUTSTATS(65, 2, NfsStatus.NOTSUPP),
    OFFLOAD_CANCEL(66, 2, OffloadOp::decode),
    OFFLOAD_STATUS(67, 2, OffloadOp::decode),
    READ_PLUS(68, 2, ReadPlusOp::decode),
    SEEK(69, 2, SeekOp::decode),
    WRITE_SAME(70, 2, NfsStatus.NOTSUPP),
    CLONE(71, 2, CloneOp::decode),
    GETXATTR(72, 2, GetxattrOp::decode),
    SETXATTR(73, 2, SetxattrOp::decode),
    LISTXATTRS(74, 2, ListxattrsOp::decode),
    REMOVEXATTR(75, 2, RemovexattrOp::decode),
    ILLEGAL(10_044, 1, Status4.OP_ILLEGAL);

    private static final OpCode[] BY_NUMBER = new OpCode[76];

    static {
        for (OpCode code : values()) {
            if (code.number < BY_NUMBER.length) {
                BY_NUMBER[code.number] = code;
            }
        }
    }

    private final int number;
    private final int minorVersion;
    private final Function<XdrReader, Operation> decoder;

    OpCode(int number, int minorVersion, Function<XdrReader, Operation> decoder) {
        this.number = number;
        this.minorVersion = minorVersion;
        this.decoder = decoder;
    }

    /// An operation that is always refused with that status.
    OpCode(int number, int minorVersion, int status) {
        this(number, minorVersion, in -> new RefusedOp(status));
    }

    int number() {
        return number;
    }

    /// @throws io.cistern.nas.xdr.XdrException the arguments do not decode
    Operation decode(XdrReader in) {
        return decoder.apply(in);
    }

    /// The operation of a number; ILLEGAL where the minor version has none.
    static OpCode of(int number, int minorVersion) {
        if (number < 3 || number >= BY_NUMBER.length) {
            return ILLEGAL;
        }
        OpCode code = BY_NUMBER[number];
        return code.minorVersion <= minorVersion ? code : ILLEGAL;
    }

    /// Whether it changes nothing, at the server neither but for the current and the saved file
    /// handle, and needs no more than what is often in memory: it is tried without waiting, and
    /// carried out anew where that does not do.
    boolean atOnce() {
        return switch (this) {
            case ACCESS,
                    GETATTR,
                    GETFH,
                    LOOKUP,
                    PUTFH,
                    PUTROOTFH,
                    READ,
                    READLINK,
                    RESTOREFH,
                    SAVEFH ->
                    true;
            default -> false;
        };
    }

    /// Whether it may be the only operation of a COMPOUND without SEQUENCE (RFC 8881 section
    /// 2.10.2.1).
    boolean standsAlone() {
        return switch (this) {
            case EXCHANGE_ID,
                    CREATE_SESSION,
                    DESTROY_SESSION,
                    DESTROY_CLIENTID,
                    BIND_CONN_TO_SESSION ->
                    true;
            default -> false;
        };
    }
}
