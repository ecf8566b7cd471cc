package io.cistern.iscsi.session;

import io.cistern.iscsi.PortalConfig;
import io.cistern.iscsi.pdu.AsyncMessage;
import io.cistern.iscsi.pdu.DataOut;
import io.cistern.iscsi.pdu.LogoutRequest;
import io.cistern.iscsi.pdu.LogoutResponse;
import io.cistern.iscsi.pdu.Malformed;
import io.cistern.iscsi.pdu.NopIn;
import io.cistern.iscsi.pdu.NopOut;
import io.cistern.iscsi.pdu.Pdu;
import io.cistern.iscsi.pdu.Reject;
import io.cistern.iscsi.pdu.ScsiRequest;
import io.cistern.iscsi.pdu.SnackRequest;
import io.cistern.iscsi.pdu.TaskManagementRequest;
import io.cistern.iscsi.pdu.TextRequest;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// The full feature phase of a session (RFC 7143 section 4.2): takes commands in their order and
/// passes them to those who know them. Event loop only.
final class FullFeature implements Phase {
    /// Immediate SCSI commands under way; one more is rejected (RFC 7143 4.2.2.1 asks for one).
    private static final int MAX_IMMEDIATE = 16;

    /// Commands that may wait for one that is missing, with their immediate data.
    private static final int MAX_HELD = 32;

    /// Pause before the initiator should connect again, told in seconds.
    private static final int TIME2WAIT_S = 2;

    /// How long the answer to a logout waits for what ends with the session to have ended.
    private static final long LOGOUT_PATIENCE_MS = 5_000;

    private static final int NO_CID = 0;

    private final Connection connection;
    private final Session session;
    private final PortalConfig config;
    private final Outbox out;
    private final CommandWindow window;
    private final @Nullable TaskSet tasks;
    private final @Nullable TaskManager manager;
    private final TextExchange text;
    private final Pings pings;
    private long logoutDeadline;
    private boolean logoutAsked;

    /// The session has ended at the initiator's wish; nothing more is taken from it.
    private boolean loggedOut;

    /// @param tasks null for a discovery session
    FullFeature(Connection connection, Session session, @Nullable TaskSet tasks) {
        this.connection = connection;
        this.session = session;
        this.config = connection.shared().config();
        this.out = connection.out();
        this.window = out.window();
        this.tasks = tasks;
        this.text = new TextExchange(connection, session, tasks);
        this.pings = new Pings(connection);
        if (tasks == null) {
            this.manager = null;
        } else {
            TaskManager functions = new TaskManager(connection, session, tasks, this::runHeld);
            this.manager = functions;
            tasks.listen(this::openWindow, functions::progress);
        }
        openWindow();
    }

    private void openWindow() {
        int limit = config.limits().commandWindow();
        int under = window.heldCount() + (tasks == null ? 0 : tasks.windowTasks());
        int room = Math.max(0, limit - under);
        if (tasks != null) {
            room = tasks.room(room);
        }
        // An idle session may always send one more.
        window.open(under == 0 ? Math.max(1, room) : room);
    }

    // ---- in ------------------------------------------------------------------------------------

    @Override
    public void received(Pdu pdu) {
        if (loggedOut) {
            pdu.release();
            return;
        }
        switch (pdu) {
            case ScsiRequest p -> sequence(p, p.flags().immediate(), p.cmdSn());
            case NopOut p -> sequence(p, p.immediate(), p.cmdSn());
            case TaskManagementRequest p -> sequence(p, p.immediate(), p.cmdSn());
            case TextRequest p -> sequence(p, p.immediate(), p.cmdSn());
            case LogoutRequest p -> sequence(p, p.immediate(), p.cmdSn());
            case DataOut p -> dataOut(p);
            case SnackRequest p -> reject(Reject.SNACK_REJECT);
            default -> {
                // A login request, or what only targets send.
                pdu.release();
                reject(Reject.PROTOCOL_ERROR);
                connection.closeAfterFlush("opcode " + pdu.opcode() + " in the full feature phase");
            }
        }
    }

