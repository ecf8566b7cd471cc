package io.cistern.vmdisk.vhost;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/// Messages over a connected socket, for one reading and, at another time, one writing thread.
final class MessageChannel {
    private final int fd;
    private final MemorySegment memory =
            Arena.ofAuto().allocate(Message.HEADER_BYTES + Message.MAX_PAYLOAD_BYTES, 16);
    private final ByteBuffer bytes = memory.asByteBuffer().order(ByteOrder.LITTLE_ENDIAN);

    MessageChannel(int fd) {
        this.fd = fd;
    }

    /// Waits for the next request.
    ///
    /// @return null at the end of the stream
    /// @throws VhostException where it is none that may be
    @Nullable Message receive() throws IOException {
        int[] fds = new int[Libc.MAX_FDS];
        Arrays.fill(fds, -1);
        boolean whole = false;
        try {
            long first = Native.receive(fd, memory.address(), Message.HEADER_BYTES, fds);
            int got = (int) first;
            int count = (int) (first >>> 32);
            if (got == 0) {
                return null;
            }
            receiveTo(got, Message.HEADER_BYTES);
            Request request = Request.of(bytes.getInt(0));
            int flags = bytes.getInt(4);
            if ((flags & Message.VERSION_MASK) != Message.VERSION
                    || (flags & Message.FLAG_REPLY) != 0) {
                throw new VhostException(request + " with flags 0x" + Integer.toHexString(flags));
            }
            long size = Integer.toUnsignedLong(bytes.getInt(8));
            request.checkSize(size);
            if (count > request.maxFds) {
                throw new VhostException(request + " with " + count + " descriptors");
            }
            receiveTo(Message.HEADER_BYTES, Message.HEADER_BYTES + (int) size);
            ByteBuffer in =
                    bytes.slice(Message.HEADER_BYTES, (int) size).order(ByteOrder.LITTLE_ENDIAN);
            Payload payload = request.decode(in);
            whole = true;
            return new Message(
                    request,
                    (flags & Message.FLAG_NEED_REPLY) != 0,
                    payload,
                    Arrays.copyOf(fds, count));
        } finally {
            if (!whole) {
                for (int passed : fds) {
                    Native.close(passed);
                }
            }
        }
    }

    private void receiveTo(int from, int to) throws IOException {
        int at = from;
        while (at < to) {
            int n = (int) Native.receive(fd, memory.address() + at, to - at, new int[0]);
            if (n == 0) {
                throw new VhostException("the front end left within a message");
            }
            at += n;
        }
    }

    /// Answers a request.
    ///
    /// @param passed a descriptor to send along, -1 for none
    void reply(Request request, Payload payload, int passed) throws IOException {
        send(request.number, Message.VERSION | Message.FLAG_REPLY, payload, passed);
    }

    /// Sends a message with header and payload.
    void send(int number, int flags, Payload payload, int passed) throws IOException {
        bytes.clear();
        bytes.putInt(number).putInt(flags).putInt(payload.bytes());
        payload.encode(bytes);
        int length = bytes.position();
        int sent = Native.send(fd, memory.address(), length, passed);
        while (sent < length) {
            sent += Native.send(fd, memory.address() + sent, length - sent, -1);
        }
    }
}
