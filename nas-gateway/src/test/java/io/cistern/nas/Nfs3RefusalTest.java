package io.cistern.nas;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// What comes with the failures of NFSv3: the attributes that clients keep their caches consistent
/// by (RFC 1813 section 2.6), and nothing else.
class Nfs3RefusalTest {
    private static final int NOENT = 2;
    private static final int EXIST = 17;
    private static final int NOTDIR = 20;
    private static final int ISDIR = 21;
    private static final int INVAL = 22;
    private static final int FBIG = 27;
    private static final int NAMETOOLONG = 63;
    private static final int NOTEMPTY = 66;
    private static final int STALE = 70;
    private static final int NOT_SYNC = 10_002;
    private static final int BAD_COOKIE = 10_003;
    private static final int TOOSMALL = 10_005;

    private final TestServer server = new TestServer();
    private final RpcTestClient client = server.client();
    private byte[] root = {};
    private byte[] file = {};
    private byte[] gone = {};

    @BeforeEach
    void files() {
        XdrReader mounted = client.call(RpcTestClient.MOUNT, 3, 1, o -> o.writeString("/share"));
        assertThat(mounted.readInt()).isZero();
        root = mounted.readOpaque(64, "handle");
        file = create("f");
        gone = create("gone");
        assertThat(call(12, named(root, "gone")).readInt()).isZero();
        assertThat(call(9, created(root, "d")).readInt()).isZero();
        assertThat(call(9, created(root, "full")).readInt()).isZero();
        XdrReader d = call(3, named(root, "full"));
        assertThat(d.readInt()).isZero();
        assertThat(call(9, created(d.readOpaque(64, "handle"), "d")).readInt()).isZero();
    }

    @AfterEach
    void stop() {
        client.close();
        server.close();
    }

    private byte[] create(String name) {
        XdrReader r = call(8, created(root, name, 1));
        assertThat(r.readInt()).isZero();
        assertThat(r.readBool()).isTrue();
        return r.readOpaque(64, "handle");
    }

    private XdrReader call(int procedure, Consumer<XdrWriter> args) {
        return client.call(RpcTestClient.NFS, 3, procedure, args);
    }

    private static Consumer<XdrWriter> named(byte[] directory, String name) {
        return o -> o.writeOpaque(directory).writeString(name);
    }

    /// Arguments of MKDIR.
    private static Consumer<XdrWriter> created(byte[] directory, String name) {
        return o -> noAttributes(o.writeOpaque(directory).writeString(name));
    }

    /// Arguments of CREATE, and of MKNOD where `how` is a FIFO's type.
    private static Consumer<XdrWriter> created(byte[] directory, String name, int how) {
        return o -> noAttributes(o.writeOpaque(directory).writeString(name).writeInt(how));
    }

    private static void noAttributes(XdrWriter o) {
        for (int i = 0; i < 6; i++) {
            o.writeInt(0);
        }
    }

    private static Consumer<XdrWriter> listed(byte[] directory, long cookie, int bytes) {
        return o -> o.writeOpaque(directory).writeLong(cookie).writeLong(77).writeInt(bytes);
    }

    /// @param body what follows the status: `p` for post_op_attr and `w` for wcc_data with the
    ///   file's attributes, upper case where there are none to be had
    private void refused(int procedure, int status, String body, Consumer<XdrWriter> args) {
        String what = "procedure " + procedure;
        XdrReader r = call(procedure, args);
        assertThat(r.readInt()).as("status of " + what).isEqualTo(status);
        for (char c : body.toCharArray()) {
            if (Character.toLowerCase(c) == 'w') {
                assertThat(r.readBool()).as("before, of " + what).isFalse();
            }
            boolean follows = r.readBool();
            assertThat(follows).as("after, of " + what).isEqualTo(Character.isLowerCase(c));
            if (follows) {
                r.readFixed(84);
            }
        }
        r.expectEnd("result of " + what);
    }

    @Test
    void failuresCarryTheAttributesOfWhatTheyLeftAsItWas() {
        refused(1, STALE, "", o -> o.writeOpaque(gone));
        refused(
                2,
                NOT_SYNC,
                "w",
                o -> {
                    noAttributes(o.writeOpaque(file));
                    o.writeBool(true).writeInt(1).writeInt(1);
                });
        refused(3, NOENT, "p", named(root, "none"));
        refused(3, NOTDIR, "p", named(file, "none"));
        refused(4, STALE, "P", o -> o.writeOpaque(gone).writeInt(1));
        refused(5, INVAL, "p", o -> o.writeOpaque(file));
        refused(6, ISDIR, "p", o -> o.writeOpaque(root).writeLong(0).writeInt(1));
        refused(7, FBIG, "w", written(-1, 1));
        refused(7, INVAL, "w", written(0, 2));
        refused(8, EXIST, "w", created(root, "f", 1));
        refused(9, EXIST, "w", created(root, "d"));
        refused(
                10,
                EXIST,
                "w",
                o -> {
                    created(root, "f").accept(o);
                    o.writeString("target");
                });
        refused(11, NAMETOOLONG, "w", created(root, "n".repeat(256), 7));
        refused(12, NOENT, "w", named(root, "none"));
        refused(12, ISDIR, "w", named(root, "d"));
        refused(13, NOTDIR, "w", named(root, "f"));
        refused(13, NOTEMPTY, "w", named(root, "full"));
        refused(14, NOENT, "ww", renamed(root, "none", root));
        refused(14, STALE, "wW", renamed(root, "f", gone));
        refused(15, EXIST, "pw", o -> o.writeOpaque(file).writeOpaque(root).writeString("d"));
        refused(15, STALE, "Pw", o -> o.writeOpaque(gone).writeOpaque(root).writeString("x"));
        refused(16, NOTDIR, "p", listed(file, 0, 4_096));
        refused(16, TOOSMALL, "p", listed(root, 0, 16));
        refused(16, BAD_COOKIE, "p", listed(root, 3, 4_096));
        refused(17, NOTDIR, "p", o -> listed(file, 0, 512).andThen(x -> x.writeInt(512)).accept(o));
        refused(18, STALE, "P", o -> o.writeOpaque(gone));
        refused(19, STALE, "P", o -> o.writeOpaque(gone));
        refused(20, STALE, "P", o -> o.writeOpaque(gone));
        refused(21, STALE, "W", o -> o.writeOpaque(gone).writeLong(0).writeInt(0));
    }

    private Consumer<XdrWriter> written(long offset, int count) {
        return o -> {
            o.writeOpaque(file).writeLong(offset).writeInt(count).writeInt(2);
            o.writeOpaque(new byte[1]);
        };
    }

    private static Consumer<XdrWriter> renamed(byte[] from, String name, byte[] to) {
        return o -> o.writeOpaque(from).writeString(name).writeOpaque(to).writeString("new");
    }
}