    /// RFC 7143 4.2.2.1.
    private void sequence(Pdu pdu, boolean immediate, int cmdSn) {
        if (immediate) {
            perform(pdu);
            return;
        }
        switch (window.arrive(cmdSn, pdu)) {
            case NOW -> {
                perform(pdu);
                runHeld();
            }
            case HELD -> {
                if (window.heldCount() > MAX_HELD) {
                    drop("too many commands out of order");
                } else if (pdu instanceof ScsiRequest request && !request.flags().last()) {
                    // Its data would come before its turn. At error recovery level 0 a lost command
                    // ends the session anyway, unless the initiator sends it again.
                    drop("a command is missing before one with unsolicited data");
                }
            }
            case IGNORED -> pdu.release();
        }
    }

    private void runHeld() {
        while (!connection.isClosed()) {
            Pdu pdu = window.next();
            if (pdu == null) {
                break;
            }
            perform(pdu);
        }
        openWindow();
    }

    private void perform(Pdu pdu) {
        switch (pdu) {
            case ScsiRequest p -> scsi(p);
            case NopOut p -> nop(p);
            case TaskManagementRequest p -> manage(p);
            case TextRequest p -> {
                if (!text.received(p)) {
                    reject(p.immediate(), Reject.PROTOCOL_ERROR, p);
                }
            }
            case LogoutRequest p -> logout(p);
            default -> throw new IllegalStateException("opcode " + pdu.opcode());
        }
        openWindow();
    }

    private void scsi(ScsiRequest request) {
        int reason = 0;
        if (tasks == null) {
            reason = Reject.NOT_SUPPORTED;
        } else if (request.itt() == Pdu.NO_TAG
                || request.flags().attribute() > 4
                || !request.flags().write()
                        && (!request.flags().last() || request.data().isReadable())) {
            reason = Reject.INVALID_FIELD;
        } else if (tasks.find(request.itt()) != null) {
            reason = Reject.TASK_IN_PROGRESS;
        } else if (request.flags().immediate() && tasks.immediateTasks() >= MAX_IMMEDIATE) {
            reason = Reject.TOO_MANY_IMMEDIATE;
        }
        if (reason != 0 || tasks == null) {
            request.release();
            reject(request.flags().immediate(), reason, request);
            return;
        }
        tasks.arrive(request);
    }

    private void dataOut(DataOut pdu) {
        try {
            if (tasks == null) {
                reject(Reject.NOT_SUPPORTED);
            } else if (!tasks.dataOut(pdu)) {
                reject(Reject.PROTOCOL_ERROR);
            }
        } finally {
            pdu.release();
        }
    }

    private void manage(TaskManagementRequest request) {
        if (manager == null) {
            reject(request.immediate(), Reject.NOT_SUPPORTED, request);
        } else if (!manager.received(request)) {
            reject(request.immediate(), Reject.TOO_MANY_IMMEDIATE, request);
        }
    }

    /// RFC 7143 11.18, 11.19.
    private void nop(NopOut nop) {
        if (nop.itt() == Pdu.NO_TAG) {
            nop.release();
            pings.answered(nop.ttt());
            return;
        }
        if (tasks == null || nop.ttt() != Pdu.NO_TAG) {
            nop.release();
            reject(
                    nop.immediate(),
                    tasks == null ? Reject.NOT_SUPPORTED : Reject.INVALID_FIELD,
                    nop);
            return;
        }
        openWindow();
        ByteBuf data = nop.data();
        int most = text.maxSendSegment();
        if (data.readableBytes() > most) {
            data.writerIndex(data.readerIndex() + most);
        }
        out.send(new NopIn(nop.lun(), nop.itt(), Pdu.NO_TAG, out.next(), data));
    }

    /// RFC 7143 11.14, 11.15.
    private void logout(LogoutRequest request) {
        int response =
                switch (request.reason()) {
                    case LogoutRequest.CLOSE_SESSION -> LogoutResponse.CLOSED;
                    case LogoutRequest.CLOSE_CONNECTION ->
                            request.cid() == session.login().cid()
                                    ? LogoutResponse.CLOSED
                                    : LogoutResponse.NO_CONNECTION;
                    case LogoutRequest.REMOVE_FOR_RECOVERY -> LogoutResponse.RECOVERY_NOT_SUPPORTED;
                    default -> -1;
                };
        if (response < 0) {
            reject(request.immediate(), Reject.INVALID_FIELD, request);
            return;
        }
        if (response != LogoutResponse.CLOSED) {
            out.send(new LogoutResponse(response, request.itt(), out.next(), 0, 0));
            return;
        }
        loggedOut = true;
        if (tasks == null) {
            loggedOut(request);
            return;
        }
        // What is under way ends with the session, unanswered (RFC 7143 11.14). Once the initiator
        // is told, nothing that ended with the session keeps others out.
        tasks.close();
        tasks.nexus()
                .gone()
                .copy()
                .completeOnTimeout(null, LOGOUT_PATIENCE_MS, TimeUnit.MILLISECONDS)
                .whenComplete((gone, never) -> connection.execute(() -> loggedOut(request)));
    }

