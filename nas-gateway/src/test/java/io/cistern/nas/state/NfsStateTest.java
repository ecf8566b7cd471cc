package io.cistern.nas.state;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.cistern.block.fs.ByteString;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

/// What is recorded of a client, so that the next owner waits for it no more than it has to.
class NfsStateTest {
    private static final long SHARE = 7;
    private static final long CONNECTION = 1;
    private static final FileKey FILE = new FileKey(SHARE, 0, 9);

    private final AtomicLong nanos = new AtomicLong(1);
    private final NfsState state =
            new NfsState(1, StateLimits.DEFAULT, 1 << 20, nanos::get, new Ignored());
    private final Client client = client();

    private static final class Ignored implements NfsState.Listener {
        @Override
        public void released(FileKey file) {}

        @Override
        public void forgotten(ByteString owner, Set<Long> shares) {}

        @Override
        public void ended(Session session, Set<Long> shares) {}

        @Override
        public void graceOver(long share, Set<ByteString> absent) {}
    }

    private Client client() {
        Session session = session(state);
        state.reclaimComplete(session.client());
        return session.client();
    }

    /// A session of the client, which is new or has come with a share.
    private static Session session(NfsState at) {
        Principal principal = new Principal(1, 0, 0);
        NfsState.Exchanged id = at.exchange(ByteString.utf8("me"), 1, principal, false, "10.0.0.1");
        ChannelAttributes channel = new ChannelAttributes(4_096, 4_096, 1_024, 8, 4);
        Client.CreatedSession created =
                at.createSession(
                        new SessionRequest(
                                id.client(),
                                id.sequence(),
                                channel,
                                channel,
                                principal,
                                CONNECTION,
                                null,
                                false));
        Session session = at.findSession(created.id(), CONNECTION);
        assertThat(session).isNotNull();
        return session;
    }

    private void pass(int seconds) {
        nanos.addAndGet(TimeUnit.SECONDS.toNanos(seconds));
    }

    @Test
    void aKindIsRecordedOnceAndForgottenSomeTimeAfterTheLastOfIt() {
        KnownClient first = state.takeovers().toRecord(client, SHARE, Kinds.OPENS);
        assertThat(first).isNotNull();
        assertThat(first.kinds()).isEqualTo(Kinds.OPENS);
        StateId open = state.open(client, ByteString.utf8("o"), FILE, 3, 0);
        assertThat(state.takeovers().toRecord(client, SHARE, Kinds.OPENS)).isNull();
        KnownClient more = state.takeovers().toRecord(client, SHARE, Kinds.LOCKS);
        assertThat(more).isNotNull();
        assertThat(more.kinds()).isEqualTo(Kinds.OPENS | Kinds.LOCKS);
        assertThat(state.takeovers().toForget(client, SHARE)).as("too soon").isNull();
        pass(6);
        KnownClient without = state.takeovers().toForget(client, SHARE);
        assertThat(without).as("it has no locks").isNotNull();
        assertThat(without.kinds()).isEqualTo(Kinds.OPENS);
        pass(60);
        assertThat(state.takeovers().toForget(client, SHARE)).as("it has a file open").isNull();
        state.close(open, client, FILE);
        assertThat(state.takeovers().toForget(client, SHARE)).as("too soon").isNull();
        pass(6);
        KnownClient nothing = state.takeovers().toForget(client, SHARE);
        assertThat(nothing).isNotNull();
        assertThat(nothing.kinds()).isEqualTo(Kinds.NONE);
        assertThat(state.takeovers().toForget(client, SHARE)).isNull();
        assertThat(state.takeovers().toRecord(client, SHARE, Kinds.OPENS)).as("anew").isNotNull();
    }

    @Test
    void whatIsAboutToBeGivenIsNotForgotten() {
        state.takeovers().toRecord(client, SHARE, Kinds.OPENS);
        pass(60);
        assertThat(state.takeovers().toRecord(client, SHARE, Kinds.OPENS)).as("recorded").isNull();
        pass(4);
        assertThat(state.takeovers().toForget(client, SHARE)).isNull();
    }

