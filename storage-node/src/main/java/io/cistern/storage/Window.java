package io.cistern.storage;

import io.cistern.block.ErrorCode;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/// The writes of one attachment that were executed and may still be asked for: those numbered from
/// `base` on, at most [Store#MAX_OPEN_WRITES]. Numbers may be far apart, see [Origin].
///
/// ```
/// window := version:u8 (1) base:i64 count:u16 (ahead:i64 outcome)[count]
/// outcome := error:u8                                 0: done, value 0
///          | error:u8 message:string value:i64        error 255: done with a value
///          | 254:u8 length:u32 reply                   done with a reply
/// ```
final class Window {
    private static final int VERSION = 1;
    private static final int DONE_WITH_VALUE = 255;
    private static final int DONE_WITH_REPLY = 254;

    private long base = 1;
    private final TreeMap<Long, Outcome> executed = new TreeMap<>();

    /// The first result of `seq`, null if it was not executed or is forgotten.
    @Nullable Outcome get(long seq) {
        return executed.get(seq);
    }

    /// Whether `seq` was answered to its sender before.
    boolean forgotten(long seq) {
        return seq < base;
    }

    /// Whether there is room to remember one more.
    boolean fits() {
        return executed.size() < Store.MAX_OPEN_WRITES;
    }

    /// Forgets the results below `doneBelow`.
    void advance(long doneBelow) {
        if (doneBelow <= base) {
            return;
        }
        while (!executed.isEmpty() && executed.firstKey() < doneBelow) {
            executed.pollFirstEntry();
        }
        base = doneBelow;
    }

    void record(long seq, Outcome outcome) {
        executed.put(seq, outcome);
    }

    byte[] encode() {
        int bytes = 1 + 8 + 2;
        for (Outcome o : executed.values()) {
            ByteBuffer reply = o.reply();
            bytes += 8 + (plain(o) ? 1 : 1 + 8 + Bytes.size(clip(o.message())));
            bytes += reply == null ? 0 : 4 + reply.remaining();
        }
        ByteBuffer out = ByteBuffer.allocate(bytes);
        out.put((byte) VERSION).putLong(base).putShort((short) executed.size());
        executed.forEach((seq, o) -> {
            out.putLong(seq - base);
            ByteBuffer reply = o.reply();
            if (reply != null) {
                out.put((byte) DONE_WITH_REPLY).putInt(reply.remaining()).put(reply.duplicate());
            } else if (plain(o)) {
                out.put((byte) 0);
            } else {
                out.put((byte) (o.error() == null ? DONE_WITH_VALUE : o.error().wire()));
                Bytes.putString(out, clip(o.message()));
                out.putLong(o.value());
            }
        });
        return java.util.Arrays.copyOf(out.array(), out.position());
    }

    /// What tells two windows apart, messages left out.
    void addTo(ByteArrayOutputStream out) {
        out.writeBytes(ByteBuffer.allocate(8).putLong(base).array());
        executed.forEach((seq, o) -> {
            ByteBuffer reply = o.reply();
            ErrorCode error = o.error();
            ByteBuffer item = ByteBuffer.allocate(8 + 4 + 8);
            out.writeBytes(
                    item.putLong(seq)
                            .putInt(error == null ? 0 : error.wire())
                            .putLong(o.value())
                            .array());
            if (reply != null) {
                byte[] bytes = new byte[reply.remaining()];
                reply.duplicate().get(bytes);
                out.writeBytes(bytes);
            }
        });
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
            long ahead = in.i64();
            if (ahead < 0) {
                throw in.bad("write " + ahead + " ahead");
            }
            int error = in.u8();
            Outcome outcome = Outcome.DONE;
            if (error == DONE_WITH_REPLY) {
                outcome = Outcome.replied(ByteBuffer.wrap(in.array(in.i32())));
            } else if (error != 0) {
                ErrorCode code = error == DONE_WITH_VALUE ? null : ErrorCode.fromWire(error);
                outcome = new Outcome(code, in.string(), in.i64());
            }
            window.record(window.base + ahead, outcome);
        }
        in.end();
        return window;
    }
}
