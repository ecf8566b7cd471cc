package io.cistern.iscsi.login;

import io.cistern.iscsi.TargetCatalog.AccessRules;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// The security negotiation stage (RFC 7143 6.3.2, 12.1): AuthMethod, then CHAP where it is chosen.
///
/// A target that has CHAP credentials asks for CHAP. Discovery takes None, or CHAP if nothing else
/// is offered, with the credentials of any target that the initiator may use.
final class Authentication {
    private static final String CHAP = "CHAP";
    private static final String NONE = "None";

    private final List<AccessRules> candidates;
    private final Set<ChapAlgorithm> algorithms;

    /// False where at least one candidate asks for nothing, or there is none.
    private final boolean required;

    private boolean chosen;
    private boolean asked;
    private @Nullable Chap chap;

    Authentication(List<AccessRules> rules, Set<ChapAlgorithm> algorithms) {
        this(rules, algorithms, rules.size() == 1 && rules.getFirst().chap() != null);
    }

    private Authentication(
            List<AccessRules> rules, Set<ChapAlgorithm> algorithms, boolean required) {
        this.candidates = rules.stream().filter(one -> one.chap() != null).toList();
        this.algorithms = algorithms;
        this.required = required;
    }

    static Authentication forDiscovery(List<AccessRules> rules, Set<ChapAlgorithm> algorithms) {
        return new Authentication(rules, algorithms, false);
    }

    /// Takes AuthMethod and the CHAP keys out of `keys`.
    Map<String, String> step(Map<String, String> keys) throws LoginRefusedException {
        String methods = keys.remove("AuthMethod");
        if (methods != null) {
            if (chosen) {
                throw new LoginRefusedException(
                        LoginStatus.INITIATOR_ERROR, "AuthMethod was negotiated already");
            }
            Map<String, String> answer = choose(Values.list(methods));
            refuseOutside(keys);
            return answer;
        }
        if (chap != null) {
            if (chap.done() && keys.keySet().stream().noneMatch(k -> k.startsWith("CHAP_"))) {
                return Map.of();
            }
            return chap.step(keys);
        }
        refuseOutside(keys);
        if (required && !chosen && !asked) {
            // An initiator that has not said what it can do is told what is wanted.
            asked = true;
            return Map.of("AuthMethod", CHAP);
        }
        return Map.of();
    }

    private Map<String, String> choose(List<String> methods) throws LoginRefusedException {
        String method = pick(methods);
        chosen = true;
        if (method.equals(CHAP)) {
            chap = new Chap(candidates, algorithms);
        }
        // An answer to our own offer is not answered again.
        return asked ? Map.of() : Map.of("AuthMethod", method);
    }

    private String pick(List<String> methods) throws LoginRefusedException {
        if (!required && methods.contains(NONE)) {
            return NONE;
        }
        if (methods.contains(CHAP) && !candidates.isEmpty()) {
            return CHAP;
        }
        throw new LoginRefusedException(
                LoginStatus.AUTHENTICATION_FAILURE,
                required
                        ? "the target asks for CHAP, and the initiator does not offer it"
                        : "the initiator insists on authentication, and the target has none");
    }

    /// Whether the initiator may go on to the next stage.
    boolean mayLeave() {
        return chap == null ? !required : chap.done();
    }

    /// @throws LoginRefusedException where the operational stage was entered without authentication
    void requireDone() throws LoginRefusedException {
        if (!mayLeave()) {
            throw new LoginRefusedException(
                    LoginStatus.AUTHENTICATION_FAILURE,
                    "the target asks for CHAP, and the login skips it");
        }
    }

    static void refuseOutside(Map<String, String> keys) throws LoginRefusedException {
        for (String key : keys.keySet()) {
            if (key.startsWith("CHAP_") || key.equals("AuthMethod")) {
                throw new LoginRefusedException(
                        LoginStatus.INITIATOR_ERROR, key + " is out of place here");
            }
        }
    }
}
