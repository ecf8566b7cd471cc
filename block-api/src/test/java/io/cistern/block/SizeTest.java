package io.cistern.block;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.LongRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class SizeTest {
    @ParameterizedTest
    @CsvSource({
        "0, 0",
        "4096, 4096",
        "512 B, 512",
        "1K, 1024",
        "1KB, 1000",
        "1kib, 1024",
        "64 GiB, 68719476736",
        "1.5T, 1649267441664",
        "7EiB, 8070450532247928832",
    })
    void reads_sizes_as_people_write_them(String text, long bytes) {
        assertThat(Size.parse(text)).isEqualTo(bytes);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "GiB",
                "-1",
                "1 iB",
                "1..5G",
                "0x10",
                "8EiB",
                "99999999999999999999",
                "0.3K",
                "1GiB2"
            })
    void refuses_what_is_not_a_whole_number_of_bytes(String text) {
        assertThatThrownBy(() -> Size.parse(text))
                .isInstanceOfSatisfying(
                        CisternException.class,
                        e -> assertThat(e.code()).isEqualTo(ErrorCode.INVALID))
                .hasMessageContaining("'" + text + "'")
                .hasMessageContaining("10GiB");
    }

    @Test
    void writes_sizes_with_at_most_two_decimals() {
        assertThat(Size.format(0)).isEqualTo("0 B");
        assertThat(Size.format(1023)).isEqualTo("1023 B");
        assertThat(Size.format(1024)).isEqualTo("1 KiB");
        assertThat(Size.format(1536L << 20)).isEqualTo("1.5 GiB");
        assertThat(Size.format(Long.MAX_VALUE)).isEqualTo("8 EiB");
    }

    @Property
    void what_is_written_reads_back_within_a_hundredth(
            @ForAll @LongRange(min = 0, max = 1L << 60) long bytes) {
        String text = Size.format(bytes);
        double back =
                Double.parseDouble(text.substring(0, text.indexOf(' ')))
                        * Size.parse("1" + text.substring(text.indexOf(' ') + 1));
        assertThat(back).isBetween(bytes * 0.99, bytes * 1.01);
    }
}
