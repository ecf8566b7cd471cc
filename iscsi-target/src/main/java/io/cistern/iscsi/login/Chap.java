package io.cistern.iscsi.login;

import io.cistern.iscsi.TargetCatalog.AccessRules;
import io.cistern.iscsi.TargetCatalog.Credentials;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// The target's side of CHAP and mutual CHAP (RFC 7143 12.1.3, RFC 1994).
///
/// ```
/// ALGORITHM --CHAP_A--> RESPONSE --CHAP_N, CHAP_R [, CHAP_I, CHAP_C]--> DONE
///     any --anything else, wrong response--> a LoginRefusedException: the login is over
/// ```
final class Chap {
    /// RFC 7143 12.1.3: the longest challenge and response.
    static final int MAX_BYTES = 1_024;

    private static final SecureRandom RANDOM = new SecureRandom();
    private static final byte[] NOBODY = new byte[16];

    private enum State {
        ALGORITHM,
        RESPONSE,
        DONE
    }

    private final List<AccessRules> candidates;
    private final Set<ChapAlgorithm> allowed;
    private State state = State.ALGORITHM;
    private ChapAlgorithm algorithm = ChapAlgorithm.SHA3_256;
    private int id;
    private byte[] challenge = {};

    /// @param candidates rules with CHAP credentials, any of which the initiator may prove to know
    Chap(List<AccessRules> candidates, Set<ChapAlgorithm> allowed) {
        this.candidates = candidates;
        this.allowed = allowed;
    }

    boolean done() {
        return state == State.DONE;
    }

    /// Takes the CHAP keys out of `keys`.
    ///
    /// @return what to answer
    Map<String, String> step(Map<String, String> keys) throws LoginRefusedException {
        try {
            return switch (state) {
                case ALGORITHM -> algorithm(keys);
                case RESPONSE -> response(keys);
                case DONE -> throw refuse("CHAP keys after authentication");
            };
        } catch (IllegalArgumentException e) {
            // The values are not shown: one of them may be a secret by mistake.
            throw refuse("a CHAP value cannot be read");
        }
    }

    private Map<String, String> algorithm(Map<String, String> keys) throws LoginRefusedException {
        String offered = keys.remove("CHAP_A");
        if (offered == null) {
            throw refuse("CHAP_A is missing");
        }
        algorithm = choose(offered);
        byte[] random = new byte[1 + algorithm.bytes()];
        RANDOM.nextBytes(random);
        id = random[0] & 0xff;
        challenge = java.util.Arrays.copyOfRange(random, 1, random.length);
        state = State.RESPONSE;
        Map<String, String> answer = new LinkedHashMap<>();
        answer.put("CHAP_A", Integer.toString(algorithm.number()));
        answer.put("CHAP_I", Integer.toString(id));
        answer.put("CHAP_C", Values.hex(challenge));
        return answer;
    }

    private ChapAlgorithm choose(String offered) throws LoginRefusedException {
        for (String number : Values.list(offered)) {
            ChapAlgorithm one = ChapAlgorithm.of(number);
            if (one != null && allowed.contains(one)) {
                return one;
            }
        }
        throw refuse(
                "it offers the CHAP algorithms "
                        + Values.shorten(offered)
                        + ", of which none is allowed here: "
                        + allowed);
    }

    private Map<String, String> response(Map<String, String> keys) throws LoginRefusedException {
        String user = keys.remove("CHAP_N");
        String given = keys.remove("CHAP_R");
        if (user == null || given == null) {
            throw refuse("CHAP_N or CHAP_R is missing");
        }
        AccessRules proven = verify(user, Values.binary(given, MAX_BYTES));
        if (proven == null) {
            throw refuse("the CHAP response of user '" + Values.shorten(user) + "' is wrong");
        }
        if (sameBothWays(proven)) {
            throw refuse("the secrets of both directions are the same: change one of them");
        }
        Map<String, String> answer = mutual(keys, proven);
        state = State.DONE;
        return answer;
    }

    private @Nullable AccessRules verify(String user, byte[] given) {
        AccessRules proven = null;
        boolean known = false;
        for (AccessRules rules : candidates) {
            Credentials chap = rules.chap();
            if (chap != null && chap.user().equals(user)) {
                known = true;
                byte[] right = algorithm.response(id, chap.secret(), challenge);
                proven = MessageDigest.isEqual(right, given) ? rules : proven;
            }
        }
        if (!known) {
            // As long as for a user that exists.
            byte[] unused = algorithm.response(id, NOBODY, challenge);
            return MessageDigest.isEqual(unused, challenge) ? null : proven;
        }
        return proven;
    }

    /// RFC 7143 12.1.3: a response that the target itself would have given proves nothing, whether
    /// the target is asked to prove itself or not.
    private static boolean sameBothWays(AccessRules rules) {
        Credentials chap = rules.chap();
        Credentials mutual = rules.mutual();
        return chap != null
                && mutual != null
                && MessageDigest.isEqual(mutual.secret(), chap.secret());
    }

    /// Proves the target to the initiator, if that was asked for.
    private Map<String, String> mutual(Map<String, String> keys, AccessRules proven)
            throws LoginRefusedException {
        String theirId = keys.remove("CHAP_I");
        String theirChallenge = keys.remove("CHAP_C");
        if (theirId == null && theirChallenge == null) {
            return Map.of();
        }
        if (theirId == null || theirChallenge == null) {
            throw refuse("one of CHAP_I and CHAP_C is missing");
        }
        Credentials mutual = proven.mutual();
        if (mutual == null) {
            throw refuse("mutual CHAP is asked for, and the target has no secret for it");
        }
        int number = (int) Values.number(theirId, 0, 0xff);
        byte[] asked = Values.binary(theirChallenge, MAX_BYTES);
        if (MessageDigest.isEqual(asked, challenge)) {
            throw refuse("it sent our own challenge back");
        }
        Map<String, String> answer = new LinkedHashMap<>();
        answer.put("CHAP_N", mutual.user());
        answer.put("CHAP_R", Values.hex(algorithm.response(number, mutual.secret(), asked)));
        return answer;
    }

    private static LoginRefusedException refuse(String why) {
        return new LoginRefusedException(LoginStatus.AUTHENTICATION_FAILURE, why);
    }
}
