package io.cistern.raft;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.cistern.block.CisternException;
import io.cistern.block.Crc32c;
import io.cistern.block.ErrorCode;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.StringLength;
import org.junit.jupiter.api.Test;

class ReplicaFileTest {
    private static final Path SOURCE = Path.of("replica");

    @Property(tries = 200)
    void whatWasWrittenIsRead(
            @ForAll @StringLength(max = 60) String text,
            @ForAll byte[] members,
            @ForAll long term,
            @ForAll boolean opened)
            throws Exception {
        ReplicaFile file =
                new ReplicaFile(text, new GroupId(7), text + ".3", opened, term, text, members);
        assertThat(ReplicaFile.decode(file.encode(), SOURCE)).isEqualTo(file);
    }

    @Test
    void everyFlippedBitAndEveryCutIsFound() {
        byte[] bytes = ReplicaFile.fresh("c", new GroupId(1), "n1.0").encode();
        for (int bit = 0; bit < bytes.length * 8; bit++) {
            byte[] bad = bytes.clone();
            bad[bit / 8] ^= (byte) (1 << bit % 8);
            assertThatThrownBy(() -> ReplicaFile.decode(bad, SOURCE))
                    .isInstanceOf(LogDamagedException.class);
        }
        for (int length = 0; length < bytes.length; length++) {
            byte[] bad = java.util.Arrays.copyOf(bytes, length);
            assertThatThrownBy(() -> ReplicaFile.decode(bad, SOURCE))
                    .isInstanceOf(LogDamagedException.class);
        }
    }

    @Test
    void aNewerFormatIsNotDamage() {
        byte[] bytes = ReplicaFile.fresh("c", new GroupId(1), "n1.0").encode();
        ByteBuffer file = ByteBuffer.wrap(bytes);
        file.putShort(4, (short) 2);
        file.putInt(bytes.length - 4, Crc32c.of(bytes, 0, bytes.length - 4));
        assertThatThrownBy(() -> ReplicaFile.decode(bytes, SOURCE))
                .isInstanceOfSatisfying(
                        CisternException.class,
                        e -> assertThat(e.code()).isEqualTo(ErrorCode.INVALID))
                .hasMessageContaining("newer program");
    }

    /// The bytes of version 1.
    @Test
    void versionOneIsReadAndWrittenAsItAlwaysWas() throws Exception {
        byte[] golden;
        try (InputStream in = ReplicaFileTest.class.getResourceAsStream("replica-v1.bin")) {
            assertThat(in).isNotNull();
            golden = in.readAllBytes();
        }
        ReplicaFile file =
                new ReplicaFile(
                        "cluster-7",
                        new GroupId(3),
                        "n1.2",
                        true,
                        42,
                        "n3.0",
                        new byte[] {8, 5, 16, 9});
        assertThat(ReplicaFile.decode(golden, SOURCE)).isEqualTo(file);
        assertThat(file.encode()).isEqualTo(golden);
    }
}
