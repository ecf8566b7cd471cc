package io.cistern.iscsi.session;

import io.cistern.iscsi.login.LoginEnvironment;
import io.cistern.iscsi.login.LoginRefusedException;
import io.cistern.iscsi.login.LoginResult;
import io.cistern.iscsi.login.LoginStatus;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// The sessions of a portal group: gives out TSIHs and finds the session that a login reinstates
/// (RFC 7143 6.3.1, 6.3.5). Any thread.
final class SessionRegistry implements LoginEnvironment.Sessions {
    private static final int MAX_TSIH = 0xffff;

    private final int maxPerInitiator;

    // Guarded by this.
    private final Map<Integer, Session> byTsih = new HashMap<>();
    private int lastTsih;

    SessionRegistry(int maxPerInitiator) {
        this.maxPerInitiator = maxPerInitiator;
    }

    /// @param reinstated the session whose place it takes, to be ended by the caller
    record Registered(int tsih, @Nullable Session reinstated) {}

    /// Adds a session that has just logged in.
    synchronized Registered add(Session session) throws LoginRefusedException {
        LoginResult login = session.login();
        Session same = null;
        int others = 0;
        for (Session one : byTsih.values()) {
            if (one.login().initiatorName().equals(login.initiatorName())) {
                if (one.login().isid() == login.isid()
                        && one.login().targetName().equals(login.targetName())
                        && !login.discovery()) {
                    same = one;
                } else {
                    others++;
                }
            }
        }
        if (others >= maxPerInitiator) {
            throw new LoginRefusedException(
                    LoginStatus.OUT_OF_RESOURCES,
                    login.initiatorName() + " has " + others + " sessions already");
        }
        if (same != null) {
            byTsih.values().remove(same);
        }
        if (byTsih.size() >= MAX_TSIH) {
            throw new LoginRefusedException(LoginStatus.OUT_OF_RESOURCES, "too many sessions");
        }
        do {
            lastTsih = lastTsih % MAX_TSIH + 1;
        } while (byTsih.containsKey(lastTsih));
        byTsih.put(lastTsih, session);
        return new Registered(lastTsih, same);
    }

    synchronized void remove(Session session) {
        byTsih.values().remove(session);
    }

    @Override
    public synchronized boolean exists(
            int tsih, String initiatorName, long isid, String targetName) {
        Session session = byTsih.get(tsih);
        return session != null
                && session.login().initiatorName().equals(initiatorName)
                && session.login().isid() == isid
                && session.login().targetName().equals(targetName);
    }

    synchronized List<Session> all() {
        return new ArrayList<>(byTsih.values());
    }
}
