package io.cistern.chaos;

import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.concurrent.TimeUnit;

/// A file of a share over NFSv3 (RFC 1813), written with FILE_SYNC. A request is sent once: where
/// the connection ends before the answer, its outcome is not known.
final class NfsFile implements Blocks {
    private static final int MOUNT = 100_005;
    private static final int NFS = 100_003;
    private static final int LAST_FRAGMENT = 1 << 31;
    private static final int JUKEBOX = 10_008;
    private static final int FILE_SYNC = 2;
    private static final int ATTRIBUTES = 84;
    private static final int BEFORE_ATTRIBUTES = 24;
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    private final Socket socket;
    private final DataInputStream in;
    private int xid = (int) System.nanoTime();
    private byte[] file = {};

    private NfsFile(Socket socket) throws IOException {
        this.socket = socket;
        this.in = new DataInputStream(socket.getInputStream());
    }

    private interface Arguments {
        void write(DataOutputStream out) throws IOException;
    }

    /// Mounts `share` at a server and opens `name` in its root; makes it where it is not there.
    static NfsFile open(String host, int port, String share, String name) throws IOException {
        Socket socket = new Socket(host, port);
        try {
            socket.setTcpNoDelay(true);
            socket.setSoTimeout((int) PATIENCE.toMillis());
            NfsFile opened = new NfsFile(socket);
            opened.mount(share, name);
            return opened;
        } catch (IOException e) {
            socket.close();
            throw e;
        }
    }

    private void mount(String share, String name) throws IOException {
        ByteBuffer mounted = call(MOUNT, 1, out -> opaque(out, bytes("/" + share)));
        check("mount", mounted.getInt());
        byte[] root = opaque(mounted);
        ByteBuffer found =
                again(
                        3,
                        out -> {
                            opaque(out, root);
                            opaque(out, bytes(name));
                        });
        int status = found.getInt();
        if (status == 0) {
            file = opaque(found);
            return;
        }
        ByteBuffer made =
                again(
                        8,
                        out -> {
                            opaque(out, root);
                            opaque(out, bytes(name));
                            out.writeInt(0); // unchecked
                            out.writeInt(1); // mode
                            out.writeInt(0644);
                            out.write(new byte[20]); // owner, group, size and times as they are
                        });
        check("create", made.getInt());
        if (made.getInt() == 0) {
            throw new IOException("a file without a handle");
        }
        file = opaque(made);
    }

    private static void check(String what, int status) throws IOException {
        if (status != 0) {
            throw new IOException(what + ": status " + status);
        }
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static void opaque(DataOutputStream out, byte[] bytes) throws IOException {
        out.writeInt(bytes.length);
        out.write(bytes);
        out.write(new byte[-bytes.length & 3]);
    }

    private static byte[] opaque(ByteBuffer from) {
        byte[] bytes = new byte[from.getInt()];
        from.get(bytes).position(from.position() + (-bytes.length & 3));
        return bytes;
    }

    /// Calls until the server does not ask for patience any more: then it had done nothing.
    private ByteBuffer again(int procedure, Arguments arguments) throws IOException {
        long until = System.nanoTime() + PATIENCE.toNanos();
        while (true) {
            ByteBuffer answer = call(NFS, procedure, arguments);
            if (answer.getInt(answer.position()) != JUKEBOX || System.nanoTime() > until) {
                return answer;
            }
            try {
                TimeUnit.MILLISECONDS.sleep(50);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IOException(e);
            }
        }
    }

    private ByteBuffer call(int program, int procedure, Arguments arguments) throws IOException {
        ByteArrayOutputStream record = new ByteArrayOutputStream();
        DataOutputStream out = new DataOutputStream(record);
        out.writeInt(++xid);
        for (int word : new int[] {0, 2, program, 3, procedure}) {
            out.writeInt(word);
        }
        out.writeInt(1); // AUTH_SYS, as root
        out.writeInt(20);
        for (int word : new int[] {0, 0, 0, 0, 0, 0, 0}) {
            out.writeInt(word);
        }
        arguments.write(out);
        ByteBuffer frame = ByteBuffer.allocate(4 + record.size());
        frame.putInt(record.size() | LAST_FRAGMENT).put(record.toByteArray());
        socket.getOutputStream().write(frame.array());
        byte[] reply = new byte[in.readInt() & ~LAST_FRAGMENT];
        in.readFully(reply);
        ByteBuffer answer = ByteBuffer.wrap(reply);
        if (answer.getInt() != xid || answer.getInt() != 1 || answer.getInt() != 0) {
            throw new IOException("not the reply that was awaited");
        }
        answer.getInt();
        answer.position(answer.position() + 4 + answer.getInt(answer.position()));
        check("call " + procedure, answer.getInt());
        return answer;
    }

    @Override
    public int ask(int type, long offset, int length, ByteBuffer data) throws IOException {
        return type == Nbd.READ ? read(offset, length, data) : write(type, offset, length, data);
    }

    private int write(int type, long offset, int length, ByteBuffer data) throws IOException {
        byte[] bytes = new byte[length];
        if (type == Nbd.WRITE) {
            data.duplicate().get(bytes);
        }
        ByteBuffer answer =
                again(
                        7,
                        out -> {
                            opaque(out, file);
                            out.writeLong(offset);
                            out.writeInt(length);
                            out.writeInt(FILE_SYNC);
                            opaque(out, bytes);
                        });
        int status = answer.getInt();
        if (status != 0) {
            return status;
        }
        skip(answer, BEFORE_ATTRIBUTES);
        skip(answer, ATTRIBUTES);
        int written = answer.getInt();
        if (written != length || answer.getInt() != FILE_SYNC) {
            throw new IOException(written + " of " + length + " bytes were written");
        }
        return 0;
    }

    private int read(long offset, int length, ByteBuffer data) throws IOException {
        ByteBuffer answer =
                again(
                        6,
                        out -> {
                            opaque(out, file);
                            out.writeLong(offset);
                            out.writeInt(length);
                        });
        int status = answer.getInt();
        if (status != 0) {
            return status;
        }
        skip(answer, ATTRIBUTES);
        answer.getInt();
        answer.getInt();
        // Behind the end of the file there are zeroes.
        data.put(opaque(answer)).put(new byte[data.remaining()]).flip();
        return 0;
    }

    private static void skip(ByteBuffer answer, int bytes) {
        if (answer.getInt() != 0) {
            answer.position(answer.position() + bytes);
        }
    }

    @Override
    public void close() throws IOException {
        socket.close();
    }
}
