package io.cistern.storage.group;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BiConsumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// The node wire: its opcodes and how plain values are written. Integers are big-endian; see
/// `docs/protocol/node-wire.md`.
final class Wire {
    static final int WRITE = 1;
    static final int ZERO = 2;
    static final int EXECUTE = 3;
    static final int READ = 4;
    static final int EXTENTS = 5;
    static final int DESCRIBE = 6;
    static final int VOLUME_USAGE = 7;
    static final int DIFF = 8;
    static final int ATOMIC_WRITE = 9;
    static final int RECORD = 10;

    static final int FILE_CHANGE = 40;
    static final int FILE_QUERY = 41;
    static final int COPY_FILES = 42;

    static final int SPACE = 16;
    static final int REPLICAS = 17;
    static final int FETCH_BLOCKS = 18;
    static final int DIGESTS = 19;
    static final int SCRUB = 20;

    static final int COPY_OPEN = 24;
    static final int COPY_TABLE = 25;
    static final int COPY_PAGE = 26;
    static final int COPY_ROWS = 27;
    static final int COPY_CLOSE = 28;

    static final int CUT_OPEN = 48;
    static final int CUT_STEP = 49;
    static final int CUT_PAGE = 50;
    static final int RECOPY = 51;
    static final int RECOPY_CONFIRM = 52;

    /// Most bytes of data in one message. Longer reads and writes travel as several; a multiple of
    /// [Pieces#WRITE_BYTES], so that a write is cut alike however it travels.
    static final int MAX_DATA_BYTES = 4 << 20;

    /// Longest text in a message, in bytes of UTF-8.
    static final int MAX_TEXT_BYTES = 1024;

    /// Longest list of extents or ranges in an answer.
    static final int MAX_EXTENTS = 65_536;

    private Wire() {}

    /// Reads a message.
    ///
    /// @throws CisternException INVALID if it ends early or goes on after its end
    static <T> T decode(ByteBuf in, Function<ByteBuf, T> form) {
        T value;
        try {
            value = form.apply(in);
        } catch (IndexOutOfBoundsException shorter) {
            throw malformed("it ends early");
        }
        if (in.isReadable()) {
            throw malformed(in.readableBytes() + " bytes follow its end");
        }
        return value;
    }

    static CisternException malformed(String what) {
        return new CisternException(
                ErrorCode.INVALID,
                "malformed message on the node wire: " + what + "; are both nodes of one version?");
    }

    static void putText(ByteBuf out, String text) {
        int length = ByteBufUtil.utf8Bytes(text);
        if (length > MAX_TEXT_BYTES) {
            throw new CisternException(
                    ErrorCode.INVALID,
                    "text of " + length + " bytes; at most " + MAX_TEXT_BYTES + " are allowed");
        }
        out.writeShort(length);
        ByteBufUtil.writeUtf8(out, text);
    }

    static String text(ByteBuf in) {
        int length = in.readUnsignedShort();
        if (length > MAX_TEXT_BYTES) {
            throw malformed("text of " + length + " bytes");
        }
        String text = in.toString(in.readerIndex(), checked(in, length), StandardCharsets.UTF_8);
        in.skipBytes(length);
        return text;
    }

    /// An absent text is one of length 0; present ones are never empty.
    static void putOptional(ByteBuf out, @Nullable String text) {
        putText(out, text == null ? "" : text);
    }

    static @Nullable String optional(ByteBuf in) {
        String text = text(in);
        return text.isEmpty() ? null : text;
    }

    static <T> void putList(ByteBuf out, List<T> list, BiConsumer<ByteBuf, T> form) {
        out.writeInt(list.size());
        for (T element : list) {
            form.accept(out, element);
        }
    }

    /// Reads a list of at most `max` elements of at least `minBytes` each, so that a false count
    /// cannot take memory that the message does not have.
    static <T> List<T> list(ByteBuf in, int max, int minBytes, Function<ByteBuf, T> form) {
        int count = in.readInt();
        if (count < 0 || count > max || (long) count * minBytes > in.readableBytes()) {
            throw malformed("a list of " + count + " elements");
        }
        List<T> list = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            list.add(form.apply(in));
        }
        return list;
    }

    static boolean bool(ByteBuf in) {
        int value = in.readUnsignedByte();
        if (value > 1) {
            throw malformed("a flag of " + value);
        }
        return value == 1;
    }

    static <E extends Enum<E>> E constant(ByteBuf in, E[] values) {
        int value = in.readUnsignedByte();
        if (value >= values.length) {
            throw malformed(values[0].getDeclaringClass().getSimpleName() + " " + value);
        }
        return values[value];
    }

    /// The rest of the message, as a view that lives as long as the message.
    static ByteBuffer rest(ByteBuf in) {
        ByteBuffer view = in.nioBuffer();
        in.skipBytes(in.readableBytes());
        return view;
    }

    /// Throws what [#decode] turns into INVALID if fewer than `length` bytes are left.
    private static int checked(ByteBuf in, int length) {
        if (length > in.readableBytes()) {
            throw new IndexOutOfBoundsException();
        }
        return length;
    }
}
