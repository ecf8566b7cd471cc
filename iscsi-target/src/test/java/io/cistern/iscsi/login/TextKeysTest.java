package io.cistern.iscsi.login;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.buffer.UnpooledByteBufAllocator;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.AlphaChars;
import net.jqwik.api.constraints.Size;
import net.jqwik.api.constraints.StringLength;
import org.junit.jupiter.api.Test;

class TextKeysTest {
    private static Map<String, String> parse(String text) {
        return TextKeys.parse(Unpooled.copiedBuffer(text, StandardCharsets.UTF_8));
    }

    @Property(tries = 200)
    void pairsComeBackFromBytes(
            @ForAll @Size(max = 20)
                    Map<
                                    @AlphaChars @StringLength(min = 1, max = 63) String,
                                    @AlphaChars @StringLength(max = 255) String>
                            pairs) {
        ByteBuf text =
                TextKeys.format(new LinkedHashMap<>(pairs), UnpooledByteBufAllocator.DEFAULT);
        assertThat(TextKeys.parse(text)).isEqualTo(pairs);
        text.release();
    }

    @Property(tries = 500)
    void garbageGivesAnIllegalArgumentOrPairs(@ForAll @Size(max = 600) byte[] garbage) {
        try {
            assertThat(TextKeys.parse(Unpooled.wrappedBuffer(garbage)).size())
                    .isLessThanOrEqualTo(TextKeys.MAX_PAIRS);
        } catch (IllegalArgumentException e) {
            assertThat(e).hasMessageNotContaining("null");
        }
    }

    @Test
    void valuesMayHoldEqualsSignsAndBeEmpty() {
        assertThat(parse("A=b=c\0SendTargets=\0\0"))
                .isEqualTo(Map.of("A", "b=c", "SendTargets", ""));
    }

    @Test
    void whatBreaksTheRulesIsRefused() {
        for (String bad :
                new String[] {
                    "Novalue\0",
                    "=x\0",
                    "1Key=x\0",
                    "Ke y=x\0",
                    "A".repeat(64) + "=x\0",
                    "A=1\0A=2\0",
                    "A=" + "x".repeat(TextKeys.MAX_VALUE_BYTES + 1) + "\0"
                }) {
            assertThatThrownBy(() -> parse(bad))
                    .as(bad.substring(0, Math.min(20, bad.length())))
                    .isInstanceOf(IllegalArgumentException.class);
        }
        StringBuilder many = new StringBuilder();
        for (int i = 0; i <= TextKeys.MAX_PAIRS; i++) {
            many.append("K").append(i).append("=1\0");
        }
        assertThatThrownBy(() -> parse(many.toString()))
                .isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void binaryValuesAreHexadecimalOrBase64() {
        assertThat(Values.binary("0x0aFF", 2)).containsExactly(0x0a, 0xff);
        assertThat(Values.binary("0XaFF", 2)).containsExactly(0x0a, 0xff);
        assertThat(Values.binary("0bCv8=", 2)).containsExactly(0x0a, 0xff);
        for (String bad : new String[] {"", "0x", "0b", "0a00", "0xzz", "0b!", "0x010203"}) {
            assertThatThrownBy(() -> Values.binary(bad, 2))
                    .isInstanceOf(IllegalArgumentException.class);
        }
    }

    @Test
    void namesAreComparedInLowerCaseAndChecked() {
        assertThat(IscsiName.normalise("IQN.2026-11.io.Cistern:Disk"))
                .isEqualTo("iqn.2026-11.io.cistern:disk");
        assertThat(IscsiName.normalise("iqn.2008-11.org.linux-kvm"))
                .isEqualTo("iqn.2008-11.org.linux-kvm");
        assertThat(IscsiName.normalise("eui.02004567A425678D")).isEqualTo("eui.02004567a425678d");
        assertThat(IscsiName.normalise("naa.52004567BA64678D")).isEqualTo("naa.52004567ba64678d");
        assertThat(IscsiName.normalise("iqn.2026-11.io.cistern:größe"))
                .isEqualTo("iqn.2026-11.io.cistern:größe");
        for (String bad :
                new String[] {
                    "",
                    "disk",
                    "iqn.2026.io.cistern",
                    "iqn.2026-11.io.cistern:a b",
                    "iqn.2026-11.io.cistern:a_b",
                    "iqn.2026-11.io.cistern:a/b",
                    "eui.0200",
                    "naa.52004567BA64678D0",
                    "iqn.2026-11.io.cistern:" + "x".repeat(201)
                }) {
            assertThatThrownBy(() -> IscsiName.normalise(bad))
                    .as(bad)
                    .isInstanceOf(IllegalArgumentException.class);
        }
    }
}
