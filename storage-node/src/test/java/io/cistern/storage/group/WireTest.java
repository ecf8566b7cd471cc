package io.cistern.storage.group;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.cistern.block.BlockDevice.Extent;
import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.GuardedDevice;
import io.cistern.block.GuardedDevice.SharedRecord;
import io.cistern.raft.GroupId;
import io.cistern.storage.Command.AttachMode;
import io.cistern.storage.Command.Limits;
import io.cistern.storage.Origin;
import io.cistern.storage.Usage;
import io.cistern.storage.VolumeState;
import io.cistern.storage.group.VolumeGroup.Range;
import io.cistern.storage.group.VolumeGroup.ReadRequest;
import io.cistern.storage.group.VolumeGroup.Receipt;
import io.cistern.storage.group.VolumeGroup.VolumeUsage;
import io.cistern.storage.group.VolumeGroup.VolumeUsage.SnapshotUsage;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.Function;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class WireTest {
    private static final List<Function<ByteBuf, Object>> FORMS =
            List.of(
                    WireRequest.Zero::decode,
                    WireRequest.Read::decode,
                    WireRequest.Extents::decode,
                    WireRequest.Describe::decode,
                    WireRequest.Plain::decode,
                    WireRequest.Diff::decode,
                    WireAnswer::receipt,
                    WireAnswer::extents,
                    WireAnswer::ranges,
                    WireAnswer::usage,
                    WireAnswer::volumeUsages,
                    WireAnswer::volume,
                    WireAnswer::record);

    /// Values drawn from one seed, so that a failing try can be repeated by its seed.
    private record Draw(Random random) {
        Draw(long seed) {
            this(new Random(seed));
        }

        long number() {
            return random.nextLong();
        }

        int upTo(int bound) {
            return random.nextInt(bound);
        }

        String text() {
            StringBuilder text = new StringBuilder();
            for (int i = upTo(20); i >= 0; i--) {
                text.appendCodePoint(new int[] {'a', '-', 0xe9, 0x4e2d, 0x1f4be}[upTo(5)]);
            }
            return text.toString();
        }

        @Nullable String optional() {
            return random.nextBoolean() ? text() : null;
        }

        GroupId group() {
            return new GroupId(number() >>> 1);
        }

        Origin origin() {
            return new Origin(number(), number(), number(), number());
        }

        ReadRequest read() {
            return new ReadRequest(number(), optional(), number(), number(), number());
        }

        <T> List<T> list(int max, Function<Draw, T> element) {
            List<T> list = new ArrayList<>();
            for (int i = upTo(max + 1); i > 0; i--) {
                list.add(element.apply(this));
            }
            return list;
        }
    }

    private static WireRequest request(Draw d, int kind) {
        return switch (kind) {
            case 0 ->
                    new WireRequest.Zero(
                            d.group(),
                            d.number(),
                            d.origin(),
                            d.number(),
                            d.number(),
                            d.random.nextBoolean());
            case 1 ->
                    new WireRequest.Read(
                            d.group(), d.read(), d.number(), d.upTo(Wire.MAX_DATA_BYTES + 1));
            case 2 ->
                    new WireRequest.Extents(
                            d.group(), d.read(), d.number(), d.number(), 1 + d.upTo(1000));
            case 3 -> new WireRequest.Describe(d.group(), d.number());
            case 4 -> new WireRequest.Plain(d.group());
            default ->
                    new WireRequest.Diff(
                            d.group(),
                            d.number(),
                            d.optional(),
                            d.optional(),
                            d.number(),
                            1 + d.upTo(1000));
        };
    }

    @Property
    void requestsSurviveTheWire(@ForAll long seed) {
        Draw draw = new Draw(seed);
        for (int kind = 0; kind <= 5; kind++) {
            WireRequest request = request(draw, kind);
            ByteBuf out = Unpooled.buffer();
            request.encode(out);
            assertThat(Wire.decode(out, FORMS.get(kind))).isEqualTo(request);
        }
    }

    @Property
    void writesSurviveTheWireWithTheirData(@ForAll long seed) {
        Draw draw = new Draw(seed);
        WireRequest.Write write =
                new WireRequest.Write(
                        draw.group(),
                        draw.number(),
                        draw.origin(),
                        draw.upTo(Pieces.MAX_PIECES),
                        draw.number());
        ByteBuf out = Unpooled.buffer();
        write.encode(out);
        assertThat(out.readableBytes()).isEqualTo(WireRequest.Write.BYTES);
        byte[] data = new byte[draw.upTo(5000)];
        draw.random.nextBytes(data);
        out.writeBytes(data);
        assertThat(WireRequest.Write.decode(out)).isEqualTo(write);
        byte[] arrived = new byte[data.length];
        Wire.rest(out).get(arrived);
        assertThat(arrived).isEqualTo(data);
    }

    @Property
    void atomicWritesSurviveTheWireWithTheirData(@ForAll long seed) {
        Draw draw = new Draw(seed);
        AtomicWrite.Kind kind = AtomicWrite.Kind.values()[draw.upTo(3)];
        byte[] data = new byte[draw.upTo(64 << 10)];
        draw.random.nextBytes(data);
        byte[] expected = new byte[kind == AtomicWrite.Kind.COMPARE ? data.length : 0];
        draw.random.nextBytes(expected);
        WireRequest.Atomic head =
                new WireRequest.Atomic(
                        draw.group(), draw.number(), draw.origin(), kind, draw.number());
        ByteBuf out = Unpooled.buffer();
        head.encode(out);
        out.writeBytes(expected).writeBytes(data);
        WireRequest.Atomic arrived = WireRequest.Atomic.decode(out);
        assertThat(arrived).isEqualTo(head);
        assertThat(arrived.with(out.nioBuffer()))
                .isEqualTo(
                        new AtomicWrite(
                                kind,
                                head.offset(),
                                java.nio.ByteBuffer.wrap(expected),
                                java.nio.ByteBuffer.wrap(data)));
    }

    @Test
    void anOddOrOverlongCompareIsRefused() {
        WireRequest.Atomic compare =
                new WireRequest.Atomic(
                        new GroupId(1), 1, new Origin(1, 1, 1), AtomicWrite.Kind.COMPARE, 0);
        assertThatThrownBy(() -> compare.with(java.nio.ByteBuffer.allocate(1023)))
                .hasMessageContaining("1023 bytes to compare and write");
        assertThatThrownBy(() ->
                        compare.with(
                                java.nio.ByteBuffer.allocate(
                                        2 * GuardedDevice.MAX_ATOMIC_BYTES + 2)))
                .hasMessageContaining("at most " + GuardedDevice.MAX_ATOMIC_BYTES);
    }

    @Property
    void recordsSurviveTheWire(@ForAll long seed) {
        Draw draw = new Draw(seed);
        byte[] bytes = new byte[draw.upTo(2000)];
        draw.random.nextBytes(bytes);
        SharedRecord record =
                new SharedRecord(draw.number() >>> 1, java.nio.ByteBuffer.wrap(bytes));
        ByteBuf out = Unpooled.buffer();
        WireAnswer.putRecord(out, record);
        assertThat(Wire.decode(out, WireAnswer::record)).isEqualTo(record);
    }

    @Property
    void answersSurviveTheWire(@ForAll long seed) {
        Draw d = new Draw(seed);
        Receipt receipt = new Receipt(d.number(), d.number(), d.number());
        same(receipt, WireAnswer::putReceipt, WireAnswer::receipt);
        Usage usage = new Usage(d.number(), d.number(), d.number(), d.number());
        same(usage, WireAnswer::putUsage, WireAnswer::usage);
        List<Extent> extents =
                d.list(
                        50,
                        x -> new Extent(1 + (x.number() >>> 2), Extent.Kind.values()[x.upTo(3)]));
        same(extents, WireAnswer::putExtents, WireAnswer::extents);
        List<Range> ranges = d.list(50, x -> new Range(x.number(), 1 + (x.number() >>> 2)));
        same(ranges, WireAnswer::putRanges, WireAnswer::ranges);
        List<VolumeUsage> usages =
                d.list(
                        5,
                        x ->
                                new VolumeUsage(
                                        x.number(),
                                        x.number(),
                                        x.list(5, y -> new SnapshotUsage(y.text(), y.number()))));
        same(usages, WireAnswer::putVolumeUsages, WireAnswer::volumeUsages);
        same(volume(d), WireAnswer::putVolume, WireAnswer::volume);
    }

    private static VolumeState volume(Draw d) {
        return new VolumeState(
                d.number(),
                d.number(),
                d.number(),
                d.random.nextInt(),
                d.number(),
                new Limits(d.number(), d.number()),
                d.random.nextBoolean() ? new VolumeState.Parent(d.number(), d.text()) : null,
                d.list(
                        20,
                        x ->
                                new VolumeState.Snapshot(
                                        x.text(),
                                        x.number(),
                                        x.random.nextInt(),
                                        x.number(),
                                        x.number())),
                d.list(
                        5,
                        x ->
                                new VolumeState.Attachment(
                                        x.number(),
                                        AttachMode.values()[x.upTo(3)],
                                        x.number(),
                                        x.number(),
                                        x.text(),
                                        x.number())),
                d.number(),
                d.number());
    }

    private static <T> void same(
            T value, java.util.function.BiConsumer<ByteBuf, T> put, Function<ByteBuf, T> get) {
        ByteBuf out = Unpooled.buffer();
        put.accept(out, value);
        byte[] bytes = new byte[out.readableBytes()];
        out.getBytes(0, bytes);
        assertThat(Wire.decode(out, get)).isEqualTo(value);
        for (int cut = 0; cut < bytes.length; cut += 1 + bytes.length / 40) {
            ByteBuf shorter = Unpooled.wrappedBuffer(bytes, 0, cut);
            assertThatThrownBy(() -> Wire.decode(shorter, get))
                    .isInstanceOfSatisfying(
                            CisternException.class,
                            e -> assertThat(e.code()).isEqualTo(ErrorCode.INVALID));
        }
        ByteBuf longer = Unpooled.buffer().writeBytes(bytes).writeByte(0);
        assertThatThrownBy(() -> Wire.decode(longer, get)).isInstanceOf(CisternException.class);
    }

    @Property(tries = 2000)
    void garbageIsRefusedAndNothingElse(@ForAll byte[] garbage) {
        for (Function<ByteBuf, Object> form : FORMS) {
            assertThatCode(
                            () -> {
                                try {
                                    Wire.decode(Unpooled.wrappedBuffer(garbage), form);
                                } catch (CisternException refused) {
                                    assertThat(refused.code()).isEqualTo(ErrorCode.INVALID);
                                }
                            })
                    .doesNotThrowAnyException();
        }
    }

    @Test
    void aFalseCountTakesNoMemory() {
        ByteBuf lie = Unpooled.buffer().writeInt(Wire.MAX_EXTENTS).writeLong(1);
        assertThatThrownBy(() -> Wire.decode(lie, WireAnswer::ranges))
                .hasMessageContaining("a list of 65536 elements");
    }

    @Test
    void oversizedReadsAndTextsAreRefused() {
        ByteBuf read = Unpooled.buffer();
        new WireRequest.Read(
                        new GroupId(1), new ReadRequest(1, null, 0, 0), 0, Wire.MAX_DATA_BYTES + 1)
                .encode(read);
        assertThatThrownBy(() -> Wire.decode(read, WireRequest.Read::decode))
                .hasMessageContaining("bytes to read");
        assertThatThrownBy(() -> Wire.putText(Unpooled.buffer(), "x".repeat(1025)))
                .hasMessageContaining("at most 1024");
    }
}
