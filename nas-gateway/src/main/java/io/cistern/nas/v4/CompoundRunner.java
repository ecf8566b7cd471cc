package io.cistern.nas.v4;

import io.cistern.block.fs.WouldBlockException;
import io.cistern.nas.rpc.RpcProgram.Rest;
import io.cistern.nas.share.NfsException;
import io.cistern.nas.share.NfsStatus;
import io.cistern.nas.state.Status4;
import io.cistern.nas.xdr.XdrException;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import java.util.function.Consumer;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Carries out the operations of one COMPOUND in order until one fails (RFC 8881 section 16.2),
/// within the limits of its session, and keeps the reply for a repetition.
///
/// It begins on an event loop, where it goes as far as [OpCode#atOnce] and memory let it, and goes
/// on from there on a thread that may wait. One thread at a time.
final class CompoundRunner implements Rest {
    private static final Logger LOG = LoggerFactory.getLogger(CompoundRunner.class);
    private static final int REPLY_HEADER_BYTES = 24;
    private static final int CHECKED_BYTES = 1_024;

    private final Compound compound;
    private final XdrReader in;
    private final byte[] tag;
    private final Consumer<OpCode> counter;
    private final XdrWriter results;
    private int done;
    private int counted;
    private int status = NfsStatus.OK;

    CompoundRunner(
            Compound compound,
            XdrReader in,
            byte[] tag,
            ByteBufAllocator allocator,
            Consumer<OpCode> counter) {
        this.compound = compound;
        this.in = in;
        this.tag = tag;
        this.results = new XdrWriter(allocator);
        this.counter = counter;
    }

    /// Goes as far as is possible without waiting.
    ///
    /// @return whether that was to the end
    boolean begin(XdrWriter out) {
        boolean waits = false;
        try {
            waits = !runAll(out);
        } finally {
            if (!waits) {
                abandon();
            }
        }
        if (waits) {
            compound.waits();
        }
        return !waits;
    }

    @Override
    public boolean run(XdrWriter out) {
        try {
            return runAll(out);
        } finally {
            abandon();
        }
    }

    @Override
    public void abandon() {
        results.close();
        compound.abandonSlot();
    }

    /// False where the next operation is for a thread that may wait; nothing has come of it yet.
    private boolean runAll(XdrWriter out) {
        while (status == NfsStatus.OK && done < compound.operations()) {
            int begin = in.position();
            XdrWriter.Mark mark = results.mark();
            try {
                byte[] repeated = runNext();
                if (repeated != null) {
                    out.writeFixed(repeated);
                    return true;
                }
            } catch (WouldBlockException e) {
                in.position(begin);
                results.reset(mark);
                return false;
            }
        }
        finish(out);
        return true;
    }

    /// @return the whole reply, where this is a repetition
    private byte @Nullable [] runNext() {
        OpCode code = OpCode.of(in.readInt(), compound.minorVersion());
        boolean sequence = code == OpCode.SEQUENCE && done == 0;
        if (!sequence && !code.atOnce()) {
            compound.call().mayWait();
        }
        if (counted == done) {
            counter.accept(code);
            counted++;
        }
        if (sequence) {
            return runSequence();
        }
        if (done == 0) {
            runAlone(code);
        } else if (code == OpCode.SEQUENCE) {
            fail(code, Status4.SEQUENCE_POS);
        } else if (code == OpCode.BIND_CONN_TO_SESSION) {
            fail(code, Status4.NOT_ONLY_OP);
        } else {
            runOne(code);
        }
        return null;
    }

    /// The first operation decides in what frame the others run: here there is no session.
    private void runAlone(OpCode code) {
        if (code == OpCode.ILLEGAL || code.standsAlone()) {
            if (code.standsAlone() && compound.operations() > 1) {
                fail(code, Status4.NOT_ONLY_OP);
            } else {
                runOne(code);
            }
        } else {
            fail(code, Status4.OP_NOT_IN_SESSION);
        }
    }

