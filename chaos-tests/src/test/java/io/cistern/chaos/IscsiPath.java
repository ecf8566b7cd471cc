package io.cistern.chaos;

import java.io.DataInputStream;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Locale;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;

/// One path of an initiator (RFC 7143) to a disk: a session with one command at a time, immediate
/// data and no digests. What the target says it has not done is sent again; where the connection
/// ends, or is silent for too long, the outcome of a command is not known.
final class IscsiPath implements Blocks {
    private static final int BLOCK = 512;
    private static final int HEADER = 48;
    private static final int IMMEDIATE = 0x40;
    private static final int FINAL = 0x80;
    private static final int READS = 0x40;
    private static final int WRITES = 0x20;
    private static final int NOBODY = 0xffffffff;
    private static final int MOST_DATA = 256 << 10;
    private static final Duration CONNECT = Duration.ofSeconds(2);
    private static final Duration RETRIES = Duration.ofSeconds(60);

    /// Status of a login: the target is not known.
    static final int NO_SUCH_TARGET = 0x0203;

    private static final int GOOD = 0;
    private static final int CHECK_CONDITION = 2;
    private static final int UNIT_ATTENTION = 6;
    private static final int MISCOMPARE = 14;
    private static final int BUSY = 8;
    private static final int TASK_SET_FULL = 0x28;

    private final Socket socket;
    private final DataInputStream in;
    private int commandNumber = 1;
    private int nextStatus;
    private int tag;

    /// A login was refused.
    static final class RefusedException extends IOException {
        private static final long serialVersionUID = 1;
        private final int status;

        RefusedException(int status) {
            super(String.format(Locale.ROOT, "login refused: %04xh", status));
            this.status = status;
        }

        /// Class and detail.
        int status() {
            return status;
        }
    }

    private record Answer(ByteBuffer header, ByteBuffer data) {
        int opcode() {
            return header.get(0) & 0x3f;
        }

        int status() {
            return header.get(3) & 0xff;
        }
    }

    /// @param senseKey of CHECK CONDITION, else 0
    private record Outcome(int status, int senseKey) {}

    private IscsiPath(Socket socket) throws IOException {
        this.socket = socket;
        this.in = new DataInputStream(socket.getInputStream());
    }

    /// Logs in to a volume's target.
    ///
    /// @param portal host:port
    /// @param initiator the last part of the initiator's name
    /// @param patience the longest silence within a command before the path is given up
    static IscsiPath open(String portal, String volume, String initiator, Duration patience)
            throws IOException {
        String[] parts = portal.split(":", -1);
        Socket socket = new Socket();
        try {
            socket.connect(
                    new InetSocketAddress(parts[0], Integer.parseInt(parts[1])),
                    (int) CONNECT.toMillis());
            socket.setTcpNoDelay(true);
            socket.setSoTimeout((int) patience.toMillis());
            IscsiPath path = new IscsiPath(socket);
            path.logIn(volume, initiator);
            return path;
        } catch (IOException e) {
            socket.close();
            throw e;
        }
    }

    private void logIn(String volume, String initiator) throws IOException {
        String keys =
                """
                InitiatorName=iqn.2026-11.org.example:%s
                TargetName=iqn.2026-11.io.cistern:%s
                SessionType=Normal
                HeaderDigest=None
                DataDigest=None
                InitialR2T=No
                ImmediateData=Yes
                FirstBurstLength=65536
                MaxRecvDataSegmentLength=%d
                ErrorRecoveryLevel=0
                """
                        .formatted(initiator, volume, MOST_DATA);
        byte[] text = keys.replace('\n', '\0').getBytes(StandardCharsets.UTF_8);
        ByteBuffer login = ByteBuffer.allocate(HEADER);
        // From operational negotiation to the full feature phase.
        login.put(0, (byte) (IMMEDIATE | 3)).put(1, (byte) (FINAL | 1 << 2 | 3));
        byte[] isid = new byte[6];
        ThreadLocalRandom.current().nextBytes(isid);
        isid[0] = (byte) 0x80; // random
        login.put(8, isid).putInt(16, ++tag).putInt(24, commandNumber);
        send(login, text);
        Answer answer = receive();
        int status = answer.header.getShort(36);
        if (status != 0) {
            throw new RefusedException(status);
        }
        if (answer.opcode() != 0x23 || (answer.header.get(1) & FINAL) == 0) {
            throw new IOException("not the answer to a login");
        }
        nextStatus = answer.header.getInt(24) + 1;
    }

    private void send(ByteBuffer header, byte[] data) throws IOException {
        header.put(5, (byte) (data.length >> 16)).putShort(6, (short) data.length);
        ByteBuffer all = ByteBuffer.allocate(HEADER + data.length + (-data.length & 3));
        all.put(header.array()).put(data);
        socket.getOutputStream().write(all.array());
    }

    private Answer receive() throws IOException {
        byte[] header = new byte[HEADER];
        in.readFully(header);
        int length = (header[5] & 0xff) << 16 | (header[6] & 0xff) << 8 | header[7] & 0xff;
        if (length > MOST_DATA || header[4] != 0) {
            throw new IOException("not a PDU of this session: " + length + " bytes");
        }
        byte[] data = new byte[length];
        in.readFully(data);
        in.skipNBytes(-length & 3);
        return new Answer(ByteBuffer.wrap(header), ByteBuffer.wrap(data));
    }

