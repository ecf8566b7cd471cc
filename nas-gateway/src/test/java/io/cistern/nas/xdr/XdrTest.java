package io.cistern.nas.xdr;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.buffer.UnpooledByteBufAllocator;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;

class XdrTest {
    private static XdrWriter writer() {
        return new XdrWriter(UnpooledByteBufAllocator.DEFAULT);
    }

    @Property(tries = 300)
    void whatIsWrittenIsRead(
            @ForAll int i,
            @ForAll long l,
            @ForAll boolean b,
            @ForAll @Size(max = 40) byte[] opaque,
            @ForAll @IntRange(max = 40_000) int linked,
            @ForAll @Size(max = 5) List<Integer> list) {
        byte[] large = new byte[linked];
        for (int k = 0; k < linked; k++) {
            large[k] = (byte) (k * 31 + i);
        }
        try (XdrWriter out = writer()) {
            out.writeInt(i).writeLong(l).writeBool(b).writeOpaque(opaque);
            out.writeOpaqueGiven(Unpooled.wrappedBuffer(large));
            out.writeInt(list.size());
            list.forEach(out::writeInt);
            int begin = out.beginOpaque();
            out.writeInt(7);
            out.endOpaque(begin);
            int size = out.size();
            ByteBuf bytes = out.take();
            assertThat(bytes.readableBytes()).isEqualTo(size).matches(n -> n % 4 == 0);
            XdrReader in = new XdrReader(bytes);
            assertThat(in.readInt()).isEqualTo(i);
            assertThat(in.readLong()).isEqualTo(l);
            assertThat(in.readBool()).isEqualTo(b);
            assertThat(in.readOpaque(40, "opaque")).isEqualTo(opaque);
            assertThat(in.readOpaque(40_000, "large")).isEqualTo(large);
            assertThat(in.readList(5, "list", XdrReader::readInt)).isEqualTo(list);
            assertThat(in.readOpaque(4, "nested")).containsExactly(0, 0, 0, 7);
            in.expectEnd("all");
            bytes.release();
        }
    }

    @Property(tries = 300)
    void resetDropsWhatCameAfterTheMark(
            @ForAll @Size(max = 8) List<@IntRange(max = 20_000) Integer> before,
            @ForAll @Size(max = 8) List<@IntRange(max = 20_000) Integer> after) {
        try (XdrWriter out = writer();
                XdrWriter expected = writer()) {
            before.forEach(n -> out.writeOpaqueGiven(Unpooled.wrappedBuffer(new byte[n])));
            before.forEach(n -> expected.writeOpaqueGiven(Unpooled.wrappedBuffer(new byte[n])));
            XdrWriter.Mark mark = out.mark();
            after.forEach(n -> out.writeOpaqueGiven(Unpooled.wrappedBuffer(new byte[n])));
            out.reset(mark);
            out.writeInt(5);
            expected.writeInt(5);
            assertThat(out.size()).isEqualTo(expected.size());
            ByteBuf a = out.take();
            ByteBuf b = expected.take();
            assertThat(a).isEqualTo(b);
            a.release();
            b.release();
        }
    }

    @Property(tries = 100)
    void headroomStaysFreeInFrontOfTheFirstBytes(
            @ForAll @IntRange(max = 60) int headroom,
            @ForAll @Size(max = 4) List<@IntRange(max = 20_000) Integer> opaques) {
        try (XdrWriter out = new XdrWriter(UnpooledByteBufAllocator.DEFAULT, headroom);
                XdrWriter expected = writer()) {
            for (XdrWriter w : List.of(out, expected)) {
                w.writeInt(1);
                XdrWriter.Mark mark = w.mark();
                w.writeLong(2).writeInt(3);
                w.reset(mark);
                opaques.forEach(n -> w.writeOpaqueGiven(Unpooled.wrappedBuffer(new byte[n])));
            }
            assertThat(out.size()).isEqualTo(expected.size());
            ByteBuf a = out.take();
            ByteBuf b = expected.take();
            assertThat(a).isEqualTo(b);
            if (opaques.isEmpty()) {
                assertThat(a.readerIndex()).isEqualTo(headroom);
            }
            a.release();
            b.release();
        }
    }

    @Property(tries = 500)
    void anyBytesEitherDecodeOrAreRefused(@ForAll @Size(max = 64) byte[] bytes) {
        XdrReader in = new XdrReader(Unpooled.wrappedBuffer(bytes));
        try {
            in.readOpaque(16, "a");
            in.readBool();
            in.readBitmap(3, "b");
            in.readList(4, "c", XdrReader::readLong);
            in.readString(8, "d");
        } catch (XdrException refused) {
            assertThat(refused).hasMessageNotContaining("null");
        }
    }

    @Test
    void lengthsBeyondTheLimitAreRefusedBeforeAnythingIsAllocated() {
        ByteBuf bytes = Unpooled.buffer().writeInt(-1).writeInt(0);
        assertThatThrownBy(() -> new XdrReader(bytes).readOpaque(Integer.MAX_VALUE, "data"))
                .isInstanceOf(XdrException.class)
                .hasMessageContaining("4294967295");
        ByteBuf longer = Unpooled.buffer().writeInt(1 << 20).writeInt(0);
        assertThatThrownBy(() -> new XdrReader(longer).readOpaque(1 << 20, "data"))
                .isInstanceOf(XdrException.class);
        ByteBuf list = Unpooled.buffer().writeInt(1 << 30).writeInt(0);
        assertThatThrownBy(() -> new XdrReader(list).readList(1 << 30, "list", XdrReader::readInt))
                .isInstanceOf(XdrException.class);
    }

    @Test
    void booleansAreZeroOrOne() {
        assertThatThrownBy(() -> new XdrReader(Unpooled.buffer().writeInt(2)).readBool())
                .isInstanceOf(XdrException.class);
    }
}
