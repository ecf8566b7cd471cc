package io.cistern.nas;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.nas.share.Cidr;
import io.cistern.nas.share.ClientRule;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// Every procedure of NFSv3 and MOUNT, as bytes on the wire.
class Nfs3Test {
    private final TestServer server = new TestServer();
    private RpcTestClient client = server.client();
    private byte[] root = new byte[0];

    @BeforeEach
    void mount() {
        root = mount(client, "/share");
    }

    @AfterEach
    void stop() {
        client.close();
        server.close();
    }

    private static byte[] mount(RpcTestClient c, String path) {
        XdrReader r = c.call(RpcTestClient.MOUNT, 3, 1, o -> o.writeString(path));
        assertThat(r.readInt()).isZero();
        byte[] handle = r.readOpaque(64, "handle");
        assertThat(r.readList(8, "flavors", XdrReader::readInt)).contains(1);
        r.expectEnd("mountres3");
        return handle;
    }

    @Test
    void aClientThatWasJustLetInMounts() {
        server.shares.replace("share");
        XdrReader refused = client.call(RpcTestClient.MOUNT, 3, 1, o -> o.writeString("/share"));
        assertThat(refused.readInt()).as("no rule").isEqualTo(13);
        // The rule is there, and this node has not looked since.
        server.shares.onRefresh = () -> server.shares.replace("share", MemoryShares.open());
        mount(client, "/share");
    }

    private XdrReader call(int procedure, Consumer<XdrWriter> args) {
        return client.call(RpcTestClient.NFS, 3, procedure, args);
    }

    private static XdrReader ok(XdrReader r) {
        assertThat(r.readInt()).as("status").isZero();
        return r;
    }

    // ---- attributes as the server writes them

    private record Attr(int type, int mode, int links, int uid, long size, long fileid) {}

    private static Attr attr(XdrReader r) {
        int type = r.readInt();
        int mode = r.readInt();
        int links = r.readInt();
        int uid = r.readInt();
        r.readInt();
        long size = r.readLong();
        r.readLong();
        r.readLong();
        r.readLong();
        long fileid = r.readLong();
        for (int i = 0; i < 3; i++) {
            r.readLong();
        }
        return new Attr(type, mode, links, uid, size, fileid);
    }

    private static Attr postOp(XdrReader r) {
        assertThat(r.readBool()).as("attributes follow").isTrue();
        return attr(r);
    }

    private static void wcc(XdrReader r) {
        assertThat(r.readBool()).as("attributes of before follow").isTrue();
        for (int i = 0; i < 3; i++) {
            r.readLong();
        }
        postOp(r);
    }

    private static void noAttributes(XdrWriter o) {
        for (int i = 0; i < 6; i++) {
            o.writeInt(0);
        }
    }

    private static void mode(XdrWriter o, int mode) {
        o.writeBool(true).writeInt(mode);
        for (int i = 0; i < 5; i++) {
            o.writeInt(0);
        }
    }

    private byte[] create(String name) {
        XdrReader r =
                ok(
                        call(
                                8,
                                o -> {
                                    o.writeOpaque(root).writeString(name).writeInt(1);
                                    mode(o, 0644);
                                }));
        assertThat(r.readBool()).isTrue();
        byte[] handle = r.readOpaque(64, "handle");
        postOp(r);
        wcc(r);
        r.expectEnd("CREATE3res");
        return handle;
    }

    private XdrReader write(byte[] handle, long offset, byte[] data) {
        return call(
                7,
                o -> {
                    o.writeOpaque(handle).writeLong(offset).writeInt(data.length).writeInt(2);
                    o.writeOpaque(data);
                });
    }

    private byte[] read(byte[] handle, long offset, int count) {
        XdrReader r = ok(call(6, o -> o.writeOpaque(handle).writeLong(offset).writeInt(count)));
        postOp(r);
        int n = r.readInt();
        r.readBool();
        byte[] data = r.readOpaque(1 << 20, "data");
        assertThat(data).hasSize(n);
        r.expectEnd("READ3res");
        return data;
    }

    // ---- tests

