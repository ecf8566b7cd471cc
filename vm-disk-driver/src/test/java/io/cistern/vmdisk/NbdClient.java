package io.cistern.vmdisk;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/// A client that says exactly what a test wants, also what no real client would.
final class NbdClient implements AutoCloseable {
    final SocketChannel channel;
    final DataInputStream in;
    final DataOutputStream out;

    /// A reply of one chunk, or a simple reply with type -1.
    record Reply(int type, long cookie, int error, byte[] payload) {}

    /// Connects and reads the greeting.
    NbdClient(Path socket) throws IOException {
        channel = SocketChannel.open(StandardProtocolFamily.UNIX);
        channel.connect(UnixDomainSocketAddress.of(socket));
        in = new DataInputStream(Channels.newInputStream(channel));
        out = new DataOutputStream(Channels.newOutputStream(channel));
        in.readLong();
        in.readLong();
        in.readShort();
    }

    /// Negotiates structured replies and block status as asked, and goes.
    static NbdClient go(Path socket, boolean structured) throws IOException {
        NbdClient client = new NbdClient(socket);
        client.out.writeInt(3);
        if (structured) {
            client.option(NbdProtocol.OPT_STRUCTURED_REPLY, new byte[0]);
            byte[] context = NbdProtocol.BASE_ALLOCATION.getBytes(StandardCharsets.UTF_8);
            ByteBuffer query = ByteBuffer.allocate(12 + context.length);
            query.putInt(0).putInt(1).putInt(context.length).put(context);
            client.option(NbdProtocol.OPT_SET_META_CONTEXT, query.array());
        }
        client.option(NbdProtocol.OPT_GO, new byte[6]);
        return client;
    }

    /// Sends an option and reads its replies up to the last.
    ///
    /// @return the last reply's type
    int option(int option, byte[] data) throws IOException {
        ByteBuffer b = ByteBuffer.allocate(16 + data.length);
        b.putLong(NbdProtocol.OPTION_MAGIC).putInt(option).putInt(data.length).put(data);
        out.write(b.array());
        while (true) {
            in.readLong();
            in.readInt();
            int type = in.readInt();
            in.readNBytes(in.readInt());
            if (type == NbdProtocol.REP_ACK || type < 0) {
                return type;
            }
        }
    }

    void send(int flags, int type, long cookie, long offset, long length, byte... payload)
            throws IOException {
        ByteBuffer b = ByteBuffer.allocate(28 + payload.length);
        new RequestHeader(flags, type, cookie, offset, length).encode(b);
        out.write(b.put(payload).array());
    }

    /// Reads the next reply.
    ///
    /// @param simplePayload bytes that follow a simple reply without an error
    Reply reply(int simplePayload) throws IOException {
        int magic = in.readInt();
        if (magic == NbdProtocol.SIMPLE_REPLY_MAGIC) {
            int error = in.readInt();
            long cookie = in.readLong();
            return new Reply(-1, cookie, error, error == 0 ? exactly(simplePayload) : new byte[0]);
        }
        if (magic != NbdProtocol.STRUCTURED_REPLY_MAGIC) {
            throw new IOException("magic " + Integer.toHexString(magic));
        }
        if (in.readShort() != NbdProtocol.REPLY_FLAG_DONE) {
            throw new IOException("more than one chunk");
        }
        int type = Short.toUnsignedInt(in.readShort());
        long cookie = in.readLong();
        byte[] payload = exactly(in.readInt());
        int error = type == NbdProtocol.REPLY_ERROR ? ByteBuffer.wrap(payload).getInt() : 0;
        return new Reply(type, cookie, error, payload);
    }

    /// Sends a request without payload and returns the error of its reply.
    int ask(int flags, int type, long offset, long length) throws IOException {
        send(flags, type, 77, offset, length);
        return reply(type == NbdProtocol.CMD_READ ? (int) length : 0).error();
    }

    /// True where the server has ended the stream. Waits for it.
    boolean ended() {
        try {
            return in.read() < 0;
        } catch (IOException e) {
            return true;
        }
    }

    private byte[] exactly(int length) throws IOException {
        byte[] bytes = in.readNBytes(length);
        if (bytes.length < length) {
            throw new EOFException();
        }
        return bytes;
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
