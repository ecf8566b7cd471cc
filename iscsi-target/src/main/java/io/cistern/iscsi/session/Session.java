package io.cistern.iscsi.session;

import io.cistern.iscsi.TargetCatalog.AccessRules;
import io.cistern.iscsi.TargetCatalog.Credentials;
import io.cistern.iscsi.TargetCatalog.TargetEntry;
import io.cistern.iscsi.login.LoginIdentity;
import io.cistern.iscsi.login.LoginRefusedException;
import io.cistern.iscsi.login.LoginResult;
import io.cistern.iscsi.login.LoginStatus;
import io.cistern.iscsi.scsi.Nexus;
import io.cistern.iscsi.scsi.NexusId;
import io.cistern.iscsi.scsi.ScsiCommand;
import io.cistern.iscsi.scsi.ScsiTarget;
import java.security.MessageDigest;
import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// A session: who logged in, its connection, and its I_T nexus where it is a normal one.
final class Session {
    private final Connection connection;
    private final LoginResult login;
    private final SessionStats stats = new SessionStats();
    private final Instant since = Instant.now();
    private int tsih;
    private @Nullable FullFeature phase;

    /// Why the session is to end that has not begun.
    private @Nullable String endedEarly;

    private Session(Connection connection, LoginResult login) {
        this.connection = connection;
        this.login = login;
    }

    /// Registers the session, ends the one that it reinstates, and begins its nexus.
    static Session open(Connection connection, LoginResult login) throws LoginRefusedException {
        Shared shared = connection.shared();
        Session session = new Session(connection, login);
        ScsiTarget target = null;
        if (!login.discovery()) {
            target = shared.catalog().open(login.targetName());
            if (target == null) {
                throw new LoginRefusedException(
                        LoginStatus.TARGET_REMOVED, login.targetName() + " was unexported");
            }
        }
        SessionRegistry.Registered registered = shared.registry().add(session);
        session.tsih = registered.tsih();
        if (registered.reinstated() != null) {
            registered.reinstated().end("the initiator has logged in again", false);
        }
        try {
            session.phase = session.phase(target);
            return session;
        } catch (RuntimeException e) {
            shared.registry().remove(session);
            throw e;
        }
    }

    private FullFeature phase(@Nullable ScsiTarget target) {
        if (target == null) {
            return new FullFeature(connection, this, null);
        }
        NexusId id =
                new NexusId(
                        login.initiatorName(),
                        login.isid(),
                        connection.shared().config().portalGroup());
        Events events = new Events();
        Nexus nexus = target.open(id, events);
        TaskSet tasks = new TaskSet(connection, this, nexus, target.maxTransferBytes());
        events.tasks = tasks;
        return new FullFeature(connection, this, tasks);
    }

    /// The last login response has been sent.
    void start() {
        connection.enter(
                java.util.Objects.requireNonNull(phase),
                login.parameters().digests(),
                login.parameters().maxRecvSegment());
        if (endedEarly != null) {
            end(endedEarly, false);
        } else {
            // The rules may have changed since they were looked at, before the session was listed.
            checkAccess();
        }
    }

    /// Any thread: ends the session.
    ///
    /// @param politely asks the initiator to log out first, if its time allows
    void end(String reason, boolean politely) {
        connection.execute(() -> {
            if (connection.isClosed()) {
                return;
            }
            if (phase == null) {
                endedEarly = reason;
            } else if (politely) {
                phase.shutdown(reason);
            } else {
                phase.drop(reason);
            }
        });
    }

    /// Any thread: ends the session if the target is gone or lets the initiator in no longer.
    void checkAccess() {
        AccessRules then = login.access();
        if (then == null) {
            return;
        }
        TargetEntry entry = connection.shared().catalog().find(login.targetName());
        if (entry == null) {
            end(login.targetName() + " is not exported any more", false);
        } else if (!LoginIdentity.mayUse(entry, login.initiatorName())) {
            end("its access to " + login.targetName() + " was taken away", false);
        } else if (!same(then.chap(), entry.access().chap())
                || !same(then.mutual(), entry.access().mutual())) {
            end("the credentials of " + login.targetName() + " have changed", true);
        }
    }

    private static boolean same(@Nullable Credentials a, @Nullable Credentials b) {
        if (a == null || b == null) {
            return a == b;
        }
        return a.user().equals(b.user()) && MessageDigest.isEqual(a.secret(), b.secret());
    }

    LoginResult login() {
        return login;
    }

    int tsih() {
        return tsih;
    }

    SessionStats stats() {
        return stats;
    }

    Connection connection() {
        return connection;
    }

    SessionInfo info() {
        return new SessionInfo(
                login.initiatorName(),
                login.initiatorAlias(),
                login.isid(),
                tsih,
                address(connection.channel().remoteAddress()),
                address(connection.channel().localAddress()),
                login.targetName(),
                login.parameters(),
                since,
                stats.snapshot());
    }

    private static String address(java.net.@Nullable SocketAddress address) {
        return address instanceof java.net.InetSocketAddress socket
                ? socket.getAddress().getHostAddress() + ":" + socket.getPort()
                : String.valueOf(address);
    }

    /// What the device server starts by itself, brought to the event loop.
    private final class Events implements ScsiTarget.NexusEvents {
        private volatile @Nullable TaskSet tasks;

        @Override
        public void aborted(List<ScsiCommand> commands) {
            connection.execute(() -> {
                if (tasks != null) {
                    tasks.aborted(commands);
                }
            });
        }

        @Override
        public void closed(String reason) {
            end(reason, false);
        }
    }
}
