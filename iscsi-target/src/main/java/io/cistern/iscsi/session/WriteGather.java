package io.cistern.iscsi.session;

import io.cistern.iscsi.login.Parameters;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.buffer.Unpooled;
import java.util.ArrayDeque;
import java.util.Deque;
import org.jspecify.annotations.Nullable;

/// Collects the data of one write, in order: immediate, unsolicited, then what R2Ts ask for (RFC
/// 7143 4.2.5.2, 11.7, 11.8). DataPDUInOrder and DataSequenceInOrder are always Yes.
///
/// A mistake of the initiator does not end it: the rest of what is on its way is dropped, and the
/// first mistake becomes the command's sense data (11.4.7.2).
///
/// ```
/// [unsolicited burst] --F--> wants memory --granted--> [R2Ts, each ended by F]* --> complete
/// ```
final class WriteGather {
    private final Parameters parameters;
    private final ByteBufAllocator alloc;

    /// Bytes the initiator means to send.
    private final long expected;

    /// Bytes that are kept: the first ones.
    private final int wanted;

    private final Deque<Burst> bursts = new ArrayDeque<>();
    private ByteBuf buffer = Unpooled.EMPTY_BUFFER;

    /// Where the next byte belongs.
    private long next;

    /// Up to where data was asked for.
    private long asked;

    private boolean unsolicitedOpen;
    private int unsolicitedSn;
    private boolean granted;
    private @Nullable Sense failure;
    private long lastProgress = System.nanoTime();

    /// An R2T whose data has not all come.
    private static final class Burst {
        final int ttt;
        final long end;
        int dataSn;

        Burst(int ttt, long end) {
            this.ttt = ttt;
            this.end = end;
        }
    }

    /// What to ask for.
    record Wanted(int offset, int length) {}

    WriteGather(Parameters parameters, ByteBufAllocator alloc, long expected, int wanted) {
        this.parameters = parameters;
        this.alloc = alloc;
        this.expected = expected;
        this.wanted = wanted;
    }

    /// The command's own data.
    ///
    /// @param data becomes the gather's
    /// @param last no unsolicited data follows
    void immediate(ByteBuf data, boolean last) {
        int length = data.readableBytes();
        unsolicitedOpen = !last;
        if (length > 0 && !parameters.immediateData()
                || length > parameters.firstBurst()
                || !last && parameters.initialR2T()) {
            fail(Sense.UNEXPECTED_UNSOLICITED_DATA);
        } else if (length > expected) {
            fail(Sense.INCORRECT_AMOUNT_OF_DATA);
        }
        if (failure != null) {
            data.release();
            return;
        }
        next = length;
        if (length >= wanted) {
            // All of it: no copy.
            buffer = data.writerIndex(data.readerIndex() + wanted);
            granted = true;
            return;
        }
        if (length > 0) {
            buffer = data;
        } else {
            data.release();
        }
    }

    /// Whether memory for the whole is still to be granted.
    boolean needsGrant() {
        return !granted && failure == null && !unsolicitedOpen && next < wanted;
    }

    /// Memory for all wanted bytes may be allocated.
    void grant() {
        if (granted || failure != null || wanted == 0) {
            return;
        }
        granted = true;
        ByteBuf whole = alloc.directBuffer(wanted, wanted);
        ByteBuf before = buffer;
        whole.writeBytes(before, Math.min(before.readableBytes(), wanted));
        before.release();
        buffer = whole;
    }

    /// A Data-Out PDU.
    ///
    /// @param ttt NO_TAG for unsolicited data
    /// @param data stays the caller's
    /// @return false where the tag belongs to nothing that is outstanding
    boolean data(int ttt, int dataSn, long offset, ByteBuf data, boolean last) {
        lastProgress = System.nanoTime();
        if (ttt == io.cistern.iscsi.pdu.Pdu.NO_TAG) {
            unsolicited(dataSn, offset, data, last);
            return true;
        }
        Burst burst = bursts.peek();
        if (burst == null || burst.ttt != ttt) {
            return false;
        }
        if (dataSn != burst.dataSn) {
            fail(Sense.PROTOCOL_SERVICE_CRC_ERROR);
        } else if (offset != next || offset + data.readableBytes() > burst.end) {
            fail(Sense.INCORRECT_AMOUNT_OF_DATA);
        }
        burst.dataSn++;
        keep(data);
        if (last) {
            if (next != burst.end) {
                fail(Sense.INCORRECT_AMOUNT_OF_DATA);
            }
            bursts.poll();
        }
        return true;
    }

