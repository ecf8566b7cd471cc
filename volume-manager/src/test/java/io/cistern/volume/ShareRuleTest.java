package io.cistern.volume;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.cistern.block.CisternException;
import java.net.InetAddress;
import java.net.UnknownHostException;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ShareRuleTest {
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "10.0.0.0/8 | 10.0.0.0/8",
                "10.1.2.3 | 10.1.2.3/32",
                "10.1.2.3:ro | 10.1.2.3/32:ro",
                "0.0.0.0/0:ro,no_root_squash | 0.0.0.0/0:ro,no_root_squash",
                "fd00::/8:rw | fd00::/8",
                "::1 | ::1/128",
                "127.0.0.1:root_squash | 127.0.0.1/32:root_squash",
                "127.0.0.0/8:ro,no_root_squash | 127.0.0.0/8:ro",
                "127.0.0.0/8:no_root_squash,all_squash | 127.0.0.0/8:all_squash",
                "fd00::1/128:all_squash | fd00::1/128:all_squash",
            })
    void isReadAndWritten(String text, String written) {
        ShareRule rule = ShareRule.parse(text);
        assertThat(rule).hasToString(written);
        assertThat(ShareRule.parse(written)).isEqualTo(rule);
    }

    @ParameterizedTest
    @CsvSource({
        "127.0.0.1, false",
        "127.0.0.0/8, false",
        "127.0.0.0/7, true",
        "::1, false",
        "::/127, true",
        "10.0.0.0/8, true",
    })
    void rootIsNobodyUnlessTheClientIsOnTheNode(String rule, boolean squashed) {
        assertThat(ShareRule.parse(rule).rootSquash()).isEqualTo(squashed);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "host",
                "host.name/24",
                "10.0.0.0/33",
                "10.0.0.0/-1",
                "10.0.0.0/x",
                "10.0.0/8/9",
                "::/129",
                "10.0.0.0/8:",
                "10.0.0.0/8:rx"
            })
    void refusesOthersInOneLine(String text) {
        assertThatThrownBy(() -> ShareRule.parse(text))
                .isInstanceOf(CisternException.class)
                .hasMessageContaining("client rule");
    }

    @ParameterizedTest
    @CsvSource({
        "10.0.0.0/8, 10.255.0.1, true",
        "10.0.0.0/8, 11.0.0.1, false",
        "192.168.4.0/22, 192.168.7.255, true",
        "192.168.4.0/22, 192.168.8.0, false",
        "0.0.0.0/0, 1.2.3.4, true",
        "0.0.0.0/0, ::1, false",
        "fd00::/9, fd7f::1, true",
        "fd00::/9, fd80::1, false",
    })
    void matchesByPrefix(String rule, String client, boolean matches) throws UnknownHostException {
        assertThat(ShareRule.parse(rule).matches(InetAddress.getByName(client))).isEqualTo(matches);
    }
}
