package io.cistern.nas.share;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.cistern.block.fs.FileId;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class HandleCodecTest {
    private final HandleCodec codec = new HandleCodec(HandleCodec.keyFrom("cluster"));

    @Property(tries = 200)
    void handlesComeBack(
            @ForAll long share, @ForAll long snapshot, @ForAll long inode, @ForAll int generation) {
        FileHandle handle = new FileHandle.InShare(share, new FileId(snapshot, inode, generation));
        byte[] bytes = codec.encode(handle);
        assertThat(bytes).hasSizeLessThanOrEqualTo(HandleCodec.MAX_V3_BYTES);
        assertThat(codec.decode(bytes)).isEqualTo(handle);
    }

    @Property(tries = 200)
    void aChangedBitIsNoticed(
            @ForAll long inode, @ForAll @IntRange(max = HandleCodec.BYTES * 8 - 1) int bit) {
        byte[] bytes = codec.encode(new FileHandle.InShare(7, new FileId(0, inode, 1)));
        bytes[bit / 8] ^= (byte) (1 << bit % 8);
        assertThatThrownBy(() -> codec.decode(bytes))
                .isInstanceOfSatisfying(
                        NfsException.class,
                        e -> assertThat(e.status()).isEqualTo(NfsStatus.BADHANDLE));
    }

    @Test
    void anotherClustersHandlesAreRefused() {
        byte[] bytes = codec.encode(FileHandle.PSEUDO_ROOT);
        assertThat(codec.decode(bytes)).isEqualTo(FileHandle.PSEUDO_ROOT);
        HandleCodec other = new HandleCodec(HandleCodec.keyFrom("another"));
        assertThatThrownBy(() -> other.decode(bytes)).isInstanceOf(NfsException.class);
    }

    /// The format of version 1: clients keep handles for years.
    @Test
    void handlesOfVersionOneStayAsTheyAre() {
        byte[] bytes =
                new HandleCodec("0123456789abcdef".getBytes(StandardCharsets.US_ASCII))
                        .encode(new FileHandle.InShare(3, new FileId(4, 5, 6)));
        assertThat(HexFormat.of().formatHex(bytes))
                .startsWith("0102000000000000000000030000000000000004000000000000000500000006")
                .hasSize(80);
    }

    /// From the paper's appendix A: key 00 01 .. 0f, message 00 01 .. 0e.
    @Test
    void theHashIsSipHash24() {
        byte[] key = new byte[16];
        byte[] message = new byte[15];
        for (int i = 0; i < 16; i++) {
            key[i] = (byte) i;
            if (i < 15) {
                message[i] = (byte) i;
            }
        }
        assertThat(new SipHash(key).hash(message, 15)).isEqualTo(0xa129ca6149be45e5L);
        assertThat(ByteBuffer.wrap(message).remaining()).isEqualTo(15);
    }
}
