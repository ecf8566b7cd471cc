package io.cistern.nas;

import static io.cistern.nas.V4TestClient.*;
import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.nas.V4TestClient.Op;
import io.cistern.nas.V4TestClient.Opened;
import io.cistern.nas.xdr.XdrReader;
import io.netty.buffer.Unpooled;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/// The directory above all shares, as NFSv4 shows it.
class Nfs4RootTest {
    private static final int RDATTR_ERROR = 1 << 11;
    private static final int FILEID = 1 << 20;
    private static final int MOUNTED_ON_FILEID = 1 << 23;

    private final MemoryShares shares =
            new MemoryShares()
                    .add("one", MemoryShares.open())
                    .add("two", MemoryShares.open())
                    .add("three", MemoryShares.open());
    private final TestServer server = new TestServer(TestServer.withRoots(shares), c -> c);
    private final V4TestClient a = V4TestClient.started(server.address(), 1, "a");

    @AfterEach
    void stop() {
        a.close();
        server.close();
    }

    private static Op list(long cookie, long verifier, int bytes, int... mask) {
        return op(
                READDIR,
                o -> {
                    o.writeLong(cookie).writeLong(verifier).writeInt(bytes).writeInt(bytes);
                    o.writeBitmap(mask);
                });
    }

    @Test
    void aShareThatAnotherNodeServesIsListedWithTheErrorInPlaceOfItsAttributes() {
        shares.elsewhere.add("two");
        XdrReader r = a.ok(root(), list(0, 0, 8_192, RDATTR_ERROR | FILEID, MOUNTED_ON_FILEID));
        result(r, PUTROOTFH);
        result(r, READDIR);
        r.readLong();
        List<String> names = new ArrayList<>();
        while (r.readBool()) {
            r.readLong();
            String name = r.readString(255, "name");
            boolean elsewhere = name.equals("two");
            names.add(name);
            assertThat(r.readBitmap(3, "mask"))
                    .as(name)
                    .containsExactly(
                            elsewhere ? RDATTR_ERROR : RDATTR_ERROR | FILEID, MOUNTED_ON_FILEID);
            XdrReader values = new XdrReader(Unpooled.wrappedBuffer(r.readOpaque(100, "values")));
            assertThat(values.readInt()).as("rdattr_error").isEqualTo(elsewhere ? 10_008 : 0);
            if (elsewhere) {
                assertThat(values.readLong()).as("mounted_on_fileid").isEqualTo(101);
                values.expectEnd("values");
            }
        }
        assertThat(r.readBool()).as("end").isTrue();
        assertThat(names).containsExactly("one", "two", "three");
    }

    @Test
    void whatIsStillThereIsListedOnceWhileOthersGo() {
        List<String> names = new ArrayList<>();
        long cookie = 0;
        long verifier = 0;
        boolean end = false;
        while (!end) {
            XdrReader r = a.ok(root(), list(cookie, verifier, 56));
            result(r, PUTROOTFH);
            result(r, READDIR);
            verifier = r.readLong();
            while (r.readBool()) {
                cookie = r.readLong();
                names.add(r.readString(255, "name"));
                r.readBitmap(3, "mask");
                r.readOpaque(100, "values");
                shares.remove("one");
            }
            end = r.readBool();
        }
        assertThat(names).containsExactly("one", "two", "three");
        assertThat(a.status(root(), list(cookie, verifier + 1, 56)))
                .as("NOT_SAME")
                .isEqualTo(10_027);
        assertThat(a.status(root(), list(-1, verifier, 56))).as("BAD_COOKIE").isEqualTo(10_003);
    }

    @Test
    void nothingIsMadeOpenedOrClosedThere() {
        assertThat(a.status(root(), open("o", "four", 3, 0, true))).as("ROFS").isEqualTo(30);
        assertThat(a.status(root(), open("o", "four", 1, 0, false))).as("NOENT").isEqualTo(2);
        assertThat(a.status(root(), open("o", "one", 3, 0, true))).as("EXIST").isEqualTo(17);
        assertThat(a.status(root(), mkdir("four"))).as("ROFS").isEqualTo(30);
        assertThat(a.status(root(), remove("one"))).as("ROFS").isEqualTo(30);
        Opened f = a.open("one", "o", "f", 3, 0, true);
        Op close = op(CLOSE, o -> o.writeInt(0).writeFixed(f.stateid()));
        assertThat(a.status(root(), close)).as("BAD_STATEID").isEqualTo(10_025);
        assertThat(a.close(f)).isZero();
    }
}
