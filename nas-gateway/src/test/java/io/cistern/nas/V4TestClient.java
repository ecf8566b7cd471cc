package io.cistern.nas;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;

/// An NFSv4.1 or 4.2 client with one session and one slot, which sends what it is told to. One
/// thread.
class V4TestClient extends RpcTestClient {
    static final int ACCESS = 3;
    static final int CLOSE = 4;
    static final int COMMIT = 5;
    static final int CREATE = 6;
    static final int GETATTR = 9;
    static final int GETFH = 10;
    static final int LINK = 11;
    static final int LOCK = 12;
    static final int LOCKT = 13;
    static final int LOCKU = 14;
    static final int LOOKUP = 15;
    static final int LOOKUPP = 16;
    static final int OPEN = 18;
    static final int OPEN_DOWNGRADE = 21;
    static final int PUTFH = 22;
    static final int PUTROOTFH = 24;
    static final int READ = 25;
    static final int READDIR = 26;
    static final int REMOVE = 28;
    static final int RENAME = 29;
    static final int RESTOREFH = 31;
    static final int SAVEFH = 32;
    static final int SETATTR = 34;
    static final int WRITE = 38;
    static final int EXCHANGE_ID = 42;
    static final int CREATE_SESSION = 43;
    static final int SEQUENCE = 53;
    static final int RECLAIM_COMPLETE = 58;

    private final int minor;
    private byte[] session = new byte[16];
    private int sequence;
    private int lastStatus;
    private int lastCount;
    private int lastFlags;
    private List<Op> lastOps = List.of();

    /// An operation with its arguments.
    record Op(int code, Consumer<XdrWriter> args) {}

    V4TestClient(InetSocketAddress address, int minor) {
        super(address);
        this.minor = minor;
    }

    /// A client that has said that it has nothing to reclaim.
    static V4TestClient started(InetSocketAddress address, int minor, String owner) {
        V4TestClient c = new V4TestClient(address, minor);
        c.start(owner, 1);
        c.ok(op(RECLAIM_COMPLETE, o -> o.writeBool(false)));
        return c;
    }

    void start(String owner, long verifier) {
        start(owner, verifier, 0);
    }

    /// @param flags of CREATE_SESSION
    void start(String owner, long verifier, int flags) {
        XdrReader id =
                alone(
                        op(
                                EXCHANGE_ID,
                                o -> {
                                    o.writeLong(verifier).writeString(owner).writeInt(0);
                                    o.writeInt(0).writeInt(0);
                                }));
        assertThat(lastStatus).isZero();
        long client = id.readLong();
        int next = id.readInt();
        XdrReader created =
                alone(
                        op(
                                CREATE_SESSION,
                                o -> {
                                    o.writeLong(client).writeInt(next).writeInt(flags);
                                    channel(o);
                                    channel(o);
                                    o.writeInt(0x4000_0000).writeInt(1).writeInt(0);
                                }));
        assertThat(lastStatus).isZero();
        session = created.readFixed(16);
        sequence = 0;
    }

    private static void channel(XdrWriter o) {
        o.writeInt(0).writeInt(1_100_000).writeInt(1_100_000).writeInt(8_192);
        o.writeInt(64).writeInt(8).writeInt(0);
    }

    static Op op(int code, Consumer<XdrWriter> args) {
        return new Op(code, args);
    }

    static Op op(int code) {
        return new Op(code, o -> {});
    }

    byte[] session() {
        return session;
    }

    int lastStatus() {
        return lastStatus;
    }

    /// SEQ4_STATUS_* of the last SEQUENCE.
    int lastFlags() {
        return lastFlags;
    }

    /// How many results came, SEQUENCE's included.
    int lastCount() {
        return lastCount;
    }

    /// Without a session; returns the first result after its status.
    XdrReader alone(Op op) {
        XdrReader r = raw(List.of(op));
        if (lastCount > 0) {
            assertThat(r.readInt()).isEqualTo(op.code);
            assertThat(r.readInt()).isEqualTo(lastStatus);
        }
        return r;
    }

    private XdrReader raw(List<Op> ops) {
        return parse(call(NFS, 4, 1, o -> write(o, ops)));
    }

    private void write(XdrWriter o, List<Op> ops) {
        o.writeString("tag").writeInt(minor).writeInt(ops.size());
        for (Op op : ops) {
            o.writeInt(op.code);
            op.args.accept(o);
        }
    }

    private XdrReader parse(XdrReader r) {
        lastStatus = r.readInt();
        assertThat(r.readString(100, "tag")).isEqualTo("tag");
        lastCount = r.readInt();
        return r;
    }

