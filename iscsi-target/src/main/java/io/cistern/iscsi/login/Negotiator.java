package io.cistern.iscsi.login;

import io.cistern.iscsi.pdu.Digests;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/// Answers the operational keys of a login (RFC 7143 6.2, section 13), each by its rule.
public final class Negotiator {
    static final String REJECT = "Reject";
    static final String NOT_UNDERSTOOD = "NotUnderstood";
    static final String IRRELEVANT = "Irrelevant";

    /// The level of RFC 7144: QUERY TASK and the other later task management functions.
    static final int PROTOCOL_LEVEL = 2;

    private static final int MAX_TIME_S = 3_600;

    /// RFC 7143 section 13, "Irrelevant when: SessionType=Discovery".
    private static final Set<String> NORMAL_ONLY =
            Set.of(
                    "MaxConnections",
                    "InitialR2T",
                    "ImmediateData",
                    "MaxBurstLength",
                    "FirstBurstLength",
                    "MaxOutstandingR2T",
                    "DataPDUInOrder",
                    "DataSequenceInOrder",
                    "TaskReporting",
                    "iSCSIProtocolLevel");

    private final Offer offer;
    private final boolean discovery;
    private final Map<String, Function<String, @Nullable String>> rules = new HashMap<>();
    private final Set<String> seen = new HashSet<>();

    private boolean headerDigest;
    private boolean dataDigest;
    private int maxSendSegment = Parameters.DEFAULT_SEGMENT;
    private boolean initialR2T = true;
    private boolean immediateData = true;
    private int maxBurst = Parameters.DEFAULT_MAX_BURST;
    private int firstBurst = Parameters.DEFAULT_FIRST_BURST;
    private int maxOutstandingR2T = 1;
    private int time2Wait = 2;
    private int time2Retain;
    private int protocolLevel = 1;

    public Negotiator(Offer offer, boolean discovery) {
        this.offer = offer;
        this.discovery = discovery;
        lists();
        numbers();
        booleans();
        rules.put("InitiatorAlias", value -> null);
        rules.put("NodeArchitecture", value -> null);
        // RFC 7143 13.25: known, gone, and to be answered in just these ways.
        rules.put("IFMarker", value -> "No");
        rules.put("OFMarker", value -> "No");
        rules.put("IFMarkInt", value -> REJECT);
        rules.put("OFMarkInt", value -> REJECT);
        // For the full feature phase, or for targets alone to send.
        rules.put("SendTargets", value -> REJECT);
        rules.put("TargetAddress", value -> REJECT);
        rules.put("TargetAlias", value -> REJECT);
        rules.put("TargetPortalGroupTag", value -> REJECT);
    }

    private void lists() {
        rules.put("HeaderDigest", v -> digest(v, offer.headerDigest(), b -> headerDigest = b));
        rules.put("DataDigest", v -> digest(v, offer.dataDigest(), b -> dataDigest = b));
        rules.put("TaskReporting", v -> Values.list(v).contains("RFC3720") ? "RFC3720" : REJECT);
    }

    private void numbers() {
        rules.put(
                "MaxRecvDataSegmentLength",
                value -> {
                    maxSendSegment = segment(value);
                    return null;
                });
        rules.put("MaxConnections", v -> min(v, 1, 0xffff, 1, n -> {}));
        rules.put("MaxBurstLength", v -> length(v, offer.maxBurst(), n -> maxBurst = n));
        rules.put(
                "FirstBurstLength",
                v -> length(v, Math.min(offer.firstBurst(), maxBurst), n -> firstBurst = n));
        rules.put(
                "MaxOutstandingR2T",
                v -> min(v, 1, 0xffff, offer.maxOutstandingR2T(), n -> maxOutstandingR2T = n));
        rules.put(
                "DefaultTime2Wait",
                value -> {
                    // The larger one counts, and ours is 0.
                    time2Wait = (int) Values.number(value, 0, MAX_TIME_S);
                    return Integer.toString(time2Wait);
                });
        rules.put("DefaultTime2Retain", v -> min(v, 0, MAX_TIME_S, 0, n -> time2Retain = n));
        rules.put("ErrorRecoveryLevel", v -> min(v, 0, 2, 0, n -> {}));
        rules.put("iSCSIProtocolLevel", v -> min(v, 0, 31, PROTOCOL_LEVEL, n -> protocolLevel = n));
    }