    private void loggedOut(LogoutRequest request) {
        if (!connection.isClosed()) {
            int closed = LogoutResponse.CLOSED;
            out.send(new LogoutResponse(closed, request.itt(), out.next(), 0, 0));
            connection.closeAfterFlush("logout");
        }
    }

    @Override
    public void malformed(Malformed malformed) {
        if (loggedOut) {
            return;
        }
        switch (malformed.kind()) {
            case UNKNOWN_OPCODE -> reject(Reject.NOT_SUPPORTED);
            case BAD_HEADER -> {
                reject(Reject.INVALID_FIELD);
                if (malformed.header().takesCmdSn()) {
                    window.plug(malformed.header().cmdSn());
                    runHeld();
                }
            }
            case DATA_DIGEST -> {
                // RFC 7143 7.8: a command is as if it had not come; data fails its command.
                reject(Reject.DATA_DIGEST_ERROR);
                Malformed.Header header = malformed.header();
                if (header.opcode() == Pdu.Opcode.DATA_OUT && tasks != null) {
                    tasks.dataLost(header.itt(), header.ttt(), header.last());
                }
            }
        }
    }

    // ---- out -----------------------------------------------------------------------------------

    /// Rejects the PDU that is being handled, with its header as it came.
    private void reject(int reason) {
        sendReject(reason, Unpooled.wrappedBuffer(connection.header().bytes()));
    }

    /// Rejects a PDU that may have been held for its turn, when the header that came last is
    /// another's.
    private void reject(boolean immediate, int reason, Pdu pdu) {
        Malformed.Header current = connection.header();
        if (immediate || current.opcode() == pdu.opcode()) {
            sendReject(reason, Unpooled.wrappedBuffer(current.bytes()));
            return;
        }
        ByteBuf header = Unpooled.buffer(Pdu.HEADER_BYTES).writeZero(Pdu.HEADER_BYTES);
        pdu.encode(header);
        sendReject(reason, header);
    }

    private void sendReject(int reason, ByteBuf header) {
        connection.shared().metrics().rejects.increment();
        out.send(new Reject(reason, out.next(), 0, header));
    }

    @Override
    public void tick(long now) {
        if (tasks != null) {
            tasks.retry();
            openWindow();
            long stalled = now - config.timeouts().dataOut().toNanos();
            if (tasks.stalledSince(stalled)) {
                timedOut("no data for a write in " + config.timeouts().dataOut());
                return;
            }
        }
        if (logoutAsked && now - logoutDeadline > 0) {
            drop("it did not log out in time");
            return;
        }
        if (pings.silent(now, tasks != null)) {
            timedOut("the initiator is silent");
        }
    }

    private void timedOut(String reason) {
        connection.shared().metrics().timeouts.increment();
        connection.close(reason);
    }

    /// Asks for a logout; the connection is dropped when that does not come in time.
    @Override
    public void shutdown(String reason) {
        if (tasks == null) {
            connection.closeAfterFlush(reason);
            return;
        }
        if (logoutAsked) {
            return;
        }
        logoutAsked = true;
        long seconds = Math.max(1, config.timeouts().logout().toSeconds());
        logoutDeadline = System.nanoTime() + config.timeouts().logout().toNanos();
        async(AsyncMessage.LOGOUT_REQUESTED, new AsyncMessage.Parameters(NO_CID, 0, (int) seconds));
    }

    /// Tells the initiator that the session ends, and ends it.
    void drop(String reason) {
        async(AsyncMessage.SESSION_DROPPED, new AsyncMessage.Parameters(NO_CID, TIME2WAIT_S, 0));
        connection.closeAfterFlush(reason);
    }

    private void async(int event, AsyncMessage.Parameters parameters) {
        out.send(new AsyncMessage(0, out.next(), event, parameters, Unpooled.EMPTY_BUFFER));
    }

    @Override
    public void closed() {
        connection.shared().registry().remove(session);
        window.releaseHeld();
        text.close();
        if (tasks != null) {
            tasks.close();
        }
    }
}