    private void unsolicited(int dataSn, long offset, ByteBuf data, boolean last) {
        if (!unsolicitedOpen) {
            fail(Sense.UNEXPECTED_UNSOLICITED_DATA);
            return;
        }
        long end = offset + data.readableBytes();
        if (dataSn != unsolicitedSn) {
            fail(Sense.PROTOCOL_SERVICE_CRC_ERROR);
        } else if (end > parameters.firstBurst()) {
            fail(Sense.UNEXPECTED_UNSOLICITED_DATA);
        } else if (offset != next || end > expected) {
            fail(Sense.INCORRECT_AMOUNT_OF_DATA);
        }
        unsolicitedSn++;
        keep(data);
        if (last) {
            unsolicitedOpen = false;
            // RFC 7143 11.4.7.2.
            if (expected > parameters.firstBurst() && next != parameters.firstBurst()) {
                fail(Sense.INCORRECT_AMOUNT_OF_DATA);
            }
        }
    }

    private void keep(ByteBuf data) {
        if (failure != null) {
            return;
        }
        int length = data.readableBytes();
        int useful = (int) Math.clamp(wanted - next, 0, length);
        if (useful > 0) {
            if (!granted && buffer.maxWritableBytes() < useful) {
                growUnsolicited();
            }
            buffer.writeBytes(data, data.readerIndex(), useful);
        }
        next += length;
    }

    /// Before memory is granted there is room for unsolicited data alone.
    private void growUnsolicited() {
        int most = Math.min(parameters.firstBurst(), wanted);
        ByteBuf larger = alloc.directBuffer(most, most);
        larger.writeBytes(buffer, buffer.readerIndex(), buffer.readableBytes());
        buffer.release();
        buffer = larger;
    }

    /// A PDU of this task was lost to a wrong digest (RFC 7143 7.8).
    void lost(int ttt, boolean last) {
        fail(Sense.PROTOCOL_SERVICE_CRC_ERROR);
        if (last && ttt == io.cistern.iscsi.pdu.Pdu.NO_TAG) {
            unsolicitedOpen = false;
        } else if (last) {
            bursts.removeIf(burst -> burst.ttt == ttt);
        }
    }

    private void fail(Sense sense) {
        if (failure == null) {
            failure = sense;
            release();
        }
    }

    /// The next R2T to send, or null where there is none to send now.
    @Nullable Wanted ask(int ttt) {
        if (unsolicitedOpen
                || !granted
                || failure != null
                || bursts.size() >= parameters.maxOutstandingR2T()) {
            return null;
        }
        long from = Math.max(asked, next);
        if (from >= wanted) {
            return null;
        }
        int length = (int) Math.min(parameters.maxBurst(), wanted - from);
        asked = from + length;
        bursts.add(new Burst(ttt, asked));
        if (bursts.size() == 1) {
            lastProgress = System.nanoTime();
        }
        return new Wanted((int) from, length);
    }

    /// All wanted data is there, or the task has failed, and nothing is on its way.
    boolean ended() {
        return !unsolicitedOpen && bursts.isEmpty() && (failure != null || next >= wanted);
    }

    /// Whether data is on its way that the initiator must send.
    boolean waitsForInitiator() {
        return unsolicitedOpen || !bursts.isEmpty();
    }

    long lastProgress() {
        return lastProgress;
    }

    @Nullable Sense failure() {
        return failure;
    }

    /// Hands over the data.
    ByteBuf take() {
        ByteBuf data = buffer;
        buffer = Unpooled.EMPTY_BUFFER;
        return data;
    }

    void release() {
        take().release();
    }
}
