package io.cistern.vmdisk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.cistern.block.BlockDevice.Extent;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.LongRange;
import net.jqwik.api.constraints.Size;

/// The codecs of the transmission phase, in any portions.
class CodecTest {
    private final BufferPool pool = new BufferPool(64 << 20);

    @Property
    void requestHeadersComeBackAsTheyWent(
            @ForAll @IntRange(max = 0xffff) int flags,
            @ForAll @IntRange(max = 0xffff) int type,
            @ForAll long cookie,
            @ForAll long offset,
            @ForAll @LongRange(max = 0xffff_ffffL) long length)
            throws NbdException {
        RequestHeader header = new RequestHeader(flags, type, cookie, offset, length);
        ByteBuffer b = ByteBuffer.allocate(40).position(5);
        header.encode(b);
        assertThat(b.position()).isEqualTo(5 + NbdProtocol.REQUEST_BYTES);
        assertThat(RequestHeader.decode(b, 5)).isEqualTo(header);
        b.put(5, (byte) 0);
        assertThatThrownBy(() -> RequestHeader.decode(b, 5)).isInstanceOf(NbdException.class);
    }

    @Property
    void onlyRangesInsideTheDeviceAreWithin(
            @ForAll long offset,
            @ForAll @LongRange(max = 0xffff_ffffL) long length,
            @ForAll @LongRange(min = 0, max = 1L << 50) long size) {
        boolean inside =
                offset >= 0
                        && java.math.BigInteger.valueOf(offset)
                                        .add(java.math.BigInteger.valueOf(length))
                                        .compareTo(java.math.BigInteger.valueOf(size))
                                <= 0;
        assertThat(new RequestHeader(0, 0, 0, offset, length).within(size)).isEqualTo(inside);
        assertThat(new RequestHeader(0, 0, 0, size, 0).within(size)).isTrue();
        assertThat(new RequestHeader(0, 0, 0, size, 1).within(size)).isFalse();
    }

    /// One request with its payload, which only writes have.
    private record Sent(RequestHeader header, byte[] payload) {}

    @Provide
    Arbitrary<List<Sent>> requests() {
        Arbitrary<Sent> one =
                Combinators.combine(
                                Arbitraries.integers().between(0, 7),
                                Arbitraries.longs(),
                                Arbitraries.integers().between(0, 20_000))
                        .as((type, cookie, length) -> {
                            byte[] payload = new byte[type == NbdProtocol.CMD_WRITE ? length : 0];
                            new Random(cookie).nextBytes(payload);
                            return new Sent(
                                    new RequestHeader(0, type, cookie, 512, length), payload);
                        });
        return one.list().ofMaxSize(12);
    }

    /// However the stream is cut, the reader yields the same requests and payloads; also where a
    /// payload is skipped.
    @Property(tries = 300)
    void requestsAreReadFromAnyPortions(
            @ForAll("requests") List<Sent> requests,
            @ForAll long seed,
            @ForAll @IntRange(min = 1, max = 3000) int most)
            throws IOException {
        Random random = new Random(seed);
        byte[] stream = encode(requests);
        PooledBuffer buffer = pool.take(512);
        int buffered = Math.min(stream.length, random.nextInt(400));
        buffer.bytes().put(0, stream, 0, buffered);
        int[] at = {buffered};
        RequestReader.Source source =
                (into, index, length) -> {
                    int n =
                            Math.min(
                                    Math.min(length, 1 + random.nextInt(most)),
                                    stream.length - at[0]);
                    into.bytes().put(index, stream, at[0], n);
                    at[0] += n;
                    return n;
                };
        RequestReader reader = new RequestReader(source, buffer, buffered, () -> {});
        for (Sent sent : requests) {
            assertThat(reader.next()).isEqualTo(sent.header());
            int length = sent.payload().length;
            if (random.nextInt(4) == 0) {
                reader.skip(length);
            } else if (length > 0) {
                PooledBuffer into = pool.take(length);
                reader.payload(into, length);
                byte[] got = new byte[length];
                into.bytes().get(PooledBuffer.HEADROOM, got);
                assertThat(got).isEqualTo(sent.payload());
                into.release();
            }
        }
        assertThat(reader.next()).isNull();
        buffer.release();
        assertThat(pool.bytesInUse()).isZero();
    }

    /// A stream that ends within a request is an error, wherever it ends.
    @Property(tries = 200)
    void aCutStreamIsNoticed(@ForAll @IntRange(min = 1, max = 127) int length) throws IOException {
        byte[] stream =
                encode(
                        List.of(
                                new Sent(
                                        new RequestHeader(0, NbdProtocol.CMD_WRITE, 1, 0, 100),
                                        new byte[100])));
        PooledBuffer buffer = pool.take(512);
        buffer.bytes().put(0, stream, 0, length);
        RequestReader reader = new RequestReader((into, at, n) -> 0, buffer, length, () -> {});
        PooledBuffer into = pool.take(100);
        assertThatThrownBy(
                        () -> {
                            reader.next();
                            reader.payload(into, 100);
                        })
                .isInstanceOf(NbdException.class)
                .hasMessageContaining("within");
        into.release();
        buffer.release();
    }

