package io.cistern.nas;

import static io.cistern.nas.V4TestClient.*;
import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.nas.V4TestClient.Op;
import io.cistern.nas.V4TestClient.Opened;
import io.cistern.nas.xdr.XdrReader;
import java.io.ByteArrayOutputStream;
import java.util.Arrays;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/// CLONE (RFC 7862 section 15.13).
class Nfs4CloneTest {
    private static final int CLONE = 71;

    private final TestServer server = new TestServer();
    private final V4TestClient a = V4TestClient.started(server.address(), 2, "a");
    private final Opened from = a.open("share", "o", "from", 3, 0, true);
    private final Opened to = a.open("share", "o", "to", 3, 0, true);

    @AfterEach
    void stop() {
        a.close();
        server.close();
    }

    private int clone(long fromOffset, long toOffset, long count) {
        Op clone =
                op(
                        CLONE,
                        o -> {
                            o.writeFixed(from.stateid()).writeFixed(to.stateid());
                            o.writeLong(fromOffset).writeLong(toOffset).writeLong(count);
                        });
        return a.status(putfh(from.handle()), op(SAVEFH), putfh(to.handle()), clone);
    }

    private void write(Opened file, int bytes, int value) {
        byte[] data = new byte[bytes];
        Arrays.fill(data, (byte) value);
        a.ok(putfh(file.handle()), V4TestClient.write(file.stateid(), 0, data));
    }

    private byte[] read(Opened file) {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        boolean end = false;
        while (!end) {
            Op read = V4TestClient.read(file.stateid(), all.size(), 4_096);
            XdrReader r = a.ok(putfh(file.handle()), read);
            result(r, PUTFH);
            result(r, READ);
            end = r.readBool();
            all.writeBytes(r.readOpaque(4_096, "data"));
        }
        return all.toByteArray();
    }

    @Test
    void theLastBlockIsClonedWithTheZeroesBehindTheEndOfTheSource() {
        write(from, 5_000, 7);
        write(to, 20_000, 9);
        assertThat(clone(0, 0, 0)).isZero();
        byte[] expected = new byte[20_000];
        Arrays.fill(expected, 0, 5_000, (byte) 7);
        Arrays.fill(expected, 8_192, 20_000, (byte) 9);
        assertThat(read(to)).isEqualTo(expected);
    }

    @Test
    void whatEndsTheFileMakesItNoLonger() {
        write(from, 5_000, 7);
        write(to, 6_000, 9);
        assertThat(clone(0, 0, 5_000)).isZero();
        byte[] expected = new byte[6_000];
        Arrays.fill(expected, 0, 5_000, (byte) 7);
        assertThat(read(to)).isEqualTo(expected);
        write(to, 1, 9);
        assertThat(clone(4_096, 8_192, 0)).isZero();
        assertThat(read(to)).hasSize(8_192 + 904).endsWith(new byte[] {7, 7});
    }

    @Test
    void rangesThatAreNotWholeBlocksOrNotThereAreRefused() {
        write(from, 10_000, 7);
        assertThat(clone(1, 0, 4_096)).as("INVAL").isEqualTo(22);
        assertThat(clone(0, 1, 4_096)).as("INVAL").isEqualTo(22);
        assertThat(clone(0, 0, 100)).as("INVAL").isEqualTo(22);
        assertThat(clone(8_192, 0, 4_096)).as("INVAL: beyond the end").isEqualTo(22);
        assertThat(clone(0, 0, -4_096)).as("INVAL: no such range").isEqualTo(22);
        assertThat(read(to)).isEmpty();
    }
}
