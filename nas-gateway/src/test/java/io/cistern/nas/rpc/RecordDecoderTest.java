package io.cistern.nas.rpc;

import static org.assertj.core.api.Assertions.assertThat;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import io.netty.channel.embedded.EmbeddedChannel;
import java.util.ArrayList;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;

class RecordDecoderTest {
    private static final int LAST = 1 << 31;

    private static void fragment(ByteBuf out, byte[] bytes, boolean last) {
        out.writeInt(bytes.length | (last ? LAST : 0)).writeBytes(bytes);
    }

    @Property(tries = 200)
    void recordsArePutTogetherWhereverTheBytesAreSplit(
            @ForAll @Size(min = 1, max = 6) List<@Size(max = 30) byte[]> fragments,
            @ForAll @IntRange(min = 1, max = 40) int step) {
        ByteBuf stream = Unpooled.buffer();
        ByteBuf whole = Unpooled.buffer();
        for (int i = 0; i < fragments.size(); i++) {
            fragment(stream, fragments.get(i), i == fragments.size() - 1);
            whole.writeBytes(fragments.get(i));
        }
        fragment(stream, new byte[] {1, 2, 3}, true);
        EmbeddedChannel channel = new EmbeddedChannel(new RecordDecoder(1_000, 10));
        while (stream.isReadable()) {
            channel.writeInbound(stream.readBytes(Math.min(step, stream.readableBytes())));
        }
        List<byte[]> records = new ArrayList<>();
        for (ByteBuf r = channel.readInbound(); r != null; r = channel.readInbound()) {
            records.add(ByteBufUtil.getBytes(r));
            r.release();
        }
        assertThat(records).hasSize(2);
        assertThat(records.get(0)).isEqualTo(ByteBufUtil.getBytes(whole));
        assertThat(records.get(1)).containsExactly(1, 2, 3);
        channel.finishAndReleaseAll();
    }

    @Test
    void aRecordLongerThanTheLimitClosesTheConnection() {
        EmbeddedChannel one = new EmbeddedChannel(new RecordDecoder(100, 10));
        one.writeInbound(Unpooled.buffer().writeInt(101 | LAST));
        assertThat(one.isActive()).isFalse();

        EmbeddedChannel sum = new EmbeddedChannel(new RecordDecoder(100, 10));
        ByteBuf stream = Unpooled.buffer();
        fragment(stream, new byte[60], false);
        fragment(stream, new byte[60], true);
        sum.writeInbound(stream);
        assertThat(sum.isActive()).isFalse();
        assertThat((Object) sum.readInbound()).isNull();
    }

    @Test
    void endlessEmptyFragmentsCloseTheConnection() {
        EmbeddedChannel channel = new EmbeddedChannel(new RecordDecoder(100, 10));
        ByteBuf stream = Unpooled.buffer();
        for (int i = 0; i < 11; i++) {
            stream.writeInt(0);
        }
        channel.writeInbound(stream);
        assertThat(channel.isActive()).isFalse();
    }
}
