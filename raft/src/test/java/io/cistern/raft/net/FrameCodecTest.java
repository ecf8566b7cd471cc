package io.cistern.raft.net;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.PooledByteBufAllocator;
import io.netty.buffer.Unpooled;
import io.netty.channel.embedded.EmbeddedChannel;
import io.netty.handler.codec.DecoderException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.UUID;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;

class FrameCodecTest {
    private static final int MAX_FRAME = 4096;
    private static final Frame.Hello HELLO =
            new Frame.Hello(Versions.CURRENT.field(), 1, 0, new UUID(1, 2), "n1");

    record Sent(int kind, int opcode, long correlation, List<byte[]> parts) {
        byte[] payload() {
            ByteBuf all = Unpooled.buffer();
            parts.forEach(all::writeBytes);
            return ByteBufUtil.getBytes(all);
        }
    }

    @Provide
    Arbitrary<Sent> messages() {
        Arbitrary<List<byte[]>> parts =
                Arbitraries.bytes().array(byte[].class).ofMaxSize(900).list().ofMaxSize(4);
        return Combinators.combine(
                        Arbitraries.integers().between(Frame.REQUEST, Frame.ERROR),
                        Arbitraries.integers().between(0, 255),
                        Arbitraries.longs(),
                        parts)
                .as(Sent::new);
    }

    private static byte[] encode(Sent sent) {
        Frame.Encoded encoded =
                Frame.encode(
                        ByteBufAllocator.DEFAULT,
                        new Frame.Message(
                                sent.kind(),
                                sent.opcode(),
                                sent.correlation(),
                                Unpooled.EMPTY_BUFFER),
                        MAX_FRAME,
                        sent.parts().stream().map(Unpooled::wrappedBuffer).toArray(ByteBuf[]::new));
        ByteBuf all = Unpooled.buffer();
        all.writeBytes(encoded.head());
        for (ByteBuf part : encoded.parts()) {
            all.writeBytes(part);
        }
        assertThat(all.readableBytes()).isEqualTo(encoded.bytes());
        encoded.release();
        return ByteBufUtil.getBytes(all);
    }

    private static byte[] hello() {
        ByteBuf out = HELLO.encode(ByteBufAllocator.DEFAULT);
        byte[] bytes = ByteBufUtil.getBytes(out);
        out.release();
        return bytes;
    }

    /// The hello and the messages, as they are on the wire.
    private static byte[] stream(List<Sent> messages) {
        ByteBuf all = Unpooled.buffer();
        all.writeBytes(hello());
        messages.forEach(m -> all.writeBytes(encode(m)));
        return ByteBufUtil.getBytes(all);
    }

    private static List<Frame> drain(EmbeddedChannel channel) {
        List<Frame> frames = new ArrayList<>();
        for (Frame f = channel.readInbound(); f != null; f = channel.readInbound()) {
            frames.add(f);
        }
        return frames;
    }

    private static void assertReceived(List<Frame> frames, List<Sent> messages) {
        assertThat(frames).hasSize(messages.size() + 1);
        assertThat(frames.getFirst()).isEqualTo(HELLO);
        for (int i = 0; i < messages.size(); i++) {
            Frame.Message got = (Frame.Message) frames.get(i + 1);
            Sent sent = messages.get(i);
            assertThat(got.kind()).isEqualTo(sent.kind());
            assertThat(got.opcode()).isEqualTo(sent.opcode());
            assertThat(got.correlation()).isEqualTo(sent.correlation());
            assertThat(ByteBufUtil.getBytes(got.payload())).isEqualTo(sent.payload());
            got.payload().release();
        }
    }

    @Property(tries = 200)
    void framesSurviveAnyTwoCuts(
            @ForAll("messages") Sent first,
            @ForAll("messages") Sent second,
            @ForAll @IntRange(max = 10_000) int cut1,
            @ForAll @IntRange(max = 10_000) int cut2) {
        List<Sent> messages = List.of(first, second);
        byte[] bytes = stream(messages);
        int a = Math.min(cut1 % bytes.length, cut2 % bytes.length);
        int b = Math.max(cut1 % bytes.length, cut2 % bytes.length);
        EmbeddedChannel channel = new EmbeddedChannel(new FrameDecoder(MAX_FRAME, false));
        channel.writeInbound(Unpooled.copiedBuffer(bytes, 0, a));
        channel.writeInbound(Unpooled.copiedBuffer(bytes, a, b - a));
        channel.writeInbound(Unpooled.copiedBuffer(bytes, b, bytes.length - b));
        assertReceived(drain(channel), messages);
        channel.finishAndReleaseAll();
    }