    @Test
    void aClientThatHasYetToReclaimIsNotForgotten() {
        KnownClient known = state.takeovers().toRecord(client, SHARE, Kinds.OPENS | Kinds.LOCKS);
        assertThat(known).isNotNull();
        NfsState next = new NfsState(2, StateLimits.DEFAULT, 1 << 20, nanos::get, new Ignored());
        next.takeovers().shareOpened(SHARE, List.of(known));
        Client restored = next.takeovers().recordedIn(SHARE).getFirst();
        pass(20);
        assertThat(next.takeovers().unreclaimed(SHARE, Kinds.LOCKS)).isTrue();
        assertThat(next.takeovers().unreclaimed(SHARE, Kinds.DENIALS | Kinds.DELEGATIONS))
                .isFalse();
        assertThat(next.takeovers().toForget(restored, SHARE)).isNull();
        next.reclaimComplete(restored);
        assertThat(next.takeovers().unreclaimed(SHARE, Kinds.ALL)).isFalse();
        assertThat(next.takeovers().toForget(restored, SHARE)).isNotNull();
    }

    @Test
    void aSessionThatAClientLeftBehindAtTheTakeoverIsEndedAndInNobodysWay() {
        SessionId old = client.sessions.keySet().iterator().next();
        KnownClient known = state.takeovers().toRecord(client, SHARE, Kinds.NONE);
        assertThat(known).isNotNull();
        NfsState next = new NfsState(2, StateLimits.DEFAULT, 1 << 20, nanos::get, new Ignored());
        next.takeovers().shareOpened(SHARE, List.of(known));
        pass(1);
        assertThat(next.findSession(old, CONNECTION)).isNotNull();
        pass(1);
        Session made = session(next);
        assertThat(made.client().id()).isEqualTo(client.id());
        next.findSession(old, CONNECTION);
        next.destroySession(made.id(), CONNECTION, -1);
        assertThatThrownBy(() -> next.destroyClient(client.id()))
                .as("it uses the session from before")
                .hasFieldOrPropertyWithValue("status", Status4.CLIENTID_BUSY);
        pass(1);
        Session again = session(next);
        pass(20);
        next.findSession(again.id(), CONNECTION);
        next.sweep();
        assertThat(next.counts().sessions()).as("kept for a lease").isEqualTo(2);
        pass(20);
        next.findSession(again.id(), CONNECTION);
        next.sweep();
        assertThat(next.counts().sessions()).isEqualTo(1);
        assertThat(next.findSession(old, CONNECTION)).isNull();
    }

    @Test
    void aClientMayGoThatLeftItsOldSessionBehind() {
        KnownClient known = state.takeovers().toRecord(client, SHARE, Kinds.NONE);
        assertThat(known).isNotNull();
        NfsState next = new NfsState(2, StateLimits.DEFAULT, 1 << 20, nanos::get, new Ignored());
        next.takeovers().shareOpened(SHARE, List.of(known));
        pass(1);
        assertThatThrownBy(() -> next.destroyClient(client.id()))
                .hasFieldOrPropertyWithValue("status", Status4.CLIENTID_BUSY);
        Session made = session(next);
        next.destroySession(made.id(), CONNECTION, -1);
        next.destroyClient(client.id());
        assertThat(next.counts().sessions()).isZero();
        assertThat(next.counts().clients()).isZero();
    }

    @Test
    void aRecallDoesNotOvertakeTheReplyThatGaveTheDelegation() {
        state.open(client, ByteString.utf8("o"), FILE, 1, 0);
        assertThat(state.delegations().grant(client, FILE, ByteString.utf8("h"))).isNotNull();
        List<Delegations.Conflict> atOnce = state.delegations().conflicts(FILE, 0);
        assertThat(atOnce).hasSize(1);
        assertThat(atOnce.getFirst().first()).isTrue();
        assertThat(atOnce.getFirst().settleNanos()).isPositive();
        pass(1);
        assertThat(state.delegations().conflicts(FILE, 0).getFirst().settleNanos()).isZero();
    }
}