    /// Sends one command and reads until its status.
    private Outcome command(ByteBuffer cdb, byte[] out, ByteBuffer into) throws IOException {
        ByteBuffer header = ByteBuffer.allocate(HEADER);
        int flags = FINAL | 1 | (out.length > 0 ? WRITES : 0) | (into.hasRemaining() ? READS : 0);
        header.put(0, (byte) 1).put(1, (byte) flags).putInt(16, ++tag);
        header.putInt(20, out.length > 0 ? out.length : into.remaining());
        header.putInt(24, commandNumber++).putInt(28, nextStatus).put(32, cdb.array());
        send(header, out);
        int start = into.position();
        while (true) {
            Answer answer = receive();
            switch (answer.opcode()) {
                case 0x20 -> pong(answer);
                case 0x21 -> {
                    nextStatus = answer.header.getInt(24) + 1;
                    if (answer.header.get(2) != 0) {
                        throw new IOException("response " + answer.header.get(2));
                    }
                    boolean sense =
                            answer.status() == CHECK_CONDITION && answer.data.remaining() > 4;
                    return new Outcome(answer.status(), sense ? answer.data.get(4) & 15 : 0);
                }
                case 0x25 -> {
                    int offset = answer.header.getInt(40);
                    into.put(start + offset, answer.data, 0, answer.data.remaining());
                    if ((answer.header.get(1) & 1) != 0) {
                        nextStatus = answer.header.getInt(24) + 1;
                        return new Outcome(answer.status(), 0);
                    }
                }
                case 0x32 -> nextStatus = answer.header.getInt(24) + 1;
                default ->
                        throw new IOException(
                                String.format(Locale.ROOT, "PDU %#x", answer.opcode()));
            }
        }
    }

    /// The target asks whether somebody is there.
    private void pong(Answer ping) throws IOException {
        int transfer = ping.header.getInt(20);
        if (transfer == NOBODY) {
            return;
        }
        ByteBuffer pong = ByteBuffer.allocate(HEADER);
        pong.put(0, (byte) IMMEDIATE).put(1, (byte) FINAL).putLong(8, ping.header.getLong(8));
        pong.putInt(16, NOBODY).putInt(20, transfer);
        pong.putInt(24, commandNumber).putInt(28, nextStatus);
        send(pong, new byte[0]);
    }

    private static ByteBuffer cdb(int operation, int flags, long offset, int length) {
        ByteBuffer cdb = ByteBuffer.allocate(16);
        return cdb.put(0, (byte) operation)
                .put(1, (byte) flags)
                .putLong(2, offset / BLOCK)
                .putInt(10, length / BLOCK);
    }

    @Override
    public int ask(int type, long offset, int length, ByteBuffer data) throws IOException {
        ByteBuffer nothing = ByteBuffer.allocate(0);
        if (type == Nbd.READ) {
            Outcome outcome = again(cdb(0x88, 0, offset, length), new byte[0], data);
            data.position(0);
            return code(outcome);
        }
        if (type == Nbd.WRITE) {
            byte[] bytes = new byte[length];
            data.duplicate().get(bytes);
            return code(again(cdb(0x8a, 0, offset, length), bytes, nothing));
        }
        // WRITE SAME of zeroes; a trim lets the blocks go.
        int unmap = type == Nbd.TRIM ? 8 : 0;
        return code(again(cdb(0x93, unmap, offset, length), new byte[BLOCK], nothing));
    }

    private static int code(Outcome outcome) {
        return outcome.status == GOOD ? 0 : outcome.status << 8 | outcome.senseKey;
    }

    /// What was not done is asked for again for a while: both are harmless to repeat.
    private Outcome again(ByteBuffer cdb, byte[] out, ByteBuffer into) throws IOException {
        long until = System.nanoTime() + RETRIES.toNanos();
        while (true) {
            Outcome outcome = command(cdb, out, into);
            if (!notDone(outcome) || System.nanoTime() > until) {
                return outcome;
            }
            pause();
        }
    }

    private static boolean notDone(Outcome outcome) {
        return outcome.status == BUSY
                || outcome.status == TASK_SET_FULL
                || outcome.status == CHECK_CONDITION && outcome.senseKey == UNIT_ATTENTION;
    }

    private static void pause() throws IOException {
        try {
            TimeUnit.MILLISECONDS.sleep(50);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException(e);
        }
    }

    /// COMPARE AND WRITE of one block.
    ///
    /// @return false where it held something else
    /// @throws IOException whether it was written is not known
    boolean compareAndWrite(long offset, ByteBuffer expected, ByteBuffer data) throws IOException {
        byte[] both = new byte[2 * BLOCK];
        expected.duplicate().get(both, 0, BLOCK);
        data.duplicate().get(both, BLOCK, BLOCK);
        ByteBuffer cdb = ByteBuffer.allocate(16).put(0, (byte) 0x89).putLong(2, offset / BLOCK);
        Outcome outcome;
        do {
            outcome = command(cdb.put(13, (byte) 1), both, ByteBuffer.allocate(0));
            // After a unit attention nothing was begun; BUSY may be said of what was.
        } while (outcome.status == CHECK_CONDITION && outcome.senseKey == UNIT_ATTENTION);
        if (outcome.status == CHECK_CONDITION && outcome.senseKey == MISCOMPARE) {
            return false;
        }
        if (outcome.status != GOOD) {
            throw new IOException("COMPARE AND WRITE: " + outcome);
        }
        return true;
    }

    @Override
    public void close() throws IOException {
        socket.close();
    }
}