    @Test
    void filesAreCreatedWrittenReadAndCommitted() {
        byte[] file = create("f");
        byte[] data = new byte[(1 << 20) - 3];
        for (int i = 0; i < data.length; i++) {
            data[i] = (byte) (i * 7);
        }
        XdrReader w = ok(write(file, 5, data));
        wcc(w);
        assertThat(w.readInt()).isEqualTo(data.length);
        assertThat(w.readInt()).as("FILE_SYNC").isEqualTo(2);
        long verifier = w.readLong();
        assertThat(read(file, 5, 1 << 20)).isEqualTo(data);
        assertThat(read(file, 5 + data.length, 10)).isEmpty();
        XdrReader c = ok(call(21, o -> o.writeOpaque(file).writeLong(0).writeInt(0)));
        assertThat(c.readBool()).isFalse();
        postOp(c);
        assertThat(c.readLong()).isEqualTo(verifier);
        Attr a = attr(ok(call(1, o -> o.writeOpaque(file))));
        assertThat(a.type).isEqualTo(1);
        assertThat(a.mode).isEqualTo(0644);
        assertThat(a.size).isEqualTo(data.length + 5);
        // Where the count and the data differ the request contradicts itself.
        XdrReader bad =
                call(
                        7,
                        o ->
                                o.writeOpaque(file)
                                        .writeLong(0)
                                        .writeInt(9)
                                        .writeInt(2)
                                        .writeOpaque(new byte[4]));
        assertThat(bad.readInt()).isEqualTo(22);
    }

    @Test
    void attributesAreSetUnlessTheGuardDiffers() {
        byte[] file = create("f");
        XdrReader r =
                ok(
                        call(
                                2,
                                o -> {
                                    o.writeOpaque(file);
                                    o.writeBool(true).writeInt(0600);
                                    o.writeInt(0).writeInt(0);
                                    o.writeBool(true).writeLong(100);
                                    o.writeInt(1).writeInt(2).writeInt(7).writeInt(8);
                                    o.writeBool(false);
                                }));
        wcc(r);
        Attr a = attr(ok(call(1, o -> o.writeOpaque(file))));
        assertThat(a.mode).isEqualTo(0600);
        assertThat(a.size).isEqualTo(100);
        XdrReader guarded =
                call(
                        2,
                        o -> {
                            o.writeOpaque(file);
                            mode(o, 0666);
                            o.writeBool(true).writeInt(1).writeInt(1);
                        });
        assertThat(guarded.readInt()).as("NFS3ERR_NOT_SYNC").isEqualTo(10_002);
    }

    @Test
    void namesAreLookedUpLinkedRenamedAndRemoved() {
        byte[] file = create("f");
        XdrReader l = ok(call(3, o -> o.writeOpaque(root).writeString("f")));
        assertThat(l.readOpaque(64, "handle")).isEqualTo(file);
        postOp(l);
        postOp(l);
        l.expectEnd("LOOKUP3res");
        XdrReader missing = call(3, o -> o.writeOpaque(root).writeString("g"));
        assertThat(missing.readInt()).isEqualTo(2);
        postOp(missing);
        missing.expectEnd("LOOKUP3resfail");

        XdrReader link = ok(call(15, o -> o.writeOpaque(file).writeOpaque(root).writeString("g")));
        assertThat(postOp(link).links).isEqualTo(2);
        wcc(link);
        XdrReader rename =
                ok(
                        call(
                                14,
                                o -> {
                                    o.writeOpaque(root).writeString("g");
                                    o.writeOpaque(root).writeString("h");
                                }));
        wcc(rename);
        wcc(rename);
        rename.expectEnd("RENAME3res");
        wcc(ok(call(12, o -> o.writeOpaque(root).writeString("h"))));
        wcc(ok(call(12, o -> o.writeOpaque(root).writeString("f"))));
        assertThat(call(1, o -> o.writeOpaque(file)).readInt()).as("STALE").isEqualTo(70);
        assertThat(call(12, o -> o.writeOpaque(root).writeString("f")).readInt()).isEqualTo(2);
    }

    @Test
    void directoriesSymbolicLinksAndSpecialFilesAreMade() {
        XdrReader d =
                ok(
                        call(
                                9,
                                o -> {
                                    o.writeOpaque(root).writeString("d");
                                    mode(o, 0755);
                                }));
        d.readBool();
        byte[] dir = d.readOpaque(64, "handle");
        assertThat(postOp(d).type).isEqualTo(2);
        XdrReader s =
                ok(
                        call(
                                10,
                                o -> {
                                    o.writeOpaque(dir).writeString("s");
                                    noAttributes(o);
                                    o.writeString("../f");
                                }));
        s.readBool();
        byte[] link = s.readOpaque(64, "handle");
        XdrReader text = ok(call(5, o -> o.writeOpaque(link)));
        assertThat(postOp(text).type).isEqualTo(5);
        assertThat(text.readString(100, "link")).isEqualTo("../f");
        XdrReader n =
                ok(
                        call(
                                11,
                                o -> {
                                    o.writeOpaque(dir).writeString("b").writeInt(3);
                                    mode(o, 0600);
                                    o.writeInt(8).writeInt(1);
                                }));
        n.readBool();
        n.readOpaque(64, "handle");
        assertThat(postOp(n).type).isEqualTo(3);
        ok(
                call(
                        11,
                        o -> {
                            o.writeOpaque(dir).writeString("p").writeInt(7);
                            mode(o, 0600);
                        }));
        assertThat(
                        call(
                                        11,
                                        o -> {
                                            o.writeOpaque(dir).writeString("x").writeInt(1);
                                            mode(o, 0600);
                                        })
                                .readInt())
                .as("BADTYPE")
                .isEqualTo(10_007);
        assertThat(call(13, o -> o.writeOpaque(root).writeString("d")).readInt())
                .as("NOTEMPTY")
                .isEqualTo(66);
        for (String name : List.of("s", "b", "p")) {
            ok(call(12, o -> o.writeOpaque(dir).writeString(name)));
        }
        wcc(ok(call(13, o -> o.writeOpaque(root).writeString("d"))));
    }

