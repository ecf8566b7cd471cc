package io.cistern.iscsi;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import io.cistern.iscsi.login.TextKeys;
import io.cistern.iscsi.pdu.DataIn;
import io.cistern.iscsi.pdu.DataOut;
import io.cistern.iscsi.pdu.Digests;
import io.cistern.iscsi.pdu.LoginRequest;
import io.cistern.iscsi.pdu.LoginResponse;
import io.cistern.iscsi.pdu.LoginStage;
import io.cistern.iscsi.pdu.Pdu;
import io.cistern.iscsi.pdu.PduDecoder;
import io.cistern.iscsi.pdu.PduEncoder;
import io.cistern.iscsi.pdu.ReadyToTransfer;
import io.cistern.iscsi.pdu.ScsiRequest;
import io.cistern.iscsi.pdu.ScsiResponse;
import io.cistern.iscsi.pdu.TextRequest;
import io.cistern.iscsi.pdu.TextResponse;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import io.netty.channel.embedded.EmbeddedChannel;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// An initiator that does just what a test says, right or wrong, over a blocking socket.
final class RawInitiator implements AutoCloseable {
    static final String NAME = "iqn.2026-11.org.example:raw";
    static final int LIMIT_MS = 8_000;

    private final Socket socket;
    private final PduEncoder encoder = new PduEncoder();
    private final PduDecoder decoder = new PduDecoder(PduDecoder.Side.INITIATOR, 0xffffff);
    private final EmbeddedChannel out = new EmbeddedChannel(encoder);
    private final EmbeddedChannel in = new EmbeddedChannel(decoder);
    private final byte[] buffer = new byte[65_536];

    /// With their data, which tests look at and need not release.
    private final List<Pdu> received = new ArrayList<>();

    int cmdSn = 1;
    int nextItt = 1;
    int isid = 1;
    int tsih;
    String name = NAME;
    Map<String, String> answers = new LinkedHashMap<>();

    RawInitiator(int port) throws IOException {
        socket = new Socket(InetAddress.getLoopbackAddress(), port);
        socket.setSoTimeout(LIMIT_MS);
        socket.setTcpNoDelay(true);
    }

    /// Logged in to the served disk, with these keys beside the names.
    static RawInitiator login(Served served, String... keys) throws IOException {
        RawInitiator initiator = new RawInitiator(served.port());
        LoginResponse response = initiator.logIn(Served.TARGET, keys);
        assertThat(response.status()).isZero();
        return initiator;
    }

    static RawInitiator discovery(Served served) throws IOException {
        RawInitiator initiator = new RawInitiator(served.port());
        assertThat(initiator.logIn(null).status()).isZero();
        return initiator;
    }

    /// One request straight to the full feature phase.
    LoginResponse logIn(@Nullable String target, String... keys) throws IOException {
        Map<String, String> text = new LinkedHashMap<>();
        text.put("InitiatorName", name);
        if (target == null) {
            text.put("SessionType", "Discovery");
        } else {
            text.put("TargetName", target);
        }
        for (int i = 0; i < keys.length; i += 2) {
            text.put(keys[i], keys[i + 1]);
        }
        send(
                new LoginRequest(
                        new LoginStage(
                                true, false, LoginStage.OPERATIONAL, LoginStage.FULL_FEATURE),
                        0,
                        0,
                        isid,
                        tsih,
                        nextItt++,
                        0,
                        cmdSn,
                        0,
                        TextKeys.format(text, out.alloc())));
        LoginResponse response = receive(LoginResponse.class);
        if (response.status() == 0) {
            tsih = response.tsih();
            answers = TextKeys.parse(response.data());
            Digests digests =
                    new Digests(
                            "CRC32C".equals(answers.get("HeaderDigest")),
                            "CRC32C".equals(answers.get("DataDigest")));
            encoder.digests(digests);
            decoder.limits(digests, 0xffffff);
        }
        return response;
    }

    byte[] encode(Pdu pdu) {
        out.writeOutbound(pdu);
        ByteBuf all = Unpooled.buffer();
        while (out.readOutbound() instanceof ByteBuf part) {
            all.writeBytes(part);
            part.release();
        }
        return ByteBufUtil.getBytes(all);
    }

    void send(Pdu... pdus) throws IOException {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        for (Pdu pdu : pdus) {
            all.writeBytes(encode(pdu));
        }
        sendBytes(all.toByteArray());
    }

    void sendBytes(byte[] bytes) throws IOException {
        socket.getOutputStream().write(bytes);
        socket.getOutputStream().flush();
    }

    /// The next PDU, or null at the end of the stream.
    @Nullable Pdu receive() throws IOException {
        while (true) {
            Object next = in.readInbound();
            if (next instanceof Pdu pdu) {
                if (pdu.data() != Unpooled.EMPTY_BUFFER) {
                    received.add(pdu);
                }
                return pdu;
            }
            int n;
            try {
                n = socket.getInputStream().read(buffer);
            } catch (SocketTimeoutException e) {
                throw e;
            } catch (IOException e) {
                return null;
            }
            if (n < 0) {
                return null;
            }
            in.writeInbound(Unpooled.copiedBuffer(buffer, 0, n));
        }
    }

