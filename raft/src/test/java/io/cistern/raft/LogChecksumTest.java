package io.cistern.raft;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.apache.ratis.util.PureJavaCrc32C;
import org.junit.jupiter.api.Test;

/// The class that stands in for Ratis' own: see ADR 9.
class LogChecksumTest {
    @Test
    void theLogUsesOurs() {
        assertThat(RaftHost.fastChecksum()).isTrue();
    }

    /// RFC 3720, B.4, and the usual check value.
    @Test
    void knownValues() {
        assertThat(of("123456789".getBytes(StandardCharsets.US_ASCII))).isEqualTo(0xE3069283L);
        assertThat(of(new byte[32])).isEqualTo(0x8A9136AAL);
        byte[] ones = new byte[32];
        java.util.Arrays.fill(ones, (byte) 0xff);
        assertThat(of(ones)).isEqualTo(0x62A8AB43L);
    }

    private static long of(byte[] bytes) {
        PureJavaCrc32C crc = new PureJavaCrc32C();
        crc.update(bytes, 0, bytes.length);
        return crc.getValue();
    }

    /// Bit by bit, as the polynomial says.
    @Property(tries = 200)
    void allUpdatesAgreeWithThePolynomial(@ForAll byte[] data, @ForAll boolean direct) {
        int expected = -1;
        for (byte b : data) {
            expected ^= b & 0xff;
            for (int i = 0; i < 8; i++) {
                expected = (expected & 1) != 0 ? expected >>> 1 ^ 0x82F63B78 : expected >>> 1;
            }
        }
        long value = ~expected & 0xffffffffL;
        ByteBuffer buffer =
                direct ? ByteBuffer.allocateDirect(data.length) : ByteBuffer.allocate(data.length);
        buffer.put(data).flip();
        PureJavaCrc32C crc = new PureJavaCrc32C();
        crc.update(buffer);
        assertThat(crc.getValue()).isEqualTo(value);
        assertThat(buffer.remaining()).isEqualTo(data.length);
        crc.reset();
        for (byte b : data) {
            crc.update(b);
        }
        assertThat(crc.getValue()).isEqualTo(value);
        assertThat(of(data)).isEqualTo(value);
    }
}