    @Property(tries = 50)
    void framesSurviveEverySingleCutAndSingleBytes(@ForAll("messages") Sent message) {
        List<Sent> messages = List.of(message);
        byte[] bytes = stream(messages);
        int step = Math.max(1, bytes.length / 200);
        for (int cut = 0; cut < bytes.length; cut += cut < 100 ? 1 : step) {
            EmbeddedChannel channel = new EmbeddedChannel(new FrameDecoder(MAX_FRAME, false));
            channel.writeInbound(Unpooled.copiedBuffer(bytes, 0, cut));
            channel.writeInbound(Unpooled.copiedBuffer(bytes, cut, bytes.length - cut));
            assertReceived(drain(channel), messages);
            channel.finishAndReleaseAll();
        }
        EmbeddedChannel channel = new EmbeddedChannel(new FrameDecoder(MAX_FRAME, false));
        for (byte b : bytes) {
            channel.writeInbound(Unpooled.wrappedBuffer(new byte[] {b}));
        }
        assertReceived(drain(channel), messages);
        channel.finishAndReleaseAll();
    }

    @Property(tries = 500)
    void aFlippedBitNeverYieldsAWrongFrame(
            @ForAll("messages") Sent message, @ForAll @IntRange(max = 100_000) int bit) {
        byte[] bytes = stream(List.of(message));
        int at = bit % (bytes.length * 8);
        bytes[at / 8] ^= (byte) (1 << (at % 8));
        EmbeddedChannel channel = new EmbeddedChannel(new FrameDecoder(MAX_FRAME, false));
        boolean refused = false;
        try {
            channel.writeInbound(Unpooled.wrappedBuffer(bytes));
        } catch (DecoderException expected) {
            assertThat(expected).hasCauseInstanceOf(CisternException.class);
            refused = true;
        }
        List<Frame> frames = drain(channel);
        // What is left out may only be missing because the length now says there is more to come.
        if (!refused) {
            assertThat(frames).hasSizeLessThan(2);
        }
        for (Frame frame : frames) {
            assertThat(frame).isEqualTo(HELLO);
        }
        channel.finishAndReleaseAll();
    }

    @Property(tries = 500)
    void garbageIsRefusedAndNothingAfterItIsRead(
            @ForAll @Size(min = 4, max = 300) byte[] garbage, @ForAll boolean afterHello) {
        EmbeddedChannel channel = new EmbeddedChannel(new FrameDecoder(64, false));
        if (afterHello) {
            channel.writeInbound(Unpooled.wrappedBuffer(hello()));
            assertThat(drain(channel)).hasSize(1);
        }
        boolean refused = false;
        try {
            channel.writeInbound(Unpooled.wrappedBuffer(garbage));
            // A short announced length may still wait for its body.
            channel.writeInbound(Unpooled.wrappedBuffer(new byte[2000]));
        } catch (DecoderException expected) {
            assertThat(expected).hasCauseInstanceOf(CisternException.class);
            refused = true;
        }
        assertThat(refused).isTrue();
        channel.writeInbound(Unpooled.wrappedBuffer(hello()));
        assertThat(drain(channel)).isEmpty();
        channel.finishAndReleaseAll();
    }

    @Property(tries = 200)
    void aTruncatedStreamYieldsOnlyWholeFrames(
            @ForAll("messages") Sent message, @ForAll @IntRange(max = 10_000) int at) {
        byte[] bytes = stream(List.of(message));
        int cut = at % bytes.length;
        EmbeddedChannel channel = new EmbeddedChannel(new FrameDecoder(MAX_FRAME, false));
        channel.writeInbound(Unpooled.copiedBuffer(bytes, 0, cut));
        assertThat(drain(channel)).hasSize(cut >= hello().length ? 1 : 0);
        channel.finishAndReleaseAll();
    }

