package io.cistern.server;

import java.io.EOFException;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.SplittableRandom;

/// Just enough of an NBD client (fixed newstyle, structured replies) to put a load on a driver. One
/// thread.
final class TrainingLoad implements AutoCloseable {
    private static final long OPTION_MAGIC = 0x49484156454F5054L;
    private static final int OPTION_GO = 7;
    private static final int OPTION_STRUCTURED_REPLY = 8;
    private static final int REPLY_ACK = 1;
    private static final int REQUEST_MAGIC = 0x25609513;
    private static final int SIMPLE_MAGIC = 0x67446698;
    private static final int CHUNK_MAGIC = 0x668e33ef;
    private static final int FLAG_DONE = 1;
    private static final int READ = 0;
    private static final int WRITE = 1;

    /// @param bytes of one request
    /// @param depth requests outstanding
    record Kind(boolean write, boolean random, int bytes, int depth) {}

    private final SocketChannel channel;
    private final ByteBuffer in = ByteBuffer.allocateDirect(256 << 10).flip();
    private final ByteBuffer head = ByteBuffer.allocateDirect(28);
    private final ByteBuffer data = ByteBuffer.allocateDirect(1 << 20);
    private final SplittableRandom random = new SplittableRandom(1);
    private long sizeBytes;
    private long position;

    private TrainingLoad(SocketChannel channel) {
        this.channel = channel;
        while (data.hasRemaining()) {
            data.putLong(random.nextLong());
        }
    }

    static TrainingLoad connect(Path socket, String export) throws IOException {
        SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX);
        TrainingLoad load = new TrainingLoad(channel);
        try {
            channel.connect(UnixDomainSocketAddress.of(socket));
            load.negotiate(export);
        } catch (IOException e) {
            channel.close();
            throw e;
        }
        return load;
    }

    private void negotiate(String export) throws IOException {
        need(18).position(in.position() + 18);
        ByteBuffer flags = ByteBuffer.allocate(4).putInt(3).flip();
        write(flags);
        option(OPTION_STRUCTURED_REPLY, new byte[0]);
        byte[] name = export.getBytes(StandardCharsets.UTF_8);
        ByteBuffer go = ByteBuffer.allocate(4 + name.length + 2);
        go.putInt(name.length).put(name).putShort((short) 0);
        option(OPTION_GO, go.array());
    }

    private void option(int option, byte[] content) throws IOException {
        ByteBuffer out = ByteBuffer.allocate(16 + content.length);
        write(out.putLong(OPTION_MAGIC).putInt(option).putInt(content.length).put(content).flip());
        while (true) {
            need(20).getLong();
            in.getInt();
            int type = in.getInt();
            int length = in.getInt();
            need(length);
            if (type == REPLY_ACK) {
                return;
            }
            if (type < 0) {
                throw new IOException("the driver refuses option " + option);
            }
            if (length == 12 && in.getShort(in.position()) == 0) {
                sizeBytes = in.getLong(in.position() + 2);
            }
            in.position(in.position() + length);
        }
    }

    /// Keeps `kind.depth` requests outstanding for some seconds.
    ///
    /// @throws IOException a request failed
    void run(Kind kind, double seconds) throws IOException {
        long end = System.nanoTime() + (long) (seconds * 1e9);
        for (int i = 0; i < kind.depth; i++) {
            send(kind);
        }
        int open = kind.depth;
        while (open > 0) {
            receive();
            if (System.nanoTime() - end < 0) {
                send(kind);
            } else {
                open--;
            }
        }
    }

    private void send(Kind kind) throws IOException {
        long slots = sizeBytes / kind.bytes;
        long slot = kind.random ? random.nextLong(slots) : position++ % slots;
        head.clear().putInt(REQUEST_MAGIC).putShort((short) 0);
        head.putShort((short) (kind.write ? WRITE : READ)).putLong(0);
        head.putLong(slot * kind.bytes).putInt(kind.bytes).flip();
        if (kind.write) {
            data.clear().limit(kind.bytes);
            ByteBuffer[] both = {head, data};
            while (data.hasRemaining()) {
                channel.write(both);
            }
        } else {
            write(head);
        }
    }

    /// Waits for one request to be answered.
    private void receive() throws IOException {
        while (true) {
            int magic = need(4).getInt();
            if (magic == SIMPLE_MAGIC) {
                need(12);
                check(in.getInt());
                in.getLong();
                return;
            }
            if (magic != CHUNK_MAGIC) {
                throw new IOException("not an NBD reply: " + Integer.toHexString(magic));
            }
            need(16);
            int flags = in.getShort();
            int type = in.getShort() & 0xffff;
            in.getLong();
            check(type >> 15);
            skip(in.getInt());
            if ((flags & FLAG_DONE) != 0) {
                return;
            }
        }
    }

    private static void check(int error) throws IOException {
        if (error != 0) {
            throw new IOException("a request failed");
        }
    }

    private void skip(int bytes) throws IOException {
        int left = bytes;
        while (left > 0) {
            need(1);
            int n = Math.min(left, in.remaining());
            in.position(in.position() + n);
            left -= n;
        }
    }

    private ByteBuffer need(int bytes) throws IOException {
        while (in.remaining() < bytes) {
            in.compact();
            int n = channel.read(in);
            in.flip();
            if (n < 0) {
                throw new EOFException("the driver closed the connection");
            }
        }
        return in;
    }

    private void write(ByteBuffer out) throws IOException {
        while (out.hasRemaining()) {
            channel.write(out);
        }
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
