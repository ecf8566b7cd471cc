package io.cistern.raft;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

/// The content of one log entry: a batch of commands. All numbers are big-endian.
///
/// ```
/// entry     = magic version count committed { length } { command }
/// magic     = u8   0xC1
/// version   = u8   2
/// count     = u16  number of commands, 0..MAX_COMMANDS; 0 is an empty entry, which renews a lease
/// committed = u64  an index that was committed when the entry was proposed; -1: none known.
///                  Version 1 lacks it
/// length    = u32  bytes of a command, one per command, in order
/// command   = the bytes, one after another, in order
/// ```
///
/// A replica that restarts may apply its log up to `committed` of its last entry before it has
/// heard of any leader: the leader that proposed the entry knew, and a replica that has the entry
/// has the same entries before it.
///
/// A *header* is what a witness keeps of an entry: magic, version 3, count and committed, and
/// nothing after them. It is no entry: whoever has to apply one must not find a header in its
/// place, so [#decode] refuses it.
///
/// The lengths come first so that the commands lie in one piece. There is no checksum here: the log
/// has one per entry, and so has the transport.
final class RaftEntry {
    /// Most commands in one entry.
    static final int MAX_COMMANDS = 128;

    /// Most bytes of commands in one entry, unless a single command is longer: a MiB of data, and
    /// what the commands carry beside it.
    static final int MAX_BYTES = (1 << 20) + (16 << 10);

    static final int MAGIC = 0xC1;
    static final int VERSION = 2;

    /// Of a header.
    private static final int VERSION_HEADER = 3;

    /// Without `committed`; still read.
    private static final int VERSION_1 = 1;

    private static final int HEADER_BYTES_1 = 4;
    private static final int HEADER_BYTES = 12;

    private RaftEntry() {}

    /// The bytes of an entry, into which the commands are written. No index is named as committed,
    /// see [#stampCommitted].
    static byte[] encode(List<RaftCommand> commands) {
        if (commands.size() > MAX_COMMANDS) {
            throw new IllegalArgumentException(commands.size() + " commands in one entry");
        }
        int size = HEADER_BYTES + 4 * commands.size();
        for (RaftCommand command : commands) {
            size += command.bytes();
        }
        byte[] bytes = new byte[size];
        ByteBuffer out = ByteBuffer.wrap(bytes);
        out.put((byte) MAGIC).put((byte) VERSION).putShort((short) commands.size()).putLong(-1);
        for (RaftCommand command : commands) {
            out.putInt(command.bytes());
        }
        for (RaftCommand command : commands) {
            int end = out.position() + command.bytes();
            command.writeTo(out);
            if (out.position() != end) {
                throw new IllegalStateException(
                        "a command of " + command.bytes() + " bytes ended at another place");
            }
        }
        return bytes;
    }

    /// Puts a committed index into what [#encode] made.
    static void stampCommitted(byte[] entry, long committed) {
        ByteBuffer.wrap(entry).putLong(HEADER_BYTES_1, committed);
    }

    /// The committed index that an entry names; -1 if none.
    ///
    /// @throws CisternException CORRUPT as for [#decode]
    static long committed(ByteBuffer entry) {
        ByteBuffer in = entry.asReadOnlyBuffer();
        return version(in) == VERSION_1 ? -1 : in.getLong(in.position() + 2);
    }

    /// The header of an entry, or of a header.
    ///
    /// @throws CisternException CORRUPT as for [#decode]
    static byte[] header(ByteBuffer entry) {
        ByteBuffer in = entry.asReadOnlyBuffer();
        int version = version(in);
        short count = in.getShort();
        long committed = version == VERSION_1 ? -1 : in.getLong();
        return ByteBuffer.allocate(HEADER_BYTES)
                .put((byte) MAGIC)
                .put((byte) VERSION_HEADER)
                .putShort(count)
                .putLong(committed)
                .array();
    }

    /// The commands of an entry as read-only views of `entry`.
    ///
    /// @throws CisternException CORRUPT if this is not an entry, or one of an unknown version
    static List<ByteBuffer> decode(ByteBuffer entry) {
        ByteBuffer in = entry.asReadOnlyBuffer();
        int version = version(in);
        if (version == VERSION_HEADER) {
            throw corrupt("it is a witness's header, its commands are elsewhere");
        }
        int count = in.getShort() & 0xffff;
        if (version == VERSION) {
            in.getLong();
        }
        if (count > MAX_COMMANDS || in.remaining() < 4 * count) {
            throw corrupt("it says it holds " + count + " commands");
        }
        int[] lengths = new int[count];
        long total = 0;
        for (int i = 0; i < count; i++) {
            lengths[i] = in.getInt();
            if (lengths[i] < 0) {
                throw corrupt("command " + i + " has a length of " + lengths[i]);
            }
            total += lengths[i];
        }
        if (total != in.remaining()) {
            throw corrupt("its commands take " + total + " bytes, but it has " + in.remaining());
        }
        List<ByteBuffer> commands = new ArrayList<>(count);
        int at = in.position();
        for (int length : lengths) {
            commands.add(in.slice(at, length));
            at += length;
        }
        return commands;
    }

    /// Reads magic and version; the rest of the header is there.
    private static int version(ByteBuffer in) {
        if (in.remaining() < HEADER_BYTES_1 || (in.get() & 0xff) != MAGIC) {
            throw corrupt("it does not begin as one");
        }
        int version = in.get() & 0xff;
        if (version != VERSION && version != VERSION_1 && version != VERSION_HEADER) {
            throw corrupt(
                    "its version is " + version + ", this program reads up to " + VERSION_HEADER);
        }
        if (version != VERSION_1 && in.remaining() < HEADER_BYTES - 2) {
            throw corrupt("it is cut off");
        }
        return version;
    }

    private static CisternException corrupt(String why) {
        return new CisternException(ErrorCode.CORRUPT, "not a Cistern log entry: " + why);
    }
}
