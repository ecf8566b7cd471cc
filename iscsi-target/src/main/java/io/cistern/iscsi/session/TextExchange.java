package io.cistern.iscsi.session;

import io.cistern.iscsi.TargetCatalog.PortalGroup;
import io.cistern.iscsi.TargetCatalog.TargetEntry;
import io.cistern.iscsi.login.IscsiName;
import io.cistern.iscsi.login.LoginIdentity;
import io.cistern.iscsi.login.LoginResult;
import io.cistern.iscsi.login.Negotiator;
import io.cistern.iscsi.login.TextKeys;
import io.cistern.iscsi.pdu.Pdu;
import io.cistern.iscsi.pdu.TextRequest;
import io.cistern.iscsi.pdu.TextResponse;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Text negotiation in the full feature phase: SendTargets and MaxRecvDataSegmentLength (RFC 7143
/// 6.4, 11.10, 11.11, appendix C). One at a time. Event loop only.
final class TextExchange {
    private final Connection connection;
    private final Session session;
    private final @Nullable TaskSet tasks;
    private final ByteBuf question;

    /// What is left to send of the answer.
    private ByteBuf answer = Unpooled.EMPTY_BUFFER;

    /// The tag of the exchange that is under way, NO_TAG for none.
    private int ttt = Pdu.NO_TAG;

    private int lastTtt;
    private int maxSendSegment;

    TextExchange(Connection connection, Session session, @Nullable TaskSet tasks) {
        this.connection = connection;
        this.session = session;
        this.tasks = tasks;
        this.maxSendSegment = session.login().parameters().maxSendSegment();
        int most = connection.shared().config().limits().maxTextBytes();
        this.question = Unpooled.buffer(256, most);
    }

    /// What the initiator takes in one data segment, bytes.
    int maxSendSegment() {
        return maxSendSegment;
    }

    /// @return false where the request breaks the protocol; the exchange is over then
    boolean received(TextRequest request) {
        try {
            if (request.itt() == Pdu.NO_TAG || request.last() && request.more()) {
                reset();
                return false;
            }
            if (request.ttt() == Pdu.NO_TAG) {
                // A new negotiation ends an old one (RFC 7143 11.10.4).
                reset();
            } else if (request.ttt() != ttt) {
                reset();
                return false;
            }
            return proceed(request);
        } finally {
            request.release();
        }
    }

    private boolean proceed(TextRequest request) {
        ByteBuf data = request.data();
        if (answer.isReadable()) {
            // The initiator asks for the rest, and has nothing to say meanwhile.
            if (data.isReadable()) {
                reset();
                return false;
            }
            send(request);
            return true;
        }
        if (question.readableBytes() + data.readableBytes() > question.maxCapacity()) {
            reset();
            return false;
        }
        question.writeBytes(data);
        if (request.more()) {
            respond(request, false, false, Unpooled.EMPTY_BUFFER);
            return true;
        }
        try {
            Map<String, String> keys = TextKeys.parse(question);
            question.clear();
            answer = connection.channel().alloc().buffer();
            keys.forEach(this::answerKey);
        } catch (IllegalArgumentException e) {
            reset();
            return false;
        }
        send(request);
        return true;
    }

    private void answerKey(String key, String value) {
        switch (key) {
            case "SendTargets" -> sendTargets(value);
            case "MaxRecvDataSegmentLength" -> declareSegment(value);
            case "InitiatorAlias" -> {}
            default ->
                    TextKeys.append(
                            answer,
                            key,
                            new Negotiator(connection.shared().config().offer(), false).knows(key)
                                    ? "Reject"
                                    : "NotUnderstood");
        }
    }

    private void declareSegment(String value) {
        try {
            maxSendSegment = Negotiator.segment(value);
            if (tasks != null) {
                tasks.responses()
                        .parameters(
                                session.login().parameters().withMaxSendSegment(maxSendSegment));
            }
        } catch (IllegalArgumentException e) {
            TextKeys.append(answer, "MaxRecvDataSegmentLength", "Reject");
        }
    }

    /// RFC 7143 appendix C.
    private void sendTargets(String value) {
        LoginResult login = session.login();
        if (login.discovery() && value.equals("All")) {
            connection.shared().catalog().targets().forEach(this::list);
            return;
        }
        String name = login.targetName();
        if (!value.isEmpty()) {
            try {
                name = IscsiName.normalise(value);
            } catch (IllegalArgumentException e) {
                name = "";
            }
        }
        boolean allowed = login.discovery() || name.equals(login.targetName());
        if (name.isEmpty() || !allowed) {
            TextKeys.append(answer, "SendTargets", "Reject");
            return;
        }
        TargetEntry entry = connection.shared().catalog().find(name);
        if (entry != null) {
            list(entry);
        }
    }

    /// An initiator is told of no target that it may not use.
    private void list(TargetEntry entry) {
        if (!LoginIdentity.mayUse(entry, session.login().initiatorName())) {
            return;
        }
        TextKeys.append(answer, "TargetName", entry.name());
        List<PortalGroup> groups = entry.portalGroups();
        for (PortalGroup group : groups) {
            for (String address : group.addresses()) {
                TextKeys.append(answer, "TargetAddress", address + "," + group.tag());
            }
        }
    }

    private void send(TextRequest request) {
        int n = Math.min(answer.readableBytes(), maxSendSegment);
        boolean more = n < answer.readableBytes();
        ByteBuf part = answer.readRetainedSlice(n);
        // F ends the exchange; without the initiator's F it stays open for more questions.
        respond(request, !more && request.last(), more, part);
        if (!answer.isReadable()) {
            answer.release();
            answer = Unpooled.EMPTY_BUFFER;
        }
    }

    private void respond(TextRequest request, boolean last, boolean more, ByteBuf data) {
        if (last) {
            ttt = Pdu.NO_TAG;
        } else if (ttt == Pdu.NO_TAG) {
            lastTtt = lastTtt == Pdu.NO_TAG - 1 ? 1 : lastTtt + 1;
            ttt = lastTtt;
        }
        Outbox out = connection.out();
        out.send(new TextResponse(last, more, request.lun(), request.itt(), ttt, out.next(), data));
    }

    private void reset() {
        ttt = Pdu.NO_TAG;
        question.clear();
        answer.release();
        answer = Unpooled.EMPTY_BUFFER;
    }

    void close() {
        reset();
    }
}
