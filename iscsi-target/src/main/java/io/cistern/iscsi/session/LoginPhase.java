package io.cistern.iscsi.session;

import io.cistern.iscsi.login.LoginIdentity;
import io.cistern.iscsi.login.LoginNegotiation;
import io.cistern.iscsi.login.LoginRefusedException;
import io.cistern.iscsi.login.LoginResult;
import io.cistern.iscsi.login.LoginStatus;
import io.cistern.iscsi.login.TextKeys;
import io.cistern.iscsi.pdu.LoginRequest;
import io.cistern.iscsi.pdu.LoginResponse;
import io.cistern.iscsi.pdu.LoginStage;
import io.cistern.iscsi.pdu.Malformed;
import io.cistern.iscsi.pdu.Pdu;
import io.cistern.iscsi.pdu.TargetNumbers;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A connection that has not logged in.
final class LoginPhase implements Phase {
    private static final Logger LOG = LoggerFactory.getLogger(LoginPhase.class);

    private final Connection connection;
    private final Shared shared;
    private final LoginNegotiation negotiation;
    private long deadline;
    private boolean begun;

    /// The first request, while it is held back.
    private @Nullable LoginRequest held;

    LoginPhase(Connection connection, Shared shared) {
        this.connection = connection;
        this.shared = shared;
        this.negotiation = new LoginNegotiation(shared.loginEnvironment());
        this.deadline = System.nanoTime() + shared.config().timeouts().login().toNanos();
    }

    @Override
    public void received(Pdu pdu) {
        if (!(pdu instanceof LoginRequest request)) {
            pdu.release();
            outOfPlace();
            return;
        }
        if (held != null) {
            request.release();
            connection.close("a login request before the one before was answered");
        } else if (begun) {
            answer(request);
        } else {
            begin(request);
        }
    }

    /// The first request: attempts of an address that has failed to authenticate are held back.
    private void begin(LoginRequest request) {
        begun = true;
        // The login's number is the first command's too: a login request is immediate.
        connection.out().window(new CommandWindow(request.cmdSn()));
        InetAddress address = address();
        long wait = address == null ? 0 : shared.throttle().admit(address);
        if (wait == 0) {
            answer(request);
        } else if (wait < 0) {
            refuse(
                    request,
                    new LoginRefusedException(
                            LoginStatus.SERVICE_UNAVAILABLE, "too many failed logins from there"));
            request.release();
        } else {
            held = request;
            deadline += TimeUnit.MILLISECONDS.toNanos(wait);
            connection
                    .channel()
                    .eventLoop()
                    .schedule(this::answerHeld, wait, TimeUnit.MILLISECONDS);
        }
    }

    private void answerHeld() {
        LoginRequest request = held;
        held = null;
        if (request != null) {
            answer(request);
        }
    }

    private void answer(LoginRequest request) {
        try {
            login(request);
        } catch (LoginRefusedException e) {
            refuse(request, e);
        } catch (RuntimeException e) {
            LOG.error("{}: a login failed by a fault of ours", connection.peer(), e);
            refuse(request, new LoginRefusedException(LoginStatus.TARGET_ERROR, "internal error"));
        } finally {
            request.release();
        }
    }

    @Override
    public void malformed(Malformed malformed) {
        outOfPlace();
    }

    /// RFC 7143 6.3: nothing but login requests may be sent before the full feature phase.
    private void outOfPlace() {
        Malformed.Header header = connection.header();
        LoginResponse answer =
                new LoginResponse(
                        new LoginStage(false, false, 0, 0),
                        0,
                        0,
                        header.itt(),
                        connection.out().next(),
                        LoginStatus.INVALID_DURING_LOGIN.code(),
                        Unpooled.EMPTY_BUFFER);
        connection.out().send(answer);
        connection.closeAfterFlush("opcode " + header.opcode() + " before login");
    }

    private void login(LoginRequest request) throws LoginRefusedException {
        LoginNegotiation.Step step = negotiation.feed(request);
        int tsih = request.tsih();
        Session session = null;
        if (step.complete()) {
            session = begin(negotiation.result());
            tsih = session.tsih();
        }
        ByteBuf text = TextKeys.format(step.keys(), connection.channel().alloc());
        connection
                .out()
                .send(
                        new LoginResponse(
                                step.stage(),
                                request.isid(),
                                tsih,
                                request.itt(),
                                connection.out().next(),
                                LoginStatus.SUCCESS.code(),
                                text));
        if (session != null) {
            session.start();
        }
    }

    private Session begin(LoginResult login) throws LoginRefusedException {
        InetAddress address = address();
        if (address != null && login.access() != null && login.access().chap() != null) {
            shared.throttle().succeeded(address);
        }
        Session session = Session.open(connection, login);
        shared.metrics().logins.increment();
        LOG.info(
                "{} ({}) has logged in to {}",
                login.initiatorName(),
                connection.peer(),
                login.discovery() ? "discovery" : login.targetName());
        return session;
    }

    private void refuse(LoginRequest request, LoginRefusedException refusal) {
        shared.metrics().failedLogins.increment();
        if (refusal.status() == LoginStatus.AUTHENTICATION_FAILURE) {
            shared.metrics().failedAuthentications.increment();
            InetAddress address = address();
            if (address != null) {
                shared.throttle().failed(address);
            }
        }
        LoginIdentity who = negotiation.identity();
        LOG.warn(
                "refused the login of {} from {}: {} ({})",
                who == null ? "an initiator" : who.initiatorName(),
                connection.peer(),
                refusal.getMessage(),
                refusal.status());
        TargetNumbers numbers = connection.out().next();
        connection
                .out()
                .send(
                        new LoginResponse(
                                new LoginStage(false, false, request.stage().current() & 1, 0),
                                request.isid(),
                                request.tsih(),
                                request.itt(),
                                numbers,
                                refusal.status().code(),
                                Unpooled.EMPTY_BUFFER));
        connection.closeAfterFlush("the login was refused");
    }

    private @Nullable InetAddress address() {
        return connection.channel().remoteAddress() instanceof InetSocketAddress socket
                ? socket.getAddress()
                : null;
    }

    @Override
    public void tick(long nowNanos) {
        if (nowNanos - deadline > 0) {
            shared.metrics().timeouts.increment();
            connection.close("no login in " + shared.config().timeouts().login());
        }
    }

    @Override
    public void shutdown(String reason) {
        connection.close(reason);
    }

    @Override
    public void closed() {
        if (held != null) {
            held.release();
            held = null;
        }
    }
}
