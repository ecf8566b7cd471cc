package io.cistern.nas.share;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.cistern.block.CisternException;
import io.cistern.nas.rpc.Credential;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ShareEntryTest {
    @ParameterizedTest
    @CsvSource({
        "10.0.0.0/8, 10.255.0.1, true",
        "10.0.0.0/8, 11.0.0.1, false",
        "10.1.2.128/25, 10.1.2.127, false",
        "10.1.2.128/25, 10.1.2.129, true",
        "10.1.2.3, 10.1.2.3, true",
        "10.1.2.3, 10.1.2.2, false",
        "0.0.0.0/0, 192.168.0.1, true",
        "fd00::/64, fd00::1, true",
        "fd00::/64, fd00:0:0:1::1, false",
        "0.0.0.0/0, fd00::1, false"
    })
    void rangesContainTheirAddresses(String range, String address, boolean contains)
            throws UnknownHostException {
        assertThat(Cidr.parse(range).contains(InetAddress.getByName(address))).isEqualTo(contains);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "host.example", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/x", "/8"})
    void whatIsNoRangeIsRefused(String text) {
        assertThatThrownBy(() -> Cidr.parse(text))
                .isInstanceOf(CisternException.class)
                .hasMessageContaining("10.0.0.0/8");
    }

    @Test
    void theFirstRuleThatMatchesCounts() throws UnknownHostException {
        ClientRule wide = ClientRule.of(Cidr.parse("10.0.0.0/8"), false);
        ClientRule narrow = ClientRule.of(Cidr.parse("10.1.0.0/16"), true);
        ShareEntry share = new ShareEntry(1, "s", List.of(narrow, wide));
        assertThat(share.ruleFor(InetAddress.getByName("10.1.2.3"))).isEqualTo(narrow);
        assertThat(share.ruleFor(InetAddress.getByName("10.2.2.3"))).isEqualTo(wide);
        assertThat(share.ruleFor(InetAddress.getByName("11.2.2.3"))).isNull();
    }

    @Test
    void rootIsSquashedAndOthersAreNot() {
        var root = new Credential.Sys("h", 0, 0, new int[] {0, 5});
        var user = new Credential.Sys("h", 1000, 0, new int[] {0, 5});
        assertThat(Shares.identity(root, true).uid()).isEqualTo(Shares.NOBODY);
        assertThat(Shares.identity(root, true).groups()).isEmpty();
        assertThat(Shares.identity(root, false).superuser()).isTrue();
        assertThat(Shares.identity(user, true).uid()).isEqualTo(1000);
        assertThat(Shares.identity(user, true).inGroup(0)).isFalse();
        assertThat(Shares.identity(user, true).inGroup(5)).isTrue();
        assertThat(Shares.identity(new Credential.Anonymous(), false).uid())
                .isEqualTo(Shares.NOBODY);
    }
}
