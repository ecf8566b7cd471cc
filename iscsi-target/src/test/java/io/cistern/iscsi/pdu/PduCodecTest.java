package io.cistern.iscsi.pdu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import io.netty.channel.embedded.EmbeddedChannel;
import io.netty.handler.codec.CorruptedFrameException;
import io.netty.handler.codec.TooLongFrameException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class PduCodecTest {
    private static final int MAX_DATA = 4_096;
    private static final List<Digests> DIGESTS =
            List.of(
                    Digests.NONE,
                    new Digests(true, false),
                    new Digests(false, true),
                    new Digests(true, true));

    @Provide
    Arbitrary<Pdu> requests() {
        return Arbitraries.randoms().map(random -> request(random, random.nextInt(8)));
    }

    @Provide
    Arbitrary<Pdu> responses() {
        return Arbitraries.randoms().map(random -> response(random, random.nextInt(10)));
    }

    private static ByteBuf data(Random r) {
        byte[] bytes = new byte[r.nextInt(4) == 0 ? 0 : r.nextInt(300)];
        r.nextBytes(bytes);
        return Unpooled.wrappedBuffer(bytes);
    }

    private static Pdu request(Random r, int kind) {
        return switch (kind) {
            case 0 ->
                    new NopOut(
                            r.nextBoolean(),
                            r.nextLong(),
                            r.nextInt(),
                            r.nextInt(),
                            r.nextInt(),
                            r.nextInt(),
                            data(r));
            case 1 -> scsi(r);
            case 2 ->
                    new TaskManagementRequest(
                            r.nextBoolean(),
                            r.nextInt(128),
                            r.nextLong(),
                            r.nextInt(),
                            r.nextInt(),
                            r.nextInt(),
                            r.nextInt(),
                            r.nextInt(),
                            r.nextInt());
            case 3 ->
                    new LoginRequest(
                            stage(r),
                            r.nextInt(256),
                            r.nextInt(256),
                            r.nextLong() >>> 16,
                            r.nextInt(65_536),
                            r.nextInt(),
                            r.nextInt(65_536),
                            r.nextInt(),
                            r.nextInt(),
                            data(r));
            case 4 ->
                    new TextRequest(
                            r.nextBoolean(),
                            r.nextBoolean(),
                            r.nextBoolean(),
                            r.nextLong(),
                            r.nextInt(),
                            r.nextInt(),
                            r.nextInt(),
                            r.nextInt(),
                            data(r));
            case 5 ->
                    new DataOut(
                            r.nextBoolean(),
                            r.nextLong(),
                            r.nextInt(),
                            r.nextInt(),
                            r.nextInt(),
                            r.nextInt(),
                            r.nextInt(),
                            data(r));
            case 6 ->
                    new LogoutRequest(
                            r.nextBoolean(),
                            r.nextInt(128),
                            r.nextInt(),
                            r.nextInt(65_536),
                            r.nextInt(),
                            r.nextInt());
            default ->
                    new SnackRequest(
                            r.nextInt(16),
                            r.nextLong(),
                            r.nextInt(),
                            r.nextInt(),
                            r.nextInt(),
                            r.nextInt(),
                            r.nextInt());
        };
    }

    private static ScsiRequest scsi(Random r) {
        byte[] cdb = new byte[r.nextBoolean() ? 16 : 17 + r.nextInt(244)];
        r.nextBytes(cdb);
        return new ScsiRequest(
                new ScsiRequest.Flags(
                        r.nextBoolean(),
                        r.nextBoolean(),
                        r.nextBoolean(),
                        r.nextBoolean(),
                        r.nextInt(8)),
                r.nextLong(),
                r.nextInt(),
                r.nextInt(),
                r.nextInt(),
                r.nextInt(),
                ByteBuffer.wrap(cdb),
                r.nextInt(3) == 0 ? r.nextInt() : 0,
                data(r));
    }

    private static LoginStage stage(Random r) {
        return new LoginStage(r.nextBoolean(), r.nextBoolean(), r.nextInt(4), r.nextInt(4));
    }

    private static TargetNumbers numbers(Random r) {
        return new TargetNumbers(r.nextInt(), r.nextInt(), r.nextInt());
    }

    private static Residual residual(Random r) {
        return switch (r.nextInt(3)) {
            case 0 -> Residual.NONE;
            case 1 -> new Residual(Residual.Kind.UNDERFLOW, r.nextInt());
            default -> new Residual(Residual.Kind.OVERFLOW, r.nextInt());
        };
    }

    private static Pdu response(Random r, int kind) {
        return switch (kind) {
            case 0 -> new NopIn(r.nextLong(), r.nextInt(), r.nextInt(), numbers(r), data(r));
            case 1 ->
                    new ScsiResponse(
                            r.nextInt(256),
                            r.nextInt(256),
                            r.nextInt(),
                            numbers(r),
                            r.nextInt(),
                            residual(r),
                            residual(r),
                            data(r));
            case 2 -> new TaskManagementResponse(r.nextInt(256), r.nextInt(), numbers(r));
            case 3 ->
                    new LoginResponse(
                            stage(r),
                            r.nextLong() >>> 16,
                            r.nextInt(65_536),
                            r.nextInt(),
                            numbers(r),
                            r.nextInt(65_536),
                            data(r));
            case 4 ->
                    new TextResponse(
                            r.nextBoolean(),
                            r.nextBoolean(),
                            r.nextLong(),
                            r.nextInt(),
                            r.nextInt(),
                            numbers(r),
                            data(r));
            case 5 ->
                    new DataIn(
                            r.nextBoolean(),
                            r.nextBoolean() ? new DataIn.End(r.nextInt(256), residual(r)) : null,
                            r.nextLong(),
                            r.nextInt(),
                            numbers(r),
                            r.nextInt(),
                            r.nextInt(),
                            data(r));
            case 6 ->
                    new LogoutResponse(
                            r.nextInt(256),
                            r.nextInt(),
                            numbers(r),
                            r.nextInt(65_536),
                            r.nextInt(65_536));
            case 7 ->
                    new ReadyToTransfer(
                            r.nextLong(),
                            r.nextInt(),
                            r.nextInt(),
                            numbers(r),
                            r.nextInt(),
                            r.nextInt(),
                            r.nextInt());
            case 8 ->
                    new AsyncMessage(
                            r.nextLong(),
                            numbers(r),
                            r.nextInt(256),
                            new AsyncMessage.Parameters(
                                    r.nextInt(65_536), r.nextInt(65_536), r.nextInt(65_536)),
                            data(r));
            default -> new Reject(r.nextInt(256), numbers(r), r.nextInt(), data(r));
        };
    }

    private static byte[] encode(Pdu pdu, Digests digests) {
        PduEncoder encoder = new PduEncoder();
        encoder.digests(digests);
        EmbeddedChannel channel = new EmbeddedChannel(encoder);
        channel.writeOutbound(pdu);
        ByteBuf all = Unpooled.buffer();
        while (channel.readOutbound() instanceof ByteBuf part) {
            all.writeBytes(part);
            part.release();
        }
        channel.finishAndReleaseAll();
        if (pdu.data().refCnt() > 0) {
            pdu.data().readerIndex(0);
        }
        return ByteBufUtil.getBytes(all);
    }

    private static EmbeddedChannel decoder(PduDecoder.Side side, Digests digests) {
        PduDecoder decoder = new PduDecoder(side, MAX_DATA);
        decoder.limits(digests, MAX_DATA);
        return new EmbeddedChannel(decoder);
    }

    private static List<Object> decode(
            PduDecoder.Side side, Digests digests, byte[] bytes, int... cuts) {
        EmbeddedChannel channel = decoder(side, digests);
        int at = 0;
        for (int cut : cuts) {
            channel.writeInbound(Unpooled.copiedBuffer(bytes, at, cut - at));
            at = cut;
        }
        channel.writeInbound(Unpooled.copiedBuffer(bytes, at, bytes.length - at));
        List<Object> found = new ArrayList<>();
        for (Object o = channel.readInbound(); o != null; o = channel.readInbound()) {
            found.add(o);
        }
        channel.finishAndReleaseAll();
        return found;
    }

    @Property(tries = 500)
    void requestsComeBackFromBytes(
            @ForAll("requests") Pdu pdu, @ForAll @IntRange(max = 3) int digests) {
        comesBack(PduDecoder.Side.TARGET, pdu, DIGESTS.get(digests));
    }

    @Property(tries = 500)
    void responsesComeBackFromBytes(
            @ForAll("responses") Pdu pdu, @ForAll @IntRange(max = 3) int digests) {
        comesBack(PduDecoder.Side.INITIATOR, pdu, DIGESTS.get(digests));
    }

    private static void comesBack(PduDecoder.Side side, Pdu pdu, Digests digests) {
        pdu.data().retain();
        byte[] bytes = encode(pdu, digests);
        assertThat(bytes.length % 4).isZero();
        assertThat(decode(side, digests, bytes)).containsExactly(pdu);
    }

    @Property(tries = 15)
    void everySplitOfTwoPdusGivesTheSame(
            @ForAll("requests") Pdu first,
            @ForAll("requests") Pdu second,
            @ForAll @IntRange(max = 3) int digests) {
        first.data().retain();
        second.data().retain();
        byte[] bytes =
                Unpooled.copiedBuffer(
                                encode(first, DIGESTS.get(digests)),
                                encode(second, DIGESTS.get(digests)))
                        .array();
        for (int cut = 0; cut <= bytes.length; cut++) {
            assertThat(decode(PduDecoder.Side.TARGET, DIGESTS.get(digests), bytes, cut))
                    .containsExactly(first, second);
        }
        int[] everywhere = java.util.stream.IntStream.range(1, bytes.length).toArray();
        assertThat(decode(PduDecoder.Side.TARGET, DIGESTS.get(digests), bytes, everywhere))
                .containsExactly(first, second);
    }

    @Property(tries = 200)
    void aFlippedBitIsCaughtByTheDigests(
            @ForAll("requests") Pdu pdu, @ForAll @IntRange(max = 100_000) int where) {
        byte[] bytes = encode(pdu, DIGESTS.get(3));
        int bit = where % (bytes.length * 8);
        bytes[bit / 8] ^= (byte) (1 << bit % 8);
        try {
            List<Object> found = decode(PduDecoder.Side.TARGET, DIGESTS.get(3), bytes);
            assertThat(found).noneMatch(Pdu.class::isInstance);
        } catch (CorruptedFrameException | TooLongFrameException e) {
            assertThat(e).hasMessageNotContaining("null");
        }
    }

    @Property(tries = 300)
    void garbageGivesNoOtherExceptionThanTheDecodersOwn(@ForAll byte[] garbage) {
        try {
            decode(PduDecoder.Side.TARGET, Digests.NONE, garbage).forEach(PduCodecTest::free);
        } catch (CorruptedFrameException | TooLongFrameException e) {
            assertThat(e).hasMessageNotContaining("null");
        }
    }

    private static void free(Object message) {
        if (message instanceof Pdu pdu) {
            pdu.release();
        }
    }

    /// RFC 7143 appendix A gives these CRC32C values with their bytes in wire order.
    @Test
    void digestIsTheOneOfTheRfc() {
        ByteBuf zeroes = Unpooled.wrappedBuffer(new byte[32]);
        assertThat(Integer.reverseBytes(Digests.of(zeroes, 0, 32))).isEqualTo(0xaa36918a);
        byte[] command =
                HexFormat.of()
                        .parseHex(
                                "01c00000000000000000000000000000140000000000040000000014"
                                        + "0000001828000000000000000200000000000000");
        assertThat(Integer.reverseBytes(Digests.of(Unpooled.wrappedBuffer(command), 0, 48)))
                .isEqualTo(0x563a96d9);
    }

    @Test
    void aSegmentOverTheLimitIsRefusedByItsHeader() {
        byte[] bytes = encode(request(new Random(1), 0), Digests.NONE);
        bytes[5] = 1;
        assertThatThrownBy(() -> decode(PduDecoder.Side.TARGET, Digests.NONE, bytes))
                .isInstanceOf(TooLongFrameException.class);
    }

    @Test
    void aBadAdditionalHeaderLeavesTheStreamInStep() {
        ScsiRequest request =
                new ScsiRequest(
                        new ScsiRequest.Flags(false, true, false, false, 0),
                        0,
                        1,
                        0,
                        1,
                        1,
                        ByteBuffer.allocate(32),
                        0,
                        Unpooled.EMPTY_BUFFER);
        byte[] bad = encode(request, Digests.NONE);
        bad[48] = 0x7f;
        byte[] good = encode(request(new Random(2), 6), Digests.NONE);
        List<Object> found =
                decode(
                        PduDecoder.Side.TARGET,
                        Digests.NONE,
                        Unpooled.copiedBuffer(bad, good).array());
        assertThat(found).hasSize(2);
        assertThat(found.get(0))
                .isInstanceOfSatisfying(
                        Malformed.class,
                        m -> assertThat(m.kind()).isEqualTo(Malformed.Kind.BAD_HEADER));
        assertThat(found.get(1)).isInstanceOf(LogoutRequest.class);
    }

    @Test
    void anUnknownOpcodeIsToldAndSkipped() {
        byte[] bytes = encode(request(new Random(3), 0), Digests.NONE);
        bytes[0] = 0x1e;
        assertThat(decode(PduDecoder.Side.TARGET, Digests.NONE, bytes))
                .singleElement()
                .isInstanceOfSatisfying(
                        Malformed.class,
                        m -> assertThat(m.kind()).isEqualTo(Malformed.Kind.UNKNOWN_OPCODE));
    }
}