    private byte @Nullable [] runSequence() {
        SequenceOp sequence;
        try {
            sequence = SequenceOp.decode(in);
        } catch (XdrException e) {
            fail(OpCode.SEQUENCE, Status4.BADXDR);
            return null;
        }
        byte[] first;
        try {
            first = sequence.claim(compound, checksum());
        } catch (NfsException e) {
            fail(OpCode.SEQUENCE, e.status());
            return null;
        }
        if (first == null) {
            results.writeInt(OpCode.SEQUENCE.number()).writeInt(NfsStatus.OK);
            sequence.execute(compound, results);
            done = 1;
            return null;
        }
        if (first.length > 0) {
            return first;
        }
        results.writeInt(OpCode.SEQUENCE.number()).writeInt(NfsStatus.OK);
        sequence.execute(compound, results);
        done = 1;
        if (compound.operations() > 1) {
            OpCode second = OpCode.of(in.readInt(), compound.minorVersion());
            fail(second, Status4.RETRY_UNCACHED_REP);
        }
        return null;
    }

    /// Of what follows SEQUENCE: enough of it to tell one request from another.
    private int checksum() {
        CRC32C crc = new CRC32C();
        XdrReader rest = in.copy();
        int length = Math.min(CHECKED_BYTES, rest.remaining());
        crc.update(rest.readFixed(length & ~3));
        return (int) crc.getValue() ^ in.remaining();
    }

    private void runOne(OpCode code) {
        Operation operation;
        try {
            operation = code.decode(in);
        } catch (XdrException e) {
            LOG.debug("{} does not decode: {}", code, e.getMessage());
            fail(code, Status4.BADXDR);
            return;
        }
        XdrWriter.Mark begin = results.mark();
        int refusal = tooBig(operation.resultBytes());
        compound.begin(done, compound.room(replyBytes()));
        results.writeInt(code.number());
        XdrWriter.Mark mark = results.mark();
        results.writeInt(NfsStatus.OK);
        try {
            if (refusal != NfsStatus.OK) {
                throw new NfsException(refusal, "the result would be too long for the session");
            }
            operation.execute(compound, results);
            int size = tooBig(0);
            if (size != NfsStatus.OK) {
                results.reset(begin);
                fail(code, size);
                return;
            }
        } catch (WouldBlockException e) {
            throw e;
        } catch (RuntimeException e) {
            results.reset(mark);
            status = compound.statusOf(e, code);
            results.writeInt(status);
            operation.failure(compound, status, e, results);
        }
        done++;
    }

    private int replyBytes() {
        return REPLY_HEADER_BYTES + 12 + tag.length + 3 + results.size();
    }

    /// Whether a reply with that many more bytes exceeds a limit of the session.
    private int tooBig(int more) {
        if (!compound.inSession()) {
            return NfsStatus.OK;
        }
        int bytes = replyBytes() + (more == 0 ? 0 : more + 8);
        if (bytes > compound.session().fore().maxResponseBytes()) {
            return Status4.REP_TOO_BIG;
        }
        if (compound.keepsReply() && bytes > compound.session().fore().maxCachedBytes()) {
            return Status4.REP_TOO_BIG_TO_CACHE;
        }
        return NfsStatus.OK;
    }

    private void fail(OpCode code, int why) {
        results.writeInt(code.number()).writeInt(why);
        if (code == OpCode.SETATTR) {
            results.writeInt(0); // attrsset
        }
        status = why;
        done++;
    }

    private void finish(XdrWriter out) {
        out.writeInt(status).writeOpaque(tag).writeInt(done);
        ByteBuf all = results.take();
        if (compound.holdsSlot()) {
            int bytes = out.size() + all.readableBytes();
            byte[] reply = new byte[0];
            if (compound.mayKeep(bytes)) {
                ByteBuf head = out.take();
                reply = new byte[bytes];
                int headBytes = head.readableBytes();
                head.getBytes(head.readerIndex(), reply, 0, headBytes);
                all.getBytes(all.readerIndex(), reply, headBytes, bytes - headBytes);
                out.append(head);
            }
            compound.finishSlot(reply);
        }
        out.append(all);
    }
}
