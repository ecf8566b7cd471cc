package io.cistern.block;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.concurrent.CompletionException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class WordsTest {
    @ParameterizedTest
    @ValueSource(strings = {"a", "vm1", "web-1.disk_0", "0"})
    void allows_names(String name) {
        assertThat(Names.check("volume name", name)).isEqualTo(name);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "A", "-a", "a-", "a/b", "a@b", "ä", "a b", "a\n"})
    void refuses_other_names_and_says_the_rule(String name) {
        assertThatThrownBy(() -> Names.check("volume name", name))
                .isInstanceOf(CisternException.class)
                .hasMessageContaining("volume name")
                .hasMessageContaining("63");
    }

    @Test
    void refuses_a_name_of_64_characters() {
        assertThat(Names.check("volume name", "a".repeat(63))).hasSize(63);
        assertThatThrownBy(() -> Names.check("volume name", "a".repeat(64)))
                .isInstanceOf(CisternException.class);
    }

    /// The check value of RFC 3720 appendix B.4's polynomial: "123456789" gives E3069283.
    @Test
    void checksum_is_castagnoli() {
        byte[] digits = "123456789".getBytes(StandardCharsets.US_ASCII);
        assertThat(Crc32c.of(ByteBuffer.wrap(digits))).isEqualTo(0xE3069283);
        assertThat(Crc32c.of(digits, 0, 9)).isEqualTo(0xE3069283);
    }

    @Test
    void checksums_each_block_and_leaves_the_buffer_alone() {
        ByteBuffer data = ByteBuffer.allocate(3 * BlockDevice.BLOCK_BYTES);
        data.put(BlockDevice.BLOCK_BYTES, (byte) 1);
        int[] crcs = Crc32c.ofBlocks(data);
        assertThat(crcs).hasSize(3);
        assertThat(crcs[0]).isEqualTo(Crc32c.ZERO_BLOCK).isEqualTo(crcs[2]);
        assertThat(crcs[1]).isNotEqualTo(Crc32c.ZERO_BLOCK);
        assertThat(data.position()).isZero();
    }

    @Test
    void error_numbers_are_distinct_and_never_change() {
        int[] numbers = Arrays.stream(ErrorCode.values()).mapToInt(ErrorCode::wire).toArray();
        assertThat(numbers)
                .containsExactly(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17);
        for (ErrorCode code : ErrorCode.values()) {
            assertThat(ErrorCode.fromWire(code.wire())).isEqualTo(code);
        }
        assertThat(ErrorCode.fromWire(255)).isEqualTo(ErrorCode.INTERNAL);
    }

    @Test
    void the_user_sees_the_failure_under_its_wrappers() {
        CisternException fenced =
                new CisternException(ErrorCode.FENCED, "volume v1 is attached elsewhere");
        assertThat(CisternException.of(new CompletionException(fenced))).isSameAs(fenced);
        assertThat(CisternException.of(new IllegalStateException("x")).code())
                .isEqualTo(ErrorCode.INTERNAL);
    }
}
