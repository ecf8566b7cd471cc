package io.cistern.nas;

import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import io.netty.buffer.UnpooledByteBufAllocator;
import java.io.DataInputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.util.function.Consumer;

/// Speaks ONC RPC over one TCP connection, one call at a time unless told otherwise. One thread.
class RpcTestClient implements AutoCloseable {
    static final int NFS = 100_003;
    static final int MOUNT = 100_005;
    private static final int LAST = 1 << 31;
    private static final int TIMEOUT_MS = 20_000;

    private InetSocketAddress address;
    private Socket socket;
    private int xid = 1_000;
    private int uid;

    RpcTestClient(InetSocketAddress address) {
        this.address = address;
        this.socket = connect(address);
    }

    private static Socket connect(InetSocketAddress address) {
        try {
            Socket s = new Socket(address.getAddress(), address.getPort());
            s.setSoTimeout(TIMEOUT_MS);
            s.setTcpNoDelay(true);
            return s;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    void reconnect() {
        close();
        socket = connect(address);
    }

    /// Goes on with another server.
    void moveTo(InetSocketAddress other) {
        address = other;
        reconnect();
    }

    RpcTestClient as(int user) {
        uid = user;
        return this;
    }

    Socket socket() {
        return socket;
    }

    /// Makes the next calls go over another socket, such as a TLS one.
    void use(Socket other) {
        socket = other;
    }

    int lastXid() {
        return xid;
    }

    /// Calls and returns the result, after the reply's header was found to say success.
    XdrReader call(int program, int version, int procedure, Consumer<XdrWriter> args) {
        send(++xid, program, version, procedure, args);
        return result(receive(), xid);
    }

    /// The same call again, bit for bit but for the connection.
    XdrReader repeat(int program, int version, int procedure, Consumer<XdrWriter> args) {
        send(xid, program, version, procedure, args);
        return result(receive(), xid);
    }

    static XdrReader result(XdrReader reply, int xid) {
        int[] header = new int[6];
        for (int i = 0; i < header.length; i++) {
            header[i] = reply.readInt();
        }
        if (header[0] != xid || header[1] != 1 || header[2] != 0 || header[5] != 0) {
            throw new AssertionError("not a success: " + java.util.Arrays.toString(header));
        }
        return reply;
    }

    void send(int id, int program, int version, int procedure, Consumer<XdrWriter> args) {
        try (XdrWriter out = new XdrWriter(UnpooledByteBufAllocator.DEFAULT)) {
            out.writeInt(id).writeInt(0).writeInt(2);
            out.writeInt(program).writeInt(version).writeInt(procedure);
            out.writeInt(1);
            int begin = out.beginOpaque();
            out.writeInt(0).writeString("test").writeInt(uid).writeInt(uid).writeInt(0);
            out.endOpaque(begin);
            out.writeInt(0).writeInt(0);
            args.accept(out);
            ByteBuf bytes = out.take();
            sendRecord(ByteBufUtil.getBytes(bytes));
            bytes.release();
        }
    }

    void sendRecord(byte[] record) {
        ByteBuf frame = Unpooled.buffer(record.length + 4);
        frame.writeInt(record.length | LAST).writeBytes(record);
        sendRaw(ByteBufUtil.getBytes(frame));
    }

    void sendRaw(byte[] bytes) {
        try {
            OutputStream out = socket.getOutputStream();
            out.write(bytes);
            out.flush();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// The next reply, from its xid on.
    XdrReader receive() {
        try {
            DataInputStream in = new DataInputStream(socket.getInputStream());
            int header = in.readInt();
            byte[] record = new byte[header & ~LAST];
            in.readFully(record);
            return new XdrReader(Unpooled.wrappedBuffer(record));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public void close() {
        try {
            socket.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