    @Test
    void exclusiveCreationFindsItsOwnFileAgain() {
        byte[] first = exclusive(11, 0);
        assertThat(exclusive(11, 0)).isEqualTo(first);
        exclusive(12, 17);
    }

    private byte[] exclusive(long verifier, int status) {
        XdrReader r =
                call(8, o -> o.writeOpaque(root).writeString("x").writeInt(2).writeLong(verifier));
        assertThat(r.readInt()).isEqualTo(status);
        if (status != 0) {
            return new byte[0];
        }
        r.readBool();
        return r.readOpaque(64, "handle");
    }

    @Test
    void aDirectoryIsListedWholeInPagesOfAnySize() {
        List<String> names = new ArrayList<>(List.of(".", ".."));
        for (int i = 0; i < 60; i++) {
            create("file-" + i);
            names.add("file-" + i);
        }
        for (int bytes : new int[] {200, 500, 4_096, 1 << 20}) {
            assertThat(list(16, bytes)).containsExactlyInAnyOrderElementsOf(names);
        }
        for (int bytes : new int[] {500, 4_096, 1 << 20}) {
            assertThat(list(17, bytes)).containsExactlyInAnyOrderElementsOf(names);
        }
        XdrReader small = call(16, o -> o.writeOpaque(root).writeLong(0).writeLong(0).writeInt(20));
        assertThat(small.readInt()).as("TOOSMALL").isEqualTo(10_005);
    }

    private List<String> list(int procedure, int bytes) {
        List<String> names = new ArrayList<>();
        long cookie = 0;
        long verifier = 0;
        boolean end = false;
        while (!end) {
            long c = cookie;
            long v = verifier;
            XdrReader r =
                    ok(
                            call(
                                    procedure,
                                    o -> {
                                        o.writeOpaque(root).writeLong(c).writeLong(v);
                                        o.writeInt(bytes);
                                        if (procedure == 17) {
                                            o.writeInt(bytes);
                                        }
                                    }));
            int size = r.remaining() + 4;
            postOp(r);
            verifier = r.readLong();
            while (r.readBool()) {
                long fileid = r.readLong();
                names.add(r.readString(255, "name"));
                cookie = r.readLong();
                if (procedure == 17 && r.readBool()) {
                    assertThat(attr(r).fileid).isEqualTo(fileid);
                }
                if (procedure == 17 && r.readBool()) {
                    r.readOpaque(64, "handle");
                }
            }
            end = r.readBool();
            r.expectEnd("READDIR3res");
            assertThat(size).isLessThanOrEqualTo(bytes);
        }
        return names;
    }

    @Test
    void theFileSystemDescribesItself() {
        XdrReader info = ok(call(19, o -> o.writeOpaque(root)));
        postOp(info);
        assertThat(info.readInt()).as("rtmax").isEqualTo(1 << 20);
        XdrReader stat = ok(call(18, o -> o.writeOpaque(root)));
        postOp(stat);
        assertThat(stat.readLong()).isPositive();
        XdrReader conf = ok(call(20, o -> o.writeOpaque(root)));
        postOp(conf);
        conf.readInt();
        assertThat(conf.readInt()).as("name_max").isEqualTo(255);
        XdrReader access = ok(call(4, o -> o.writeOpaque(root).writeInt(0x3f)));
        postOp(access);
        assertThat(access.readInt()).isEqualTo(0x1f);
        call(0, o -> {}).expectEnd("NULL");
    }

