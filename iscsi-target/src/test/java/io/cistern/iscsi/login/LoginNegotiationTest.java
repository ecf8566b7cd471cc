package io.cistern.iscsi.login;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.cistern.iscsi.TargetCatalog;
import io.cistern.iscsi.TargetCatalog.AccessRules;
import io.cistern.iscsi.TargetCatalog.Credentials;
import io.cistern.iscsi.TargetCatalog.TargetEntry;
import io.cistern.iscsi.pdu.LoginRequest;
import io.cistern.iscsi.pdu.LoginStage;
import io.cistern.iscsi.scsi.ScsiTarget;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class LoginNegotiationTest {
    private static final String TARGET = "iqn.2026-11.io.cistern:disk";
    private static final String INITIATOR = "iqn.2026-11.org.example:host";
    private static final byte[] SECRET = bytes("twelve-bytes-at-least");
    private static final byte[] OTHER = bytes("another-secret-of-ours");
    private static final int SECURITY = LoginStage.SECURITY;
    private static final int OPERATIONAL = LoginStage.OPERATIONAL;
    private static final int FULL = LoginStage.FULL_FEATURE;

    private AccessRules access = new AccessRules(Set.of(), null, null);
    private Set<ChapAlgorithm> algorithms = Set.of(ChapAlgorithm.SHA_256, ChapAlgorithm.SHA3_256);
    private @Nullable LoginNegotiation negotiation;

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.US_ASCII);
    }

    private LoginEnvironment environment() {
        TargetCatalog catalog =
                new TargetCatalog() {
                    @Override
                    public List<TargetEntry> targets() {
                        return List.of(new TargetEntry(TARGET, List.of(), access));
                    }

                    @Override
                    public @Nullable TargetEntry find(String name) {
                        return name.equals(TARGET) ? targets().getFirst() : null;
                    }

                    @Override
                    public @Nullable ScsiTarget open(String name) {
                        return null;
                    }

                    @Override
                    public AutoCloseable onChange(Listener listener) {
                        return () -> {};
                    }
                };
        return new LoginEnvironment(
                catalog,
                5,
                Offer.DEFAULT,
                algorithms,
                16_384,
                (tsih, initiator, isid, target) -> tsih == 9);
    }

    private LoginNegotiation negotiation() {
        if (negotiation == null) {
            negotiation = new LoginNegotiation(environment());
        }
        return negotiation;
    }

    private static LoginRequest request(LoginStage stage, int tsih, String... pairs) {
        ByteBuf data = Unpooled.buffer();
        for (int i = 0; i < pairs.length; i += 2) {
            TextKeys.append(data, pairs[i], pairs[i + 1]);
        }
        return new LoginRequest(stage, 0, 0, 0x400001370000L, tsih, 1, 0, 1, 0, data);
    }

    private LoginNegotiation.Step feed(int current, int next, String... pairs)
            throws LoginRefusedException {
        LoginStage stage = new LoginStage(next > 0, false, current, Math.max(0, next));
        return negotiation().feed(request(stage, 0, pairs));
    }

    private LoginNegotiation.Step first(int current, int next, String... more)
            throws LoginRefusedException {
        String[] pairs = new String[more.length + 4];
        pairs[0] = "InitiatorName";
        pairs[1] = INITIATOR;
        pairs[2] = "TargetName";
        pairs[3] = TARGET;
        System.arraycopy(more, 0, pairs, 4, more.length);
        return feed(current, next, pairs);
    }

    private static void refused(LoginStatus status, Attempt attempt) {
        assertThatThrownBy(attempt::run)
                .isInstanceOfSatisfying(
                        LoginRefusedException.class,
                        e -> assertThat(e.status()).as(e.getMessage()).isEqualTo(status));
    }

    private interface Attempt {
        void run() throws LoginRefusedException;
    }

    @Test
    void loginInOneStepDeclaresGroupAndSegment() throws LoginRefusedException {
        LoginNegotiation.Step step = first(OPERATIONAL, FULL, "HeaderDigest", "CRC32C");
        assertThat(step.complete()).isTrue();
        assertThat(step.stage()).isEqualTo(new LoginStage(true, false, OPERATIONAL, FULL));
        assertThat(step.keys())
                .containsEntry("TargetPortalGroupTag", "5")
                .containsEntry("TargetAlias", "disk")
                .containsEntry("HeaderDigest", "CRC32C")
                .containsEntry("MaxRecvDataSegmentLength", "262144");
        LoginResult result = negotiation().result();
        assertThat(result.initiatorName()).isEqualTo(INITIATOR);
        assertThat(result.targetName()).isEqualTo(TARGET);
        assertThat(result.parameters().digests().header()).isTrue();
    }

    @Test
    void loginInTwoStages() throws LoginRefusedException {
        LoginNegotiation.Step step = first(SECURITY, OPERATIONAL, "AuthMethod", "CHAP,None");
        assertThat(step.keys()).containsEntry("AuthMethod", "None");
        assertThat(step.stage().transit()).isTrue();
        assertThat(step.complete()).isFalse();
        assertThat(feed(OPERATIONAL, FULL).complete()).isTrue();
    }

    @Test
    void textMaySpreadOverRequests() throws LoginRefusedException {
        ByteBuf all =
                request(
                                new LoginStage(false, false, 0, 0),
                                0,
                                "InitiatorName",
                                INITIATOR,
                                "TargetName",
                                TARGET)
                        .data();
        LoginRequest part =
                new LoginRequest(
                        new LoginStage(false, true, OPERATIONAL, 0),
                        0,
                        0,
                        1,
                        0,
                        1,
                        0,
                        1,
                        0,
                        all.readSlice(20));
        LoginNegotiation.Step step = negotiation().feed(part);
        assertThat(step.keys()).isEmpty();
        assertThat(step.stage().transit()).isFalse();
        LoginRequest rest =
                new LoginRequest(
                        new LoginStage(true, false, OPERATIONAL, FULL),
                        0,
                        0,
                        1,
                        0,
                        1,
                        0,
                        1,
                        0,
                        all);
        assertThat(negotiation().feed(rest).complete()).isTrue();
    }

    @Test
    void brokenRulesEndTheLoginWithTheirStatus() {
        refused(LoginStatus.MISSING_PARAMETER, () -> feed(OPERATIONAL, FULL, "TargetName", TARGET));
        negotiation = null;
        refused(
                LoginStatus.MISSING_PARAMETER,
                () -> feed(OPERATIONAL, FULL, "InitiatorName", INITIATOR));
        negotiation = null;
        refused(
                LoginStatus.NOT_FOUND,
                () ->
                        feed(
                                OPERATIONAL,
                                FULL,
                                "InitiatorName",
                                INITIATOR,
                                "TargetName",
                                TARGET + "x"));
        negotiation = null;
        refused(
                LoginStatus.NOT_FOUND,
                () ->
                        feed(
                                OPERATIONAL,
                                FULL,
                                "InitiatorName",
                                INITIATOR,
                                "TargetName",
                                "no name at all"));
        negotiation = null;
        refused(LoginStatus.INITIATOR_ERROR, () -> first(SECURITY, 2));
        negotiation = null;
        refused(LoginStatus.INITIATOR_ERROR, () -> first(OPERATIONAL, OPERATIONAL));
        negotiation = null;
        refused(LoginStatus.INITIATOR_ERROR, () -> first(FULL, 0));
        negotiation = null;
        refused(
                LoginStatus.SESSION_TYPE_NOT_SUPPORTED,
                () -> first(OPERATIONAL, FULL, "SessionType", "Other"));
        negotiation = null;
        refused(
                LoginStatus.INITIATOR_ERROR,
                () -> {
                    first(OPERATIONAL, 0, "MaxBurstLength", "4096");
                    feed(OPERATIONAL, 0, "MaxBurstLength", "4096");
                });
        negotiation = null;
        refused(
                LoginStatus.INITIATOR_ERROR,
                () -> {
                    first(OPERATIONAL, 0);
                    feed(OPERATIONAL, 0, "TargetName", TARGET);
                });
        negotiation = null;
        refused(
                LoginStatus.INITIATOR_ERROR,
                () -> {
                    first(OPERATIONAL, 0);
                    feed(SECURITY, 0);
                });
        negotiation = null;
        LoginStage both = new LoginStage(true, true, SECURITY, OPERATIONAL);
        refused(LoginStatus.INITIATOR_ERROR, () -> negotiation().feed(request(both, 0)));
        negotiation = null;
        LoginRequest late =
                new LoginRequest(
                        new LoginStage(true, false, OPERATIONAL, FULL),
                        3,
                        1,
                        1,
                        0,
                        1,
                        0,
                        1,
                        0,
                        Unpooled.EMPTY_BUFFER);
        refused(LoginStatus.UNSUPPORTED_VERSION, () -> negotiation().feed(late));
    }

    /// RFC 7143 13.12: 8,192 bytes, until another length is declared.
    @Test
    void theAnswerToTheStrangestTextFitsOneResponse() throws LoginRefusedException {
        String[] keys = new String[2 * (TextKeys.MAX_PAIRS - 2)];
        for (int i = 0; i < keys.length; i += 2) {
            keys[i] = "X" + "y".repeat(TextKeys.MAX_KEY_CHARS - 5) + (1000 + i);
            keys[i + 1] = "1";
        }
        Map<String, String> answers = first(OPERATIONAL, 0, keys).keys();
        assertThat(answers).hasSizeGreaterThan(TextKeys.MAX_PAIRS);
        assertThat(answers).containsEntry(keys[0], "NotUnderstood");
        ByteBuf text = TextKeys.format(answers, io.netty.buffer.ByteBufAllocator.DEFAULT);
        assertThat(text.readableBytes()).isLessThanOrEqualTo(8_192 - 223);
        text.release();
    }

    @Test
    void aTextWithoutEndIsRefused() {
        LoginStage more = new LoginStage(false, true, OPERATIONAL, 0);
        refused(
                LoginStatus.INITIATOR_ERROR,
                () -> {
                    for (int i = 0; i < 10; i++) {
                        negotiation().feed(request(more, 0, "A" + i, "x".repeat(2_000)));
                    }
                });
    }

    @Test
    void aSessionHasOneConnection() {
        LoginStage stage = new LoginStage(true, false, OPERATIONAL, FULL);
        String[] keys = {"InitiatorName", INITIATOR, "TargetName", TARGET};
        refused(
                LoginStatus.TOO_MANY_CONNECTIONS,
                () -> negotiation().feed(request(stage, 9, keys)));
        negotiation = null;
        refused(LoginStatus.NO_SUCH_SESSION, () -> negotiation().feed(request(stage, 8, keys)));
    }

    @Test
    void onlyInitiatorsOnTheListGetIn() throws LoginRefusedException {
        access = new AccessRules(Set.of("iqn.2026-11.org.example:else"), null, null);
        refused(LoginStatus.AUTHORIZATION_FAILURE, () -> first(OPERATIONAL, FULL));
        negotiation = null;
        access = new AccessRules(Set.of(INITIATOR), null, null);
        assertThat(first(OPERATIONAL, FULL).complete()).isTrue();
    }

    // ---- CHAP ----------------------------------------------------------------------------------

    private void askForChap(@Nullable Credentials mutual) {
        access = new AccessRules(Set.of(), new Credentials("alice", SECRET), mutual);
    }

    private Map<String, String> challenge(String algorithm) throws LoginRefusedException {
        assertThat(first(SECURITY, OPERATIONAL, "AuthMethod", "None,CHAP").keys())
                .containsEntry("AuthMethod", "CHAP");
        return feed(SECURITY, 0, "CHAP_A", algorithm).keys();
    }

    private static String value(Map<String, String> keys, String key) {
        return java.util.Objects.requireNonNull(keys.get(key), key);
    }

    private static byte[] response(Map<String, String> challenge, byte[] secret) {
        ChapAlgorithm algorithm = ChapAlgorithm.of(value(challenge, "CHAP_A"));
        assertThat(algorithm).isNotNull();
        byte[] asked = Values.binary(value(challenge, "CHAP_C"), 1024);
        assertThat(asked).hasSize(algorithm.bytes());
        return algorithm.response(Integer.parseInt(value(challenge, "CHAP_I")), secret, asked);
    }

    @Test
    void everyAllowedAlgorithmAndBothEncodingsAuthenticate() throws LoginRefusedException {
        askForChap(null);
        algorithms = Set.of(ChapAlgorithm.values());
        for (ChapAlgorithm algorithm : ChapAlgorithm.values()) {
            negotiation = null;
            Map<String, String> challenge = challenge("99," + algorithm.number());
            assertThat(challenge).containsEntry("CHAP_A", "" + algorithm.number());
            byte[] right = response(challenge, SECRET);
            String value =
                    algorithm == ChapAlgorithm.SHA1
                            ? "0b" + Base64.getEncoder().encodeToString(right)
                            : Values.hex(right);
            LoginNegotiation.Step step =
                    feed(SECURITY, OPERATIONAL, "CHAP_N", "alice", "CHAP_R", value);
            assertThat(step.stage().transit()).isTrue();
            assertThat(feed(OPERATIONAL, FULL).complete()).isTrue();
        }
    }

    @Test
    void weakAlgorithmsAreOffByDefault() {
        askForChap(null);
        refused(LoginStatus.AUTHENTICATION_FAILURE, () -> challenge("5,6"));
    }

    @Test
    void wrongSecretUserOrValueIsRefused() {
        askForChap(null);
        Map<String, byte[]> wrong = new LinkedHashMap<>();
        wrong.put("alice", OTHER);
        wrong.put("bob", SECRET);
        wrong.forEach((user, secret) -> {
            negotiation = null;
            refused(
                    LoginStatus.AUTHENTICATION_FAILURE,
                    () -> {
                        String value = Values.hex(response(challenge("8"), secret));
                        feed(SECURITY, OPERATIONAL, "CHAP_N", user, "CHAP_R", value);
                    });
        });
        negotiation = null;
        refused(
                LoginStatus.AUTHENTICATION_FAILURE,
                () -> {
                    challenge("8");
                    feed(SECURITY, OPERATIONAL, "CHAP_N", "alice", "CHAP_R", "nonsense");
                });
    }

    @Test
    void authenticationCannotBeSkipped() throws LoginRefusedException {
        askForChap(null);
        refused(LoginStatus.AUTHENTICATION_FAILURE, () -> first(OPERATIONAL, FULL));
        negotiation = null;
        refused(
                LoginStatus.AUTHENTICATION_FAILURE,
                () -> first(SECURITY, OPERATIONAL, "AuthMethod", "None"));
        negotiation = null;
        LoginNegotiation.Step step = first(SECURITY, OPERATIONAL);
        assertThat(step.stage().transit()).isFalse();
        assertThat(step.keys()).containsEntry("AuthMethod", "CHAP");
        assertThat(feed(SECURITY, FULL).stage().transit()).isFalse();
        negotiation = null;
        assertThat(first(SECURITY, FULL, "AuthMethod", "CHAP").stage().transit()).isFalse();
        refused(LoginStatus.INITIATOR_ERROR, () -> feed(OPERATIONAL, FULL));
    }

    @Test
    void theTargetProvesItselfToo() throws LoginRefusedException {
        askForChap(new Credentials("target", OTHER));
        Map<String, String> challenge = challenge("7");
        byte[] mine = bytes("0123456789abcdef0123456789abcdef");
        Map<String, String> proof =
                feed(
                                SECURITY,
                                OPERATIONAL,
                                "CHAP_N",
                                "alice",
                                "CHAP_R",
                                Values.hex(response(challenge, SECRET)),
                                "CHAP_I",
                                "0x11",
                                "CHAP_C",
                                Values.hex(mine))
                        .keys();
        assertThat(proof).containsEntry("CHAP_N", "target");
        assertThat(Values.binary(value(proof, "CHAP_R"), 1024))
                .isEqualTo(ChapAlgorithm.SHA_256.response(0x11, OTHER, mine));
    }

    @Test
    void mutualChapWithoutASecretOrWithTheSameOneIsRefused() {
        for (Credentials mutual :
                new Credentials[] {null, new Credentials("target", SECRET.clone())}) {
            askForChap(mutual);
            negotiation = null;
            refused(
                    LoginStatus.AUTHENTICATION_FAILURE,
                    () ->
                            feed(
                                    SECURITY,
                                    OPERATIONAL,
                                    "CHAP_N",
                                    "alice",
                                    "CHAP_R",
                                    Values.hex(response(challenge("7"), SECRET)),
                                    "CHAP_I",
                                    "1",
                                    "CHAP_C",
                                    "0x01"));
        }
    }

    @Test
    void aSecretThatIsTheSameInBothDirectionsProvesNothing() {
        askForChap(new Credentials("target", SECRET.clone()));
        refused(
                LoginStatus.AUTHENTICATION_FAILURE,
                () ->
                        feed(
                                SECURITY,
                                OPERATIONAL,
                                "CHAP_N",
                                "alice",
                                "CHAP_R",
                                Values.hex(response(challenge("7"), SECRET))));
    }

    @Test
    void ourOwnChallengeSentBackIsRefused() {
        askForChap(new Credentials("target", OTHER));
        refused(
                LoginStatus.AUTHENTICATION_FAILURE,
                () -> {
                    Map<String, String> challenge = challenge("8");
                    feed(
                            SECURITY,
                            OPERATIONAL,
                            "CHAP_N",
                            "alice",
                            "CHAP_R",
                            Values.hex(response(challenge, SECRET)),
                            "CHAP_I",
                            value(challenge, "CHAP_I"),
                            "CHAP_C",
                            value(challenge, "CHAP_C"));
                });
    }

    @Test
    void discoveryTakesTheCredentialsOfAnyTarget() throws LoginRefusedException {
        askForChap(null);
        String[] who = {"InitiatorName", INITIATOR, "SessionType", "Discovery"};
        feed(SECURITY, 0, who[0], who[1], who[2], who[3], "AuthMethod", "CHAP");
        Map<String, String> challenge = feed(SECURITY, 0, "CHAP_A", "8").keys();
        String value = Values.hex(response(challenge, SECRET));
        assertThat(feed(SECURITY, FULL, "CHAP_N", "alice", "CHAP_R", value).complete()).isTrue();
        assertThat(negotiation().result().discovery()).isTrue();
        negotiation = null;
        assertThat(feed(OPERATIONAL, FULL, who).complete()).isTrue();
    }

    @Test
    void attemptsOfAnAddressThatFailedAreHeldBackOneAfterTheOther() throws Exception {
        long[] now = {Long.MAX_VALUE - 1_000_000_000L};
        LoginThrottle throttle = new LoginThrottle(() -> now[0]);
        java.net.InetAddress address = java.net.InetAddress.getByName("192.0.2.1");
        throttle.failed(address);
        throttle.failed(address);
        assertThat(throttle.admit(address)).isZero();
        throttle.failed(address);
        assertThat(throttle.admit(address)).isEqualTo(500);
        assertThat(throttle.admit(address)).isEqualTo(1_000);
        now[0] += 500_000_000L;
        throttle.failed(address);
        assertThat(throttle.admit(address)).isEqualTo(1_000);
        now[0] += 60_000_000_000L;
        assertThat(throttle.admit(address)).isZero();
        for (int i = 0; i < 10; i++) {
            throttle.failed(address);
        }
        assertThat(throttle.admit(address)).as("never longer").isEqualTo(4_000);
        assertThat(throttle.admit(address)).isEqualTo(8_000);
        assertThat(throttle.admit(address)).as("too many wait").isEqualTo(-1);
        throttle.succeeded(address);
        throttle.failed(address);
        assertThat(throttle.admit(address)).isZero();
        for (int i = 0; i < 5_000; i++) {
            throttle.failed(
                    java.net.InetAddress.getByAddress(
                            new byte[] {10, 0, (byte) (i >> 8), (byte) i}));
        }
    }
}
