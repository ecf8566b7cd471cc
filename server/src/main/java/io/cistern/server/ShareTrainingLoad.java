package io.cistern.server;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.SplittableRandom;

/// Just enough of an NFSv3 client (RFC 1813) to put a load on a server. One thread.
final class ShareTrainingLoad implements AutoCloseable {
    private static final int NFS = 100_003;
    private static final int MOUNT = 100_005;
    private static final int MNT = 1;
    private static final int GETATTR = 1;
    private static final int LOOKUP = 3;
    private static final int READ = 6;
    private static final int WRITE = 7;
    private static final int CREATE = 8;
    private static final int REMOVE = 12;
    private static final int FILE_SYNC = 2;

    /// NFS3ERR_JUKEBOX: the server wants to be asked later.
    private static final int LATER = 10_008;

    private static final int LAST_FRAGMENT = 1 << 31;
    private static final int REPLY_HEADER_BYTES = 24;
    private static final long FILE_BYTES = 32L << 20;

    /// A call's arguments, in XDR.
    private interface Arguments {
        void write(DataOutputStream out) throws IOException;
    }

    private final Socket socket;
    private final DataInputStream in;
    private final SplittableRandom random = new SplittableRandom(1);
    private final byte[] data = new byte[1 << 20];
    private int xid = 1;
    private long position;
    private byte[] root = {};
    private byte[] file = {};

    private ShareTrainingLoad(Socket socket) throws IOException {
        this.socket = socket;
        this.in = new DataInputStream(new BufferedInputStream(socket.getInputStream(), 1 << 18));
        random.nextBytes(data);
    }

    /// Mounts the share and makes a file there.
    static ShareTrainingLoad connect(InetSocketAddress server, String share) throws IOException {
        Socket socket = new Socket(server.getAddress(), server.getPort());
        try {
            socket.setTcpNoDelay(true);
            ShareTrainingLoad load = new ShareTrainingLoad(socket);
            load.root = opaque(load.call(MOUNT, MNT, out -> text(out, "/" + share)));
            load.file = load.create("file");
            return load;
        } catch (IOException | RuntimeException e) {
            socket.close();
            throw e;
        }
    }

    /// Reads or writes the file, `kind.depth` requests outstanding, for some seconds.
    ///
    /// @throws IOException a request failed
    void run(TrainingLoad.Kind kind, double seconds) throws IOException {
        long end = System.nanoTime() + (long) (seconds * 1e9);
        for (int i = 0; i < kind.depth(); i++) {
            send(kind);
        }
        int open = kind.depth();
        while (open > 0) {
            answer();
            if (System.nanoTime() - end < 0) {
                send(kind);
            } else {
                open--;
            }
        }
    }

    /// Makes, looks up and removes files, one after the other.
    void names(double seconds) throws IOException {
        long end = System.nanoTime() + (long) (seconds * 1e9);
        for (int n = 0; System.nanoTime() - end < 0; n++) {
            String name = "f" + n;
            byte[] made = create(name);
            call(NFS, LOOKUP, out -> entry(out, name));
            call(NFS, GETATTR, out -> opaque(out, made, made.length));
            call(NFS, REMOVE, out -> entry(out, name));
        }
    }

    private void send(TrainingLoad.Kind kind) throws IOException {
        long slots = FILE_BYTES / kind.bytes();
        long slot = kind.random() ? random.nextLong(slots) : position++ % slots;
        send(
                NFS,
                kind.write() ? WRITE : READ,
                out -> {
                    opaque(out, file, file.length);
                    out.writeLong(slot * kind.bytes());
                    out.writeInt(kind.bytes());
                    if (kind.write()) {
                        out.writeInt(FILE_SYNC);
                        opaque(out, data, kind.bytes());
                    }
                });
    }

    private byte[] create(String name) throws IOException {
        ByteBuffer reply =
                call(
                        NFS,
                        CREATE,
                        out -> {
                            entry(out, name);
                            out.writeInt(0); // UNCHECKED
                            for (int field : new int[] {1, 0644, 0, 0, 0, 0, 0}) {
                                out.writeInt(field); // sattr3: the mode alone
                            }
                        });
        if (reply.getInt() == 0) {
            throw new IOException("no handle of a new file");
        }
        return opaque(reply);
    }

    private ByteBuffer call(int program, int procedure, Arguments arguments) throws IOException {
        while (true) {
            send(program, procedure, arguments);
            ByteBuffer reply = answer();
            if (reply.getInt(REPLY_HEADER_BYTES) != LATER) {
                return reply.position(REPLY_HEADER_BYTES + 4);
            }
        }
    }

    /// RFC 5531, with AUTH_SYS credentials.
    private void send(int program, int procedure, Arguments arguments) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream(512);
        DataOutputStream out = new DataOutputStream(bytes);
        for (int field : new int[] {0, xid++, 0, 2, program, 3, procedure, 1, 28, 0}) {
            out.writeInt(field);
        }
        text(out, "train");
        for (int field : new int[] {0, 0, 0, 0, 0}) {
            out.writeInt(field);
        }
        arguments.write(out);
        byte[] message = bytes.toByteArray();
        ByteBuffer.wrap(message).putInt(0, message.length - 4 | LAST_FRAGMENT);
        socket.getOutputStream().write(message);
    }

    private ByteBuffer answer() throws IOException {
        ByteArrayOutputStream record = new ByteArrayOutputStream();
        int header;
        do {
            header = in.readInt();
            record.write(in.readNBytes(header & ~LAST_FRAGMENT));
        } while ((header & LAST_FRAGMENT) == 0);
        ByteBuffer reply = ByteBuffer.wrap(record.toByteArray());
        int status = reply.getInt(REPLY_HEADER_BYTES);
        if (status != 0 && status != LATER) {
            throw new IOException("a request failed with status " + status);
        }
        return reply;
    }

    private void entry(DataOutputStream out, String name) throws IOException {
        opaque(out, root, root.length);
        text(out, name);
    }

    private static void text(DataOutputStream out, String text) throws IOException {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        opaque(out, bytes, bytes.length);
    }

    private static void opaque(DataOutputStream out, byte[] bytes, int length) throws IOException {
        out.writeInt(length);
        out.write(bytes, 0, length);
        out.write(new byte[-length & 3]);
    }

    private static byte[] opaque(ByteBuffer in) {
        byte[] bytes = new byte[in.getInt()];
        in.get(bytes);
        return bytes;
    }

    @Override
    public void close() throws IOException {
        socket.close();
    }
}