    @Test
    void aRepeatedCallHappensOnceAlsoOverANewConnection() {
        byte[] file = create("once");
        Consumer<XdrWriter> removal = o -> o.writeOpaque(root).writeString("once");
        ok(call(12, removal));
        client.reconnect();
        ok(client.repeat(RpcTestClient.NFS, 3, 12, removal));
        assertThat(call(12, removal).readInt()).as("a new call").isEqualTo(2);
        assertThat(call(1, o -> o.writeOpaque(file)).readInt()).isEqualTo(70);
    }

    @Test
    void aRepeatedCallHappensOnceAlsoAtTheNextOwner() {
        create("once");
        Consumer<XdrWriter> removal = o -> o.writeOpaque(root).writeString("once");
        ok(call(12, removal));
        int xid = client.lastXid();
        try (TestServer next = new TestServer(server.shares, c -> c);
                RpcTestClient other = next.client()) {
            other.send(xid, RpcTestClient.NFS, 3, 12, removal);
            ok(RpcTestClient.result(other.receive(), xid));
        }
    }

    @Test
    void handlesStayGoodAtTheNextOwnerAndTheWriteVerifierChanges() {
        byte[] file = create("f");
        XdrReader w = ok(write(file, 0, new byte[] {1}));
        wcc(w);
        w.readLong();
        long verifier = w.readLong();
        try (TestServer next = new TestServer(server.shares, c -> c);
                RpcTestClient other = next.client()) {
            XdrReader c =
                    ok(
                            other.call(
                                    RpcTestClient.NFS,
                                    3,
                                    21,
                                    o -> o.writeOpaque(file).writeLong(0).writeInt(0)));
            c.readBool();
            postOp(c);
            assertThat(c.readLong()).isNotEqualTo(verifier);
            assertThat(write(file, 0, new byte[] {2}).readInt())
                    .as("the fenced owner tells its clients to wait")
                    .isEqualTo(10_008);
        }
    }

    @Test
    void mountListsAndForgets() {
        XdrReader export = client.call(RpcTestClient.MOUNT, 3, 5, o -> {});
        assertThat(export.readBool()).isTrue();
        assertThat(export.readString(100, "path")).isEqualTo("/share");
        assertThat(server.server.mounts()).hasSize(1);
        client.call(RpcTestClient.MOUNT, 3, 2, o -> {});
        client.call(RpcTestClient.MOUNT, 3, 3, o -> o.writeString("/share"));
        assertThat(server.server.mounts()).isEmpty();
        client.call(RpcTestClient.MOUNT, 3, 4, o -> {});
        XdrReader none = client.call(RpcTestClient.MOUNT, 3, 1, o -> o.writeString("/none"));
        assertThat(none.readInt()).isEqualTo(2);
        ok(
                call(
                        9,
                        o -> {
                            o.writeOpaque(root).writeString("d");
                            mode(o, 0755);
                        }));
        byte[] sub = mount(client, "/share/d");
        assertThat(attr(ok(call(1, o -> o.writeOpaque(sub)))).type).isEqualTo(2);
    }

    @Test
    void madeUpHandlesAreRefused() {
        byte[] forged = root.clone();
        forged[20] ^= 1;
        assertThat(call(1, o -> o.writeOpaque(forged)).readInt()).isEqualTo(10_001);
        assertThat(call(1, o -> o.writeOpaque(new byte[3])).readInt()).isEqualTo(10_001);
    }

    @Test
    void clientsMayDoWhatTheirRuleSays() {
        create("f");
        server.shares.replace("share", ClientRule.of(Cidr.parse("127.0.0.0/8"), true));
        assertThat(write(create0("g", 30), 0, new byte[1]).readInt()).isEqualTo(10_001);
        server.shares.replace("share", ClientRule.of(Cidr.parse("10.0.0.0/8"), false));
        assertThat(call(1, o -> o.writeOpaque(root)).readInt()).as("no rule").isEqualTo(13);
        server.shares.replace(
                "share", new ClientRule(Cidr.ANY_V4, false, false, false, false, true));
        assertThat(call(1, o -> o.writeOpaque(root)).readInt()).as("port").isEqualTo(13);
        server.shares.replace("share", ClientRule.of(Cidr.ANY_V4, false));
        byte[] squashed = create("h");
        assertThat(attr(ok(call(1, o -> o.writeOpaque(squashed)))).uid).isEqualTo(65_534);
    }

    private byte[] create0(String name, int status) {
        XdrReader r =
                call(
                        8,
                        o -> {
                            o.writeOpaque(root).writeString(name).writeInt(1);
                            mode(o, 0644);
                        });
        assertThat(r.readInt()).isEqualTo(status);
        return name.getBytes(StandardCharsets.US_ASCII);
    }
}