    /// In the session. Returns a reader at the first result after SEQUENCE's.
    XdrReader compound(Op... ops) {
        sequence++;
        List<Op> all = new ArrayList<>();
        int now = sequence;
        all.add(
                op(
                        SEQUENCE,
                        o ->
                                o.writeFixed(session)
                                        .writeInt(now)
                                        .writeInt(0)
                                        .writeInt(0)
                                        .writeBool(true)));
        all.addAll(Arrays.asList(ops));
        lastOps = all;
        return afterSequence(raw(all));
    }

    private XdrReader afterSequence(XdrReader r) {
        assertThat(r.readInt()).isEqualTo(SEQUENCE);
        if (r.readInt() == 0) {
            r.readFixed(32);
            lastFlags = r.readInt();
        }
        return r;
    }

    /// The last request in the session again.
    XdrReader again() {
        return afterSequence(raw(lastOps));
    }

    /// Another request under the number of the last one.
    XdrReader instead(Op... ops) {
        sequence--;
        return compound(ops);
    }

    /// Runs a compound that must succeed; returns a reader at the last operation's result.
    XdrReader ok(Op... ops) {
        XdrReader r = compound(ops);
        assertThat(lastStatus).as("status").isZero();
        return r;
    }

    /// Runs a compound and returns the status that ended it.
    int status(Op... ops) {
        compound(ops);
        return lastStatus;
    }

    /// Reads the head of a result.
    static XdrReader result(XdrReader r, int code) {
        assertThat(r.readInt()).isEqualTo(code);
        assertThat(r.readInt()).as("status of operation " + code).isZero();
        return r;
    }

    // ---- operations that tests share

    static Op root() {
        return op(PUTROOTFH);
    }

    static Op lookup(String name) {
        return op(LOOKUP, o -> o.writeString(name));
    }

    static Op mkdir(String name) {
        return op(
                CREATE,
                o ->
                        o.writeInt(2)
                                .writeString(name)
                                .writeBitmap(0, 1 << 1)
                                .writeInt(4)
                                .writeInt(0755));
    }

    static Op remove(String name) {
        return op(REMOVE, o -> o.writeString(name));
    }

    static Op rename(String from, String to) {
        return op(RENAME, o -> o.writeString(from).writeString(to));
    }

    static Op putfh(byte[] handle) {
        return op(PUTFH, o -> o.writeOpaque(handle));
    }

    static Op stateOp(int code, byte[] stateid, Consumer<XdrWriter> rest) {
        return op(
                code,
                o -> {
                    o.writeFixed(stateid);
                    rest.accept(o);
                });
    }

    static Op open(String owner, String name, int access, int deny, boolean create) {
        return op(
                OPEN,
                o -> {
                    o.writeInt(0).writeInt(access).writeInt(deny).writeLong(0).writeString(owner);
                    o.writeBool(create);
                    if (create) { // UNCHECKED4, mode 0644
                        o.writeInt(0).writeBitmap(0, 1 << 1).writeInt(4).writeInt(0644);
                    }
                    o.writeInt(0).writeString(name);
                });
    }

    /// CLAIM_PREVIOUS, for reading and writing.
    static Op reclaim(String owner) {
        return op(
                OPEN,
                o -> {
                    o.writeInt(0).writeInt(3).writeInt(0).writeLong(0).writeString(owner);
                    o.writeBool(false).writeInt(1).writeInt(0);
                });
    }

    /// A file that was opened.
    record Opened(byte[] handle, byte[] stateid) {}

    Opened open(String share, String owner, String name, int access, int deny, boolean create) {
        XdrReader r = ok(root(), lookup(share), open(owner, name, access, deny, create), op(GETFH));
        result(r, PUTROOTFH);
        result(r, LOOKUP);
        result(r, OPEN);
        byte[] stateid = r.readFixed(16);
        r.readFixed(20); // change_info4
        r.readInt();
        r.readBitmap(3, "attrset");
        assertThat(r.readInt()).as("no delegation").isZero();
        result(r, GETFH);
        return new Opened(r.readOpaque(128, "handle"), stateid);
    }

    int close(Opened file) {
        return status(putfh(file.handle), op(CLOSE, o -> o.writeInt(0).writeFixed(file.stateid)));
    }

    static Op lock(Opened file, String owner, int type, long offset, long length) {
        return op(
                LOCK,
                o -> {
                    o.writeInt(type).writeBool(false).writeLong(offset).writeLong(length);
                    o.writeBool(true).writeInt(0).writeFixed(file.stateid).writeInt(0);
                    o.writeLong(0).writeString(owner);
                });
    }

    static Op write(byte[] stateid, long offset, byte[] data) {
        return stateOp(WRITE, stateid, o -> o.writeLong(offset).writeInt(2).writeOpaque(data));
    }

    static Op read(byte[] stateid, long offset, int count) {
        return stateOp(READ, stateid, o -> o.writeLong(offset).writeInt(count));
    }
}