    private static byte[] encode(List<Sent> requests) {
        ByteBuffer b = ByteBuffer.allocate(1 << 20);
        for (Sent sent : requests) {
            sent.header().encode(b);
            b.put(sent.payload());
        }
        byte[] bytes = new byte[b.position()];
        b.get(0, bytes);
        return bytes;
    }

    @Provide
    Arbitrary<List<Extent>> extents() {
        return Combinators.combine(
                        Arbitraries.longs().between(1, 100_000),
                        Arbitraries.of(Extent.Kind.values()))
                .as(Extent::new)
                .list()
                .ofMinSize(1)
                .ofMaxSize(50);
    }

    /// Whatever extents the device gives, the reply says the same of every byte of the request,
    /// nothing beyond it, and joins neighbours of one kind.
    @Property
    void blockStatusSaysWhatTheDeviceSaid(
            @ForAll("extents") List<Extent> extents,
            @ForAll @LongRange(min = 1, max = 2_000_000) long length) {
        ByteBuffer b = ByteBuffer.allocate(24 + 8 * 50);
        RequestHeader request = new RequestHeader(0, NbdProtocol.CMD_BLOCK_STATUS, 9, 0, length);
        int end = ReplyEncoder.blockStatus(b, request, extents);
        assertThat(b.getInt(16)).isEqualTo(end - NbdProtocol.CHUNK_BYTES);
        List<Integer> said = new ArrayList<>();
        long total = 0;
        int before = -1;
        for (int at = 24; at < end; at += 8) {
            assertThat(b.getInt(at)).isPositive();
            assertThat(b.getInt(at + 4)).isNotEqualTo(before);
            before = b.getInt(at + 4);
            total += b.getInt(at);
            said.add(before);
        }
        long known = extents.stream().mapToLong(Extent::length).sum();
        assertThat(total).isEqualTo(Math.min(length, known));
        assertThat(said.get(0))
                .isEqualTo(
                        switch (extents.get(0).kind()) {
                            case DATA -> 0;
                            case ZERO -> 2;
                            case HOLE -> 3;
                        });
    }

    @Property
    void allZeroSeesTheOneByteThatIsNot(
            @ForAll @IntRange(min = 1, max = 200_000) int length,
            @ForAll @IntRange(max = 199_999) int where,
            @ForAll @IntRange(max = 20) int at) {
        ByteBuffer b = ByteBuffer.allocateDirect(at + length + 8);
        assertThat(ReplyEncoder.allZero(b, at, length)).isEqualTo(length >= 8);
        b.put(at + length, (byte) 1);
        assertThat(ReplyEncoder.allZero(b, at, length)).isEqualTo(length >= 8);
        b.put(at + where % length, (byte) 1);
        assertThat(ReplyEncoder.allZero(b, at, length)).isFalse();
    }

    @Property
    void errorRepliesFitTheSmallestBuffer(@ForAll @Size(max = 900) String text) {
        PooledBuffer buffer = pool.take(0);
        ReplyEncoder.Failure failure = new ReplyEncoder.Failure(NbdProtocol.EIO, text);
        int bytes = ReplyEncoder.error(buffer.bytes(), 0, true, 3, failure);
        assertThat(buffer.bytes().getInt(16)).isEqualTo(bytes - NbdProtocol.CHUNK_BYTES);
        int length = buffer.bytes().getShort(24);
        assertThat(bytes).isEqualTo(26 + length).isLessThan(buffer.capacity());
        buffer.release();
    }

    /// The pool never hands out more than its limit and never the same buffer twice.
    @Property(tries = 100)
    void thePoolKeepsItsLimit(
            @ForAll @Size(max = 200) List<@IntRange(max = 300_000) Integer> sizes) {
        BufferPool small = new BufferPool(1 << 20);
        List<PooledBuffer> held = new ArrayList<>();
        for (int size : sizes) {
            try {
                PooledBuffer buffer = small.take(size);
                assertThat(buffer.capacity()).isGreaterThanOrEqualTo(size + 64);
                assertThat(held).doesNotContain(buffer);
                held.add(buffer);
            } catch (io.cistern.block.CisternException e) {
                assertThat(e.code()).isEqualTo(io.cistern.block.ErrorCode.LIMIT);
                if (!held.isEmpty()) {
                    held.remove(0).release();
                }
            }
            assertThat(small.bytesInUse())
                    .isEqualTo(held.stream().mapToLong(PooledBuffer::capacity).sum())
                    .isLessThanOrEqualTo(1 << 20);
        }
    }
}
