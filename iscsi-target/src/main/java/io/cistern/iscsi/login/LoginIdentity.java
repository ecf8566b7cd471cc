package io.cistern.iscsi.login;

import io.cistern.iscsi.TargetCatalog.AccessRules;
import io.cistern.iscsi.TargetCatalog.TargetEntry;
import io.cistern.iscsi.pdu.LoginRequest;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Who an initiator says it is and what it wants to use, from the first text of a login (RFC 7143
/// 6.3, 13.2 to 13.4, 13.21), checked against the access rules.
///
/// @param targetName empty for discovery
/// @param access null for discovery
/// @param candidates the rules whose CHAP credentials count: the target's, or for discovery those
///   of every target that the initiator's name may use
public record LoginIdentity(
        String initiatorName,
        String initiatorAlias,
        String targetName,
        @Nullable AccessRules access,
        List<AccessRules> candidates) {
    public boolean discovery() {
        return targetName.isEmpty();
    }

    /// Takes the keys that say who and what out of `keys`.
    static LoginIdentity take(
            LoginEnvironment environment, LoginRequest request, Map<String, String> keys)
            throws LoginRefusedException {
        String initiator =
                name("InitiatorName", keys.remove("InitiatorName"), LoginStatus.INITIATOR_ERROR);
        String alias = keys.getOrDefault("InitiatorAlias", "");
        String type = keys.remove("SessionType");
        String wanted = keys.remove("TargetName");
        if (type != null && !type.equals("Normal") && !type.equals("Discovery")) {
            throw new LoginRefusedException(
                    LoginStatus.SESSION_TYPE_NOT_SUPPORTED, "SessionType=" + Values.shorten(type));
        }
        if ("Discovery".equals(type)) {
            if (request.tsih() != 0) {
                throw new LoginRefusedException(
                        LoginStatus.NO_SUCH_SESSION, "a discovery login with TSIH");
            }
            List<AccessRules> all =
                    environment.catalog().targets().stream()
                            .filter(entry -> mayUse(entry, initiator))
                            .map(TargetEntry::access)
                            .toList();
            return new LoginIdentity(initiator, alias, "", null, all);
        }
        String target = name("TargetName", wanted, LoginStatus.NOT_FOUND);
        TargetEntry entry = environment.catalog().find(target);
        if (entry == null) {
            throw new LoginRefusedException(LoginStatus.NOT_FOUND, "there is no target " + target);
        }
        if (!mayUse(entry, initiator)) {
            throw new LoginRefusedException(
                    LoginStatus.AUTHORIZATION_FAILURE, "it may not use " + target);
        }
        checkSession(environment, request, initiator, target);
        return new LoginIdentity(initiator, alias, target, entry.access(), List.of(entry.access()));
    }

    /// RFC 7143 6.3.1: TSIH 0 begins (or reinstates) a session; another one would add a connection,
    /// and a session has only one.
    private static void checkSession(
            LoginEnvironment environment, LoginRequest request, String initiator, String target)
            throws LoginRefusedException {
        int tsih = request.tsih();
        if (tsih == 0) {
            return;
        }
        if (environment.sessions().exists(tsih, initiator, request.isid(), target)) {
            throw new LoginRefusedException(
                    LoginStatus.TOO_MANY_CONNECTIONS, "a second connection for a session");
        }
        throw new LoginRefusedException(
                LoginStatus.NO_SUCH_SESSION, "there is no session with TSIH " + tsih);
    }

    /// Whether an initiator of that name may log in, or see the target in discovery.
    public static boolean mayUse(TargetEntry entry, String initiator) {
        return entry.access().initiators().isEmpty()
                || entry.access().initiators().contains(initiator);
    }

    /// @param otherwise what a value is told that is no name
    private static String name(String key, @Nullable String value, LoginStatus otherwise)
            throws LoginRefusedException {
        if (value == null || value.isEmpty()) {
            throw new LoginRefusedException(LoginStatus.MISSING_PARAMETER, key + " is missing");
        }
        try {
            return IscsiName.normalise(value);
        } catch (IllegalArgumentException e) {
            throw new LoginRefusedException(otherwise, key + ": " + e.getMessage());
        }
    }

    /// RFC 7143 13.9 and 13.6: what the first answer of a normal session declares.
    void declare(LoginEnvironment environment, Map<String, String> answers) {
        if (!discovery()) {
            answers.put("TargetPortalGroupTag", Integer.toString(environment.portalGroup()));
            answers.put("TargetAlias", targetName.substring(targetName.lastIndexOf(':') + 1));
        }
    }

    /// These are declared once.
    static void refuseAgain(Map<String, String> keys) throws LoginRefusedException {
        for (String key : List.of("InitiatorName", "SessionType", "TargetName")) {
            if (keys.containsKey(key)) {
                throw new LoginRefusedException(
                        LoginStatus.INITIATOR_ERROR, key + " was declared already");
            }
        }
    }
}