    <T extends Pdu> T receive(Class<T> type) throws IOException {
        Pdu pdu = receive();
        assertThat(pdu).isInstanceOf(type);
        return type.cast(pdu);
    }

    /// Whether nothing comes within that time.
    boolean quiet(int millis) throws IOException {
        socket.setSoTimeout(millis);
        try {
            Pdu pdu = receive();
            return fail("nothing should have come, but %s did", pdu);
        } catch (SocketTimeoutException e) {
            return true;
        } finally {
            socket.setSoTimeout(LIMIT_MS);
        }
    }

    void expectEnd() throws IOException {
        Pdu pdu = receive();
        while (pdu != null) {
            pdu = receive();
        }
    }

    // ---- commands ------------------------------------------------------------------------------

    static ByteBuffer cdb(int opcode, long lba, int blocks) {
        return ByteBuffer.allocate(16).put(0, (byte) opcode).putLong(2, lba).putInt(10, blocks);
    }

    static ByteBuffer testUnitReady() {
        return ByteBuffer.allocate(16);
    }

    ScsiRequest command(ByteBuffer cdb) {
        return request(true, false, false, 0, cdb, new byte[0]);
    }

    ScsiRequest read(long lba, int blocks, int expected) {
        return request(true, true, false, expected, cdb(0x88, lba, blocks), new byte[0]);
    }

    ScsiRequest write(boolean last, long lba, int blocks, int expected, byte[] immediate) {
        return request(last, false, true, expected, cdb(0x8a, lba, blocks), immediate);
    }

    ScsiRequest request(
            boolean last, boolean read, boolean write, int expected, ByteBuffer cdb, byte[] data) {
        return new ScsiRequest(
                new ScsiRequest.Flags(false, last, read, write, 1),
                0,
                nextItt++,
                expected,
                cmdSn++,
                0,
                cdb,
                0,
                Unpooled.copiedBuffer(data));
    }

    static DataOut dataOut(
            boolean last, int itt, int ttt, int dataSn, int offset, byte[] data, int length) {
        return new DataOut(
                last, 0, itt, ttt, 0, dataSn, offset, Unpooled.copiedBuffer(data, offset, length));
    }

    /// Answers an R2T in PDUs of at most `segment` bytes.
    void answer(ReadyToTransfer r2t, byte[] data, int segment) throws IOException {
        int sn = 0;
        int end = r2t.bufferOffset() + r2t.length();
        for (int at = r2t.bufferOffset(); at < end; ) {
            int n = Math.min(segment, end - at);
            send(dataOut(at + n == end, r2t.itt(), r2t.ttt(), sn++, at, data, n));
            at += n;
        }
    }

    /// Writes as the target asks for it.
    ScsiResponse writeAll(long lba, byte[] data, int immediate) throws IOException {
        byte[] first = java.util.Arrays.copyOf(data, immediate);
        send(write(true, lba, data.length / MemoryTarget.BLOCK, data.length, first));
        while (true) {
            switch (receive()) {
                case ReadyToTransfer r2t -> answer(r2t, data, 8_192);
                case ScsiResponse response -> {
                    return response;
                }
                case null, default -> fail("an R2T or a response was due");
            }
        }
    }

    /// Reads and checks that every Data-In is in order.
    byte[] readAll(long lba, int blocks) throws IOException {
        int length = blocks * MemoryTarget.BLOCK;
        send(read(lba, blocks, length));
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        for (int sn = 0; ; sn++) {
            DataIn data = receive(DataIn.class);
            assertThat(data.dataSn()).isEqualTo(sn);
            assertThat(data.bufferOffset()).isEqualTo(all.size());
            all.writeBytes(ByteBufUtil.getBytes(data.data()));
            received.remove(data);
            data.release();
            if (data.end() != null) {
                assertThat(data.end().status()).isZero();
                assertThat(all.size()).isEqualTo(length);
                return all.toByteArray();
            }
        }
    }

    /// Sends a command without data and waits for its status.
    int status() throws IOException {
        ScsiRequest request = command(testUnitReady());
        send(request);
        ScsiResponse response = receive(ScsiResponse.class);
        assertThat(response.itt()).isEqualTo(request.itt());
        return response.status();
    }

    /// A text request and all of its answer.
    String text(String key, String value) throws IOException {
        ByteBuf question = Unpooled.buffer();
        TextKeys.append(question, key, value);
        StringBuilder all = new StringBuilder();
        int ttt = Pdu.NO_TAG;
        while (true) {
            send(new TextRequest(false, true, false, 0, nextItt++, ttt, cmdSn++, 0, question));
            TextResponse response = receive(TextResponse.class);
            all.append(response.data().toString(java.nio.charset.StandardCharsets.UTF_8));
            if (response.last()) {
                assertThat(response.ttt()).isEqualTo(Pdu.NO_TAG);
                return all.toString().replace('\0', '\n');
            }
            ttt = response.ttt();
            question = Unpooled.EMPTY_BUFFER;
        }
    }

    @Override
    public void close() throws IOException {
        socket.close();
        for (Pdu pdu : received) {
            if (pdu.data().refCnt() > 0) {
                pdu.release();
            }
        }
        received.clear();
        in.finishAndReleaseAll();
        out.finishAndReleaseAll();
    }
}
