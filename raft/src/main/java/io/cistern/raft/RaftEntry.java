package io.cistern.raft;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

/// The content of one log entry: a batch of commands. All numbers are big-endian.
///
/// ```
/// entry   = magic version count { length } { command }
/// magic   = u8   0xC1
/// version = u8   1
/// count   = u16  number of commands, 0..MAX_COMMANDS; 0 is an empty entry, which renews a lease
/// length  = u32  bytes of a command, one per command, in order
/// command = the bytes, one after another, in order
/// ```
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
    static final int VERSION = 1;

    private static final int HEADER_BYTES = 4;

    private RaftEntry() {}

    /// The bytes of an entry, into which the commands are written.
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
        out.put((byte) MAGIC).put((byte) VERSION).putShort((short) commands.size());
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

    /// The commands of an entry as read-only views of `entry`.
    ///
    /// @throws CisternException CORRUPT if this is not an entry, or one of an unknown version
    static List<ByteBuffer> decode(ByteBuffer entry) {
        ByteBuffer in = entry.asReadOnlyBuffer();
        if (in.remaining() < HEADER_BYTES || (in.get() & 0xff) != MAGIC) {
            throw corrupt("it does not begin as one");
        }
        int version = in.get() & 0xff;
        if (version != VERSION) {
            throw corrupt("its version is " + version + ", this program reads " + VERSION);
        }
        int count = in.getShort() & 0xffff;
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

    private static CisternException corrupt(String why) {
        return new CisternException(ErrorCode.CORRUPT, "not a Cistern log entry: " + why);
    }
}
