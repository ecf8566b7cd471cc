package io.cistern.nas;

import static io.cistern.nas.V4TestClient.*;
import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.block.fs.Attributes;
import io.cistern.block.fs.ByteString;
import io.cistern.block.fs.Credentials;
import io.cistern.block.fs.FileId;
import io.cistern.block.fs.FileSystem;
import io.cistern.block.fs.MemoryFileSystem;
import io.cistern.nas.V4TestClient.Op;
import io.cistern.nas.V4TestClient.Opened;
import io.cistern.nas.xdr.XdrReader;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/// COPY and CLONE (RFC 7862 sections 15.2 and 15.13).
class Nfs4CloneTest {
    private static final int COPY = 60;
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

    /// @return how much was copied
    private long copy(long fromOffset, long toOffset, long count) {
        Op copy =
                op(
                        COPY,
                        o -> {
                            o.writeFixed(from.stateid()).writeFixed(to.stateid());
                            o.writeLong(fromOffset).writeLong(toOffset).writeLong(count);
                            o.writeBool(true).writeBool(true).writeInt(0);
                        });
        XdrReader r = a.ok(putfh(from.handle()), op(SAVEFH), putfh(to.handle()), copy);
        result(r, PUTFH);
        result(r, SAVEFH);
        result(r, PUTFH);
        result(r, COPY);
        r.readInt();
        return r.readLong();
    }

    private Attributes attributes(String name) {
        MemoryFileSystem files = server.shares.files("share");
        ByteString entry = ByteString.utf8(name);
        return files.lookup(Credentials.ROOT, FileId.ROOT, entry).join().file();
    }

    private long usedBytes(String name) {
        return attributes(name).usedBytes();
    }

    private byte[] contents(String name) {
        MemoryFileSystem files = server.shares.files("share");
        Attributes file = attributes(name);
        ByteBuffer all = ByteBuffer.allocate((int) file.size());
        while (all.hasRemaining()) {
            int most = Math.min(all.remaining(), FileSystem.MAX_IO_BYTES);
            all.put(files.read(Credentials.ROOT, file.id(), all.position(), most).join().bytes());
        }
        return all.array();
    }

    @Test
    void holesOfTheSourceAreHolesOfTheCopy() {
        write(from, 5_000, 7);
        byte[] end = new byte[6_000];
        Arrays.fill(end, (byte) 8);
        a.ok(putfh(from.handle()), V4TestClient.write(from.stateid(), 3 << 20, end));
        a.ok(putfh(from.handle()), V4TestClient.write(from.stateid(), 5 << 20, new byte[1]));
        write(to, 1 << 20, 9);
        assertThat(copy(0, 0, 0)).isEqualTo((5 << 20) + 1);
        assertThat(contents("to")).isEqualTo(contents("from"));
        assertThat(usedBytes("to")).isEqualTo(usedBytes("from")).isLessThan(64 << 10);
    }

    /// A hole costs entries of its own, data of the same length a part of one.
    @Test
    void smallHolesAreCopiedAsData() {
        byte[] block = new byte[4_096];
        Arrays.fill(block, (byte) 7);
        for (int at = 0; at < 1 << 20; at += 128 << 10) {
            a.ok(putfh(from.handle()), V4TestClient.write(from.stateid(), at, block));
        }
        a.ok(putfh(from.handle()), V4TestClient.write(from.stateid(), 2 << 20, block));
        write(to, 1 << 20, 9);
        int size = (2 << 20) + 4_096;
        assertThat(copy(0, 0, 0)).isEqualTo(size);
        assertThat(contents("to")).isEqualTo(contents("from"));
        assertThat(usedBytes("to"))
                .as("but for the hole at the end")
                .isEqualTo((896 << 10) + 4_096 + 4_096);
    }

    @Test
    void aCopyThatEndsWithAHoleIsAsLongAsItsSource() {
        a.ok(putfh(from.handle()), V4TestClient.write(from.stateid(), 40 << 20, new byte[1]));
        write(to, 1 << 20, 9);
        assertThat(copy(4_096, 8_192, 32 << 20)).isEqualTo(32 << 20);
        byte[] expected = new byte[8_192 + (32 << 20)];
        Arrays.fill(expected, 0, 8_192, (byte) 9);
        assertThat(contents("to")).isEqualTo(expected);
        assertThat(usedBytes("to")).isEqualTo(8_192);
    }

    @Test
    void manyPartsAreCopiedInTheirPlaces() {
        byte[] all = new byte[(9 << 20) + 777];
        new Random(20261129).nextBytes(all);
        for (int at = 0; at < all.length; at += 1 << 20) {
            byte[] part = Arrays.copyOfRange(all, at, Math.min(all.length, at + (1 << 20)));
            a.ok(putfh(from.handle()), V4TestClient.write(from.stateid(), at, part));
        }
        assertThat(copy(5, 3, all.length - 5)).isEqualTo(all.length - 5);
        byte[] expected = new byte[all.length - 2];
        System.arraycopy(all, 5, expected, 3, all.length - 5);
        assertThat(contents("to")).isEqualTo(expected);
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
