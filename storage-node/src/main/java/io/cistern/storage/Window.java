package io.cistern.storage;

import io.cistern.block.ErrorCode;
import java.nio.ByteBuffer;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/// The writes of one attachment that were executed and may still be asked for: those from `base`
/// on. A ring of outcomes, at most [Store#MAX_OPEN_WRITES].
///
/// ```
/// window := version:u8 (1) base:i64 count:u16 (ahead:u16 outcome)[count]
/// outcome := error:u8                                 0: done, value 0
///          | error:u8 message:string value:i64        error 255: done with a value
/// ```
final class Window {
    private static final int VERSION = 1;
    private static final int DONE_WITH_VALUE = 255;

    private long base = 1;
    private @Nullable Outcome[] ring = new Outcome[16];

    /// The first result of `seq`, null if it was not executed or is forgotten.
    @Nullable Outcome get(long seq) {
        return seq < base || seq - base >= ring.length ? null : ring[slot(seq)];
    }

    /// Whether `seq` was answered to its sender before.
    boolean forgotten(long seq) {
        return seq < base;
    }

    boolean fits(long seq) {
        return seq - base < Store.MAX_OPEN_WRITES;
    }

    /// Forgets the results below `doneBelow`.
    void advance(long doneBelow) {
        if (doneBelow <= base) {
            return;
        }
        if (doneBelow - base >= ring.length) {
            Arrays.fill(ring, null);
        } else {
            for (long s = base; s < doneBelow; s++) {
                ring[slot(s)] = null;
            }
        }
        base = doneBelow;
    }

    void record(long seq, Outcome outcome) {
        while (seq - base >= ring.length) {
            grow();
        }
        ring[slot(seq)] = outcome;
    }

    private void grow() {
        @Nullable Outcome[] old = ring;
        @Nullable Outcome[] larger = new Outcome[old.length * 2];
        for (long s = base; s < base + old.length; s++) {
            larger[(int) (s & (larger.length - 1))] = old[(int) (s & (old.length - 1))];
        }
        ring = larger;
    }

    private int slot(long seq) {
        return (int) (seq & (ring.length - 1));
    }

    byte[] encode() {
        int bytes = 1 + 8 + 2;
        int count = 0;
        for (Outcome o : ring) {
            if (o != null) {
                count++;
                bytes += 2 + (plain(o) ? 1 : 1 + 8 + Bytes.size(clip(o.message())));
            }
        }
        ByteBuffer out = ByteBuffer.allocate(bytes);
        out.put((byte) VERSION).putLong(base).putShort((short) count);
        for (long s = base; s < base + ring.length; s++) {
            Outcome o = ring[slot(s)];
            if (o == null) {
                continue;
            }
            out.putShort((short) (s - base));
            if (plain(o)) {
                out.put((byte) 0);
            } else {
                out.put((byte) (o.error() == null ? DONE_WITH_VALUE : o.error().wire()));
                Bytes.putString(out, clip(o.message()));
                out.putLong(o.value());
            }
        }
        return out.array();
    }

    private static boolean plain(Outcome o) {
        return o.error() == null && o.value() == 0;
    }

    /// Outcomes of writes have short messages; a longer one loses its end, the same everywhere.
    private static String clip(String message) {
        return message.length() > 120 ? message.substring(0, 120) : message;
    }

    static Window decode(byte[] bytes) {
        Bytes in = new Bytes(ByteBuffer.wrap(bytes), "window", ErrorCode.CORRUPT);
        if (in.u8() != VERSION) {
            throw in.bad("version");
        }
        Window window = new Window();
        window.base = in.i64();
        int count = in.u16();
        for (int i = 0; i < count; i++) {
            int ahead = in.u16();
            if (ahead >= Store.MAX_OPEN_WRITES) {
                throw in.bad("write " + ahead + " ahead");
            }
            int error = in.u8();
            Outcome outcome = Outcome.DONE;
            if (error != 0) {
                ErrorCode code = error == DONE_WITH_VALUE ? null : ErrorCode.fromWire(error);
                outcome = new Outcome(code, in.string(), in.i64());
            }
            window.record(window.base + ahead, outcome);
        }
        in.end();
        return window;
    }
}
