package io.cistern.vmdisk.vhost;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;

class PayloadTest {
    /// A request that carries that payload, and the payload.
    record Sample(Request request, Payload payload) {}

    private static ByteBuffer encode(Payload payload) {
        ByteBuffer out = ByteBuffer.allocate(payload.bytes()).order(ByteOrder.LITTLE_ENDIAN);
        payload.encode(out);
        assertThat(out.hasRemaining()).as("size is exact").isFalse();
        return out.flip();
    }

    @Property(tries = 500)
    void roundTrip(@ForAll("samples") Sample sample) throws VhostException {
        ByteBuffer bytes = encode(sample.payload);
        assertThat(sample.request.decode(bytes)).isEqualTo(sample.payload);
    }

    @Property(tries = 2000)
    void garbageIsRefusedOrUnderstoodWhole(@ForAll byte[] bytes, @ForAll Request request) {
        ByteBuffer in = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        try {
            assertThat(request.decode(in)).isNotNull();
            assertThat(in.hasRemaining()).isFalse();
        } catch (VhostException refused) {
            assertThat(refused.getMessage()).isNotEmpty();
        }
    }

    @Test
    void numbersThatAreNotInTheTableAreRefused() throws VhostException {
        for (Request request : Request.values()) {
            assertThat(Request.of(request.number)).isSameAs(request);
        }
        for (int unknown : new int[] {0, 19, 22, 33, 41, 64, -1, Integer.MIN_VALUE}) {
            assertThatThrownBy(() -> Request.of(unknown)).isInstanceOf(VhostException.class);
        }
    }

    @Test
    void noPayloadIsLongerThanTheBufferForIt() {
        for (Request request : Request.values()) {
            assertThatThrownBy(() -> request.checkSize(Message.MAX_PAYLOAD_BYTES + 1))
                    .isInstanceOf(VhostException.class);
            assertThatThrownBy(() -> request.checkSize(0xffffffffL))
                    .isInstanceOf(VhostException.class);
        }
    }

    @Provide
    Arbitrary<Sample> samples() {
        Arbitrary<Long> longs = Arbitraries.longs();
        Arbitrary<Integer> ints = Arbitraries.integers();
        Arbitrary<Payload.Region> region =
                Combinators.combine(longs, longs, longs, longs).as(Payload.Region::new);
        Arbitrary<ByteBuffer> content =
                Arbitraries.bytes()
                        .array(byte[].class)
                        .ofMaxSize(Payload.Config.MAX_CONTENT_BYTES)
                        .map(ByteBuffer::wrap);
        List<Arbitrary<Sample>> all =
                List.of(
                        Arbitraries.of(Request.GET_FEATURES, Request.SET_OWNER)
                                .map(r -> new Sample(r, Payload.Empty.INSTANCE)),
                        longs.map(v -> new Sample(Request.SET_FEATURES, new Payload.Number(v))),
                        Combinators.combine(ints, ints)
                                .as((i, v) ->
                                        new Sample(
                                                Request.SET_VRING_NUM,
                                                new Payload.RingState(i, v))),
                        Combinators.combine(ints, ints, longs, longs, longs, longs)
                                .as((i, f, d, u, a, l) ->
                                        new Sample(
                                                Request.SET_VRING_ADDR,
                                                new Payload.RingAddress(i, f, d, u, a, l))),
                        region.list()
                                .ofMaxSize(Payload.MemoryTable.MAX_REGIONS)
                                .map(l ->
                                        new Sample(
                                                Request.SET_MEM_TABLE, new Payload.MemoryTable(l))),
                        region.map(
                                r -> new Sample(Request.ADD_MEM_REG, new Payload.MemoryRegion(r))),
                        Combinators.combine(longs, longs)
                                .as((s, o) ->
                                        new Sample(
                                                Request.SET_LOG_BASE, new Payload.LogArea(s, o))),
                        Combinators.combine(ints, ints, content)
                                .as((o, f, c) ->
                                        new Sample(
                                                Request.SET_CONFIG, new Payload.Config(o, f, c))),
                        Combinators.combine(
                                        longs,
                                        longs,
                                        Arbitraries.integers().between(0, 65535),
                                        Arbitraries.integers().between(0, 65535),
                                        Arbitraries.of(20, 24))
                                .as((s, o, q, n, b) ->
                                        new Sample(
                                                Request.SET_INFLIGHT_FD,
                                                new Payload.Inflight(s, o, q, n, b))));
        return Arbitraries.oneOf(all);
    }
}