    private void booleans() {
        rules.put("InitialR2T", v -> yesNo(initialR2T = Values.yesNo(v) | offer.initialR2T()));
        rules.put(
                "ImmediateData",
                v -> yesNo(immediateData = Values.yesNo(v) & offer.immediateData()));
        // OR with our Yes.
        rules.put("DataPDUInOrder", v -> yesNo(Values.yesNo(v) | true));
        rules.put("DataSequenceInOrder", v -> yesNo(Values.yesNo(v) | true));
    }

    /// Answers the keys of one text. Keys that login itself knows must have been taken out.
    ///
    /// @return the answers; a key without one (a declaration) is missing
    /// @throws LoginRefusedException a key that was negotiated before
    public Map<String, String> answer(Map<String, String> keys) throws LoginRefusedException {
        Map<String, String> answers = new java.util.LinkedHashMap<>();
        for (Map.Entry<String, String> entry : keys.entrySet()) {
            if (!entry.getKey().equals("FirstBurstLength")) {
                put(answers, entry.getKey(), entry.getValue());
            }
        }
        // It must not exceed MaxBurstLength, which may come after it.
        String first = keys.get("FirstBurstLength");
        if (first != null) {
            put(answers, "FirstBurstLength", first);
        }
        return answers;
    }

    private void put(Map<String, String> answers, String key, String value)
            throws LoginRefusedException {
        String answer = answer(key, value);
        if (answer != null) {
            answers.put(key, answer);
        }
    }

    private @Nullable String answer(String key, String value) throws LoginRefusedException {
        if (!seen.add(key)) {
            throw new LoginRefusedException(
                    LoginStatus.INITIATOR_ERROR, key + " was negotiated already");
        }
        Function<String, @Nullable String> rule = rules.get(key);
        if (rule == null) {
            return isConstant(value) ? null : NOT_UNDERSTOOD;
        }
        if (isConstant(value)) {
            // An answer to a question that was not asked.
            throw new LoginRefusedException(
                    LoginStatus.INITIATOR_ERROR, key + "=" + value + " answers no offer");
        }
        if (discovery && NORMAL_ONLY.contains(key)) {
            return IRRELEVANT;
        }
        try {
            return rule.apply(value);
        } catch (IllegalArgumentException e) {
            return REJECT;
        }
    }

    private static boolean isConstant(String value) {
        return value.equals(REJECT) || value.equals(NOT_UNDERSTOOD) || value.equals(IRRELEVANT);
    }

    /// A declaration of MaxRecvDataSegmentLength, in bytes.
    ///
    /// @throws IllegalArgumentException out of range
    public static int segment(String value) {
        return (int) Values.number(value, Parameters.MIN_LENGTH, Parameters.MAX_LENGTH);
    }

    private static String digest(
            String value, boolean allowed, java.util.function.Consumer<Boolean> result) {
        List<String> wanted = Values.list(value);
        for (String one : wanted) {
            if (one.equals("None") || one.equals("CRC32C") && allowed) {
                result.accept(one.equals("CRC32C"));
                return one;
            }
        }
        return REJECT;
    }

    private static String length(String value, int ours, IntConsumer result) {
        return min(value, Parameters.MIN_LENGTH, Parameters.MAX_LENGTH, ours, result);
    }

    private static String min(String value, int from, int to, int ours, IntConsumer result) {
        int agreed = Math.min((int) Values.number(value, from, to), ours);
        result.accept(agreed);
        return Integer.toString(agreed);
    }

    private static String yesNo(boolean value) {
        return value ? "Yes" : "No";
    }

    /// Whether the key is one that login negotiates or declares.
    public boolean knows(String key) {
        return rules.containsKey(key);
    }

    /// What was settled, with the defaults of the RFC for what was not.
    public Parameters parameters() {
        return new Parameters(
                new Digests(headerDigest, dataDigest),
                maxSendSegment,
                offer.maxRecvSegment(),
                initialR2T,
                immediateData,
                Math.min(firstBurst, maxBurst),
                maxBurst,
                maxOutstandingR2T,
                time2Wait,
                time2Retain,
                protocolLevel);
    }
}
