package io.cistern.iscsi.login;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Map;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class NegotiatorTest {
    private static String answer(String key, String value) throws LoginRefusedException {
        return answer(Offer.DEFAULT, false, key, value);
    }

    private static String answer(Offer offer, boolean discovery, String key, String value)
            throws LoginRefusedException {
        return new Negotiator(offer, discovery)
                .answer(Map.of(key, value))
                .getOrDefault(key, "(none)");
    }

    /// RFC 7143 section 13, key by key: offer, answer.
    @Test
    void everyKeyIsAnsweredByItsRule() throws LoginRefusedException {
        String[][] table = {
            {"HeaderDigest", "None", "None"},
            {"HeaderDigest", "CRC32C,None", "CRC32C"},
            {"HeaderDigest", "None,CRC32C", "None"},
            {"HeaderDigest", "X-other,CRC32C", "CRC32C"},
            {"HeaderDigest", "X-other", "Reject"},
            {"DataDigest", "CRC32C", "CRC32C"},
            {"DataDigest", "crc32c", "Reject"},
            {"MaxConnections", "8", "1"},
            {"MaxConnections", "0", "Reject"},
            {"MaxConnections", "65536", "Reject"},
            {"InitialR2T", "Yes", "Yes"},
            {"InitialR2T", "No", "No"},
            {"InitialR2T", "no", "Reject"},
            {"ImmediateData", "Yes", "Yes"},
            {"ImmediateData", "No", "No"},
            {"MaxRecvDataSegmentLength", "65536", "(none)"},
            {"MaxRecvDataSegmentLength", "511", "Reject"},
            {"MaxRecvDataSegmentLength", "16777216", "Reject"},
            {"MaxBurstLength", "16776192", "1048576"},
            {"MaxBurstLength", "0x1000", "4096"},
            {"MaxBurstLength", "511", "Reject"},
            {"MaxBurstLength", "-1", "Reject"},
            {"MaxBurstLength", "99999999999999999999999", "Reject"},
            {"MaxBurstLength", "", "Reject"},
            {"FirstBurstLength", "65536", "65536"},
            {"FirstBurstLength", "16776192", "262144"},
            {"DefaultTime2Wait", "0", "0"},
            {"DefaultTime2Wait", "3600", "3600"},
            {"DefaultTime2Wait", "3601", "Reject"},
            {"DefaultTime2Retain", "20", "0"},
            {"MaxOutstandingR2T", "16", "4"},
            {"MaxOutstandingR2T", "1", "1"},
            {"DataPDUInOrder", "No", "Yes"},
            {"DataSequenceInOrder", "No", "Yes"},
            {"ErrorRecoveryLevel", "2", "0"},
            {"ErrorRecoveryLevel", "3", "Reject"},
            {"TaskReporting", "FastAbort,RFC3720", "RFC3720"},
            {"TaskReporting", "FastAbort", "Reject"},
            {"iSCSIProtocolLevel", "31", "2"},
            {"iSCSIProtocolLevel", "1", "1"},
            {"IFMarker", "Yes", "No"},
            {"OFMarker", "No", "No"},
            {"IFMarkInt", "2048~8192", "Reject"},
            {"OFMarkInt", "2048", "Reject"},
            {"SendTargets", "All", "Reject"},
            {"InitiatorAlias", "a b c", "(none)"},
            {"X-com.example.key", "1", "NotUnderstood"},
            {"RDMAExtensions", "Yes", "NotUnderstood"},
        };
        for (String[] row : table) {
            assertThat(answer(row[0], row[1])).as(row[0] + "=" + row[1]).isEqualTo(row[2]);
        }
    }

    @Test
    void inDiscoveryKeysOfNormalSessionsAreIrrelevant() throws LoginRefusedException {
        assertThat(answer(Offer.DEFAULT, true, "MaxBurstLength", "65536")).isEqualTo("Irrelevant");
        assertThat(answer(Offer.DEFAULT, true, "InitialR2T", "No")).isEqualTo("Irrelevant");
        assertThat(answer(Offer.DEFAULT, true, "ErrorRecoveryLevel", "2")).isEqualTo("0");
    }

    @Test
    void whatIsNotNegotiatedHasTheDefaultsOfTheRfc() {
        Parameters parameters = new Negotiator(Offer.DEFAULT, false).parameters();
        assertThat(parameters.initialR2T()).isTrue();
        assertThat(parameters.immediateData()).isTrue();
        assertThat(parameters.maxBurst()).isEqualTo(262_144);
        assertThat(parameters.firstBurst()).isEqualTo(65_536);
        assertThat(parameters.maxSendSegment()).isEqualTo(8_192);
        assertThat(parameters.maxOutstandingR2T()).isEqualTo(1);
        assertThat(parameters.digests().header() || parameters.digests().data()).isFalse();
        assertThat(parameters.protocolLevel()).isEqualTo(1);
    }

    @Test
    void ourOwnWishesCount() throws LoginRefusedException {
        Offer strict = new Offer(false, false, 8_192, 262_144, 65_536, true, false, 1);
        assertThat(answer(strict, false, "InitialR2T", "No")).isEqualTo("Yes");
        assertThat(answer(strict, false, "ImmediateData", "Yes")).isEqualTo("No");
        assertThat(answer(strict, false, "HeaderDigest", "CRC32C,None")).isEqualTo("None");
        assertThat(answer(strict, false, "HeaderDigest", "CRC32C")).isEqualTo("Reject");
    }

    @Test
    void aKeyIsNegotiatedOnce() throws LoginRefusedException {
        Negotiator negotiator = new Negotiator(Offer.DEFAULT, false);
        negotiator.answer(Map.of("MaxBurstLength", "65536"));
        assertThatThrownBy(() -> negotiator.answer(Map.of("MaxBurstLength", "65536")))
                .isInstanceOf(LoginRefusedException.class)
                .hasMessageContaining("MaxBurstLength");
    }

    @Test
    void anAnswerWithoutAnOfferIsAnError() {
        assertThatThrownBy(() -> answer("MaxBurstLength", "Irrelevant"))
                .isInstanceOf(LoginRefusedException.class);
    }

    @Property(tries = 200)
    void firstBurstNeverExceedsMaxBurst(
            @ForAll @IntRange(min = 512, max = 0xffffff) int max,
            @ForAll @IntRange(min = 512, max = 0xffffff) int first)
            throws LoginRefusedException {
        Negotiator negotiator = new Negotiator(Offer.DEFAULT, false);
        Map<String, String> answers =
                negotiator.answer(
                        Map.of("FirstBurstLength", "" + first, "MaxBurstLength", "" + max));
        assertThat(Integer.parseInt(answers.get("FirstBurstLength")))
                .isEqualTo(Math.min(first, Math.min(max, 256 << 10)))
                .isLessThanOrEqualTo(Integer.parseInt(answers.get("MaxBurstLength")));
        assertThat(negotiator.parameters().firstBurst())
                .isLessThanOrEqualTo(negotiator.parameters().maxBurst());
    }
}
