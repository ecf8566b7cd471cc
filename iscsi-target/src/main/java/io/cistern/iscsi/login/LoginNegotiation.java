package io.cistern.iscsi.login;

import io.cistern.iscsi.pdu.LoginRequest;
import io.cistern.iscsi.pdu.LoginStage;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// The login phase of one connection, from the target's side (RFC 7143 section 6.3).
///
/// ```
/// SECURITY --T, authenticated--> OPERATIONAL --T--> FULL_FEATURE
///     \-------------T, authenticated----------------------^
///     any --a broken rule--> a LoginRefusedException: answer with its status, then close
/// ```
///
/// A login may begin in OPERATIONAL where no authentication is asked for.
public final class LoginNegotiation {
    /// A login takes 2 to 6 exchanges; more than this many is no login.
    private static final int MAX_REQUESTS = 64;

    private final LoginEnvironment environment;
    private final ByteBuf text;
    private int requests;
    private int stage = -1;
    private @Nullable LoginRequest first;
    private @Nullable LoginIdentity identity;
    private @Nullable Authentication authentication;
    private @Nullable Negotiator negotiator;
    private boolean segmentDeclared;

    /// What to answer a request with.
    ///
    /// @param keys empty where the request's text goes on in another one
    /// @param complete the full feature phase begins after this answer
    public record Step(LoginStage stage, Map<String, String> keys, boolean complete) {}

    public LoginNegotiation(LoginEnvironment environment) {
        this.environment = environment;
        this.text = Unpooled.buffer(256, environment.maxTextBytes());
    }

    /// Takes the next request; its data stays the caller's.
    ///
    /// @throws LoginRefusedException the login has failed; nothing more may be fed
    public Step feed(LoginRequest request) throws LoginRefusedException {
        checkHeader(request);
        LoginStage asked = request.stage();
        ByteBuf data = request.data();
        if (text.readableBytes() + data.readableBytes() > environment.maxTextBytes()) {
            throw error("a text of more than " + environment.maxTextBytes() + " bytes");
        }
        text.writeBytes(data, data.readerIndex(), data.readableBytes());
        if (asked.more()) {
            return new Step(new LoginStage(false, false, stage, 0), new LinkedHashMap<>(), false);
        }
        Map<String, String> keys;
        try {
            keys = TextKeys.parse(text);
        } catch (IllegalArgumentException e) {
            throw error(String.valueOf(e.getMessage()));
        }
        text.clear();
        return answer(request, keys);
    }

    /// RFC 7143 11.12, 6.3.1.
    private void checkHeader(LoginRequest request) throws LoginRefusedException {
        if (++requests > MAX_REQUESTS) {
            throw error("more than " + MAX_REQUESTS + " login requests");
        }
        LoginStage asked = request.stage();
        if (first == null) {
            if (request.versionMin() > 0) {
                throw new LoginRefusedException(
                        LoginStatus.UNSUPPORTED_VERSION,
                        "it wants version " + request.versionMin() + " or later");
            }
            first = request;
            stage = asked.current();
            if (stage != LoginStage.SECURITY && stage != LoginStage.OPERATIONAL) {
                throw error("a login cannot begin in stage " + stage);
            }
        } else if (request.isid() != first.isid()
                || request.tsih() != first.tsih()
                || request.itt() != first.itt()
                || request.cid() != first.cid()) {
            throw error("ISID, TSIH, CID or task tag changed within the login");
        }
        if (asked.current() != stage) {
            throw error("the stage is " + stage + ", the request says " + asked.current());
        }
        if (asked.transit() && asked.more()) {
            throw error("a request with both T and C");
        }
        if (asked.transit() && (asked.next() == 2 || asked.next() <= stage)) {
            throw error("there is no way from stage " + stage + " to " + asked.next());
        }
    }

    private Step answer(LoginRequest request, Map<String, String> keys)
            throws LoginRefusedException {
        Map<String, String> answers = new LinkedHashMap<>();
        LoginIdentity who = identity;
        Negotiator operational = negotiator;
        if (who == null || operational == null) {
            who = LoginIdentity.take(environment, request, keys);
            who.declare(environment, answers);
            identity = who;
            operational = new Negotiator(environment.offer(), who.discovery());
            negotiator = operational;
            authentication =
                    who.discovery()
                            ? Authentication.forDiscovery(
                                    who.candidates(), environment.algorithms())
                            : new Authentication(who.candidates(), environment.algorithms());
        } else {
            LoginIdentity.refuseAgain(keys);
        }
        Authentication proof = java.util.Objects.requireNonNull(authentication);
        if (stage == LoginStage.SECURITY) {
            answers.putAll(proof.step(keys));
        } else {
            proof.requireDone();
            Authentication.refuseOutside(keys);
        }
        answers.putAll(operational.answer(keys));
        LoginStage asked = request.stage();
        boolean transit = asked.transit() && (stage != LoginStage.SECURITY || proof.mayLeave());
        if (stage == LoginStage.OPERATIONAL && !segmentDeclared) {
            segmentDeclared = true;
            answers.put(
                    "MaxRecvDataSegmentLength",
                    Integer.toString(environment.offer().maxRecvSegment()));
        }
        LoginStage answered = new LoginStage(transit, false, stage, transit ? asked.next() : 0);
        if (transit) {
            stage = asked.next();
        }
        return new Step(answered, answers, transit && stage == LoginStage.FULL_FEATURE);
    }

    /// Who logs in; null before the first complete text.
    public @Nullable LoginIdentity identity() {
        return identity;
    }

    /// After the step that was `complete`.
    public LoginResult result() {
        if (first == null
                || identity == null
                || negotiator == null
                || stage != LoginStage.FULL_FEATURE) {
            throw new IllegalStateException("the login is not complete");
        }
        return new LoginResult(
                identity.initiatorName(),
                identity.initiatorAlias(),
                first.isid(),
                first.cid(),
                identity.targetName(),
                identity.access(),
                negotiator.parameters());
    }

    private static LoginRefusedException error(String why) {
        return new LoginRefusedException(LoginStatus.INITIATOR_ERROR, why);
    }
}