    /// More than a length field alone is trusted with, in pieces of many sizes.
    @Property(tries = 10)
    void longFramesAreGathered(
            @ForAll @IntRange(min = 1, max = 5 << 20) int payload,
            @ForAll @IntRange(min = 1_000, max = 300_000) int piece,
            @ForAll boolean onHeap) {
        byte[] data = new byte[payload];
        new java.util.Random(payload).nextBytes(data);
        Frame.Encoded encoded =
                Frame.encode(
                        ByteBufAllocator.DEFAULT,
                        new Frame.Message(Frame.REQUEST, 1, 2, Unpooled.EMPTY_BUFFER),
                        8 << 20,
                        Unpooled.wrappedBuffer(data));
        ByteBuf wire = Unpooled.wrappedBuffer(Unpooled.wrappedBuffer(hello()), encoded.head());
        wire = Unpooled.wrappedBuffer(wire, Unpooled.wrappedBuffer(encoded.parts()));
        EmbeddedChannel channel = new EmbeddedChannel(new FrameDecoder(8 << 20, onHeap));
        while (wire.isReadable()) {
            channel.writeInbound(wire.readRetainedSlice(Math.min(piece, wire.readableBytes())));
        }
        List<Frame> frames = drain(channel);
        assertThat(frames).hasSize(2);
        ByteBuf got = ((Frame.Message) frames.getLast()).payload();
        assertThat(ByteBufUtil.getBytes(got)).isEqualTo(data);
        got.release();
        wire.release();
        channel.finishAndReleaseAll();
    }

    @Test
    void whatWasGatheredOfAFrameIsReleasedWithTheConnection() {
        PooledByteBufAllocator pool = new PooledByteBufAllocator(true);
        EmbeddedChannel channel = new EmbeddedChannel(new FrameDecoder(MAX_FRAME, false));
        channel.config().setAllocator(pool);
        channel.writeInbound(Unpooled.wrappedBuffer(hello()));
        channel.writeInbound(Unpooled.buffer().writeInt(4000).writeZero(100));
        assertThat(pool.metric().directArenas().stream().mapToLong(a -> a.numActiveAllocations()))
                .containsOnlyOnce(1L);
        channel.finishAndReleaseAll();
        assertThat(pool.metric().directArenas().stream().mapToLong(a -> a.numActiveAllocations()))
                .containsOnly(0L);
    }

    @Test
    void anOversizeFrameIsRefusedByItsLengthAlone() {
        EmbeddedChannel channel = new EmbeddedChannel(new FrameDecoder(MAX_FRAME, false));
        channel.writeInbound(Unpooled.wrappedBuffer(hello()));
        assertThatThrownBy(() -> channel.writeInbound(Unpooled.buffer().writeInt(MAX_FRAME + 1)))
                .hasRootCauseInstanceOf(CisternException.class)
                .hasMessageContaining("frame of 4097 bytes");
        channel.finishAndReleaseAll();
    }

    @Test
    void anOversizeMessageIsRefusedBeforeItIsSent() {
        ByteBuf part = Unpooled.buffer().writeZero(MAX_FRAME);
        assertThatThrownBy(() ->
                        Frame.encode(
                                ByteBufAllocator.DEFAULT,
                                new Frame.Message(1, 1, 1, Unpooled.EMPTY_BUFFER),
                                MAX_FRAME,
                                part))
                .isInstanceOfSatisfying(
                        CisternException.class,
                        e -> assertThat(e.code()).isEqualTo(ErrorCode.LIMIT));
        assertThat(part.refCnt()).isZero();
    }

    @Property
    void errorsKeepCodeAndMessage(@ForAll ErrorCode code, @ForAll String text) {
        CisternException sent = new CisternException(code, text);
        ByteBuf wire = Frame.encodeError(ByteBufAllocator.DEFAULT, sent);
        CisternException got = Frame.decodeError(wire);
        wire.release();
        assertThat(got.code()).isEqualTo(code);
        byte[] utf8 = text.getBytes(java.nio.charset.StandardCharsets.UTF_8);
        if (utf8.length <= Frame.MAX_TEXT_BYTES) {
            assertThat(got.getMessage())
                    .isEqualTo(new String(utf8, java.nio.charset.StandardCharsets.UTF_8));
        } else {
            assertThat(got.getMessage()).hasSizeLessThanOrEqualTo(Frame.MAX_TEXT_BYTES);
        }
    }

    /// The bytes of version 1. A change here breaks clusters in the middle of an upgrade.
    @Test
    void version1OnTheWire() {
        assertThat(HexFormat.of().formatHex(hello()))
                .isEqualTo(
                        "4353544e"
                                + "0001"
                                + "01"
                                + "00"
                                + "0002"
                                + "00000000000000010000000000000002"
                                + "f9e1dcc6"
                                + "6e31");
        byte[] message = encode(new Sent(Frame.REQUEST, 7, 9, List.of(new byte[] {1, 2, 3})));
        assertThat(HexFormat.of().formatHex(message))
                .isEqualTo(
                        "0000000f"
                                + "272d6d08"
                                + "01"
                                + "07"
                                + "0000"
                                + "0000000000000009"
                                + "010203");
    }
}
