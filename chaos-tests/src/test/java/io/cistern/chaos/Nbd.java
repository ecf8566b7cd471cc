package io.cistern.chaos;

import java.io.EOFException;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/// A connection to an NBD server (fixed newstyle, simple replies) with one request at a time.
final class Nbd implements Blocks {
    static final int READ = 0;
    static final int WRITE = 1;
    static final int TRIM = 4;
    static final int WRITE_ZEROES = 6;

    private static final long OPTION_MAGIC = 0x49484156454F5054L;
    private static final int REQUEST_MAGIC = 0x25609513;
    private static final int REPLY_MAGIC = 0x67446698;
    private static final int OPT_GO = 7;
    private static final int REP_ACK = 1;

    private final SocketChannel channel;
    private long cookie;

    private Nbd(SocketChannel channel) {
        this.channel = channel;
    }

    static Nbd connect(Path socket, String export) throws IOException {
        SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX);
        try {
            channel.connect(UnixDomainSocketAddress.of(socket));
            Nbd nbd = new Nbd(channel);
            nbd.negotiate(export.getBytes(StandardCharsets.UTF_8));
            return nbd;
        } catch (IOException e) {
            channel.close();
            throw e;
        }
    }

    private void negotiate(byte[] export) throws IOException {
        in(18);
        int length = 4 + export.length + 2;
        ByteBuffer go = ByteBuffer.allocate(4 + 16 + length);
        go.putInt(3).putLong(OPTION_MAGIC).putInt(OPT_GO).putInt(length);
        go.putInt(export.length).put(export).putShort((short) 0);
        out(go.flip());
        while (true) {
            ByteBuffer reply = in(20);
            int type = reply.getInt(12);
            in(reply.getInt(16));
            if (type < 0) {
                throw new IOException("export refused: " + Integer.toHexString(type));
            }
            if (type == REP_ACK) {
                return;
            }
        }
    }

    @Override
    public int ask(int type, long offset, int length, ByteBuffer data) throws IOException {
        boolean write = type == WRITE;
        ByteBuffer request = ByteBuffer.allocate(28 + (write ? length : 0));
        request.putInt(REQUEST_MAGIC).putShort((short) 0).putShort((short) type);
        request.putLong(++cookie).putLong(offset).putInt(length);
        if (write) {
            request.put(data.duplicate());
        }
        out(request.flip());
        ByteBuffer reply = in(16);
        if (reply.getInt(0) != REPLY_MAGIC || reply.getLong(8) != cookie) {
            throw new IOException("not the reply that was awaited");
        }
        int error = reply.getInt(4);
        if (type == READ && error == 0) {
            data.put(in(length));
        }
        return error;
    }

    private void out(ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            channel.write(bytes);
        }
    }

    private ByteBuffer in(int length) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(length);
        while (bytes.hasRemaining()) {
            if (channel.read(bytes) < 0) {
                throw new EOFException("the server has ended the connection");
            }
        }
        return bytes.flip();
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
