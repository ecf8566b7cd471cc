package io.cistern.raft.net;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.PooledByteBufAllocator;
import io.netty.buffer.Unpooled;
import io.netty.channel.embedded.EmbeddedChannel;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/// The framing of node wire and Raft: checksum and header of one message, and the way back, as
/// whole and as it comes from a socket, in reads of 64 KiB.
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(1)
@Warmup(iterations = 3, time = 2)
@Measurement(iterations = 3, time = 2)
@SuppressWarnings("NullAway.Init") // JMH calls open() before anything else
public class FrameBench {
    private static final int READ_BYTES = 64 << 10;
    private static final int MAX_FRAME = 16 << 20;

    @Param({"4096", "1048576"})
    public int payload;

    private ByteBuf data;
    private ByteBuf wire;
    private EmbeddedChannel channel;

    @Setup
    public void open() {
        data = PooledByteBufAllocator.DEFAULT.directBuffer(payload, payload).writeZero(payload);
        channel = new EmbeddedChannel(new FrameDecoder(MAX_FRAME, false));
        channel.config().setAllocator(PooledByteBufAllocator.DEFAULT);
        Frame.Hello hello =
                new Frame.Hello(Versions.CURRENT.field(), 1, 0, new UUID(1, 2), "bench");
        channel.writeInbound(hello.encode(PooledByteBufAllocator.DEFAULT));
        channel.readInbound();
        Frame.Encoded frame = encoded();
        wire = PooledByteBufAllocator.DEFAULT.directBuffer(frame.bytes(), frame.bytes());
        wire.writeBytes(frame.head().slice());
        for (ByteBuf part : frame.parts()) {
            wire.writeBytes(part.slice());
        }
        frame.release();
    }

    @TearDown
    public void close() {
        channel.finishAndReleaseAll();
        wire.release();
        data.release();
    }

    private Frame.Encoded encoded() {
        return Frame.encode(
                PooledByteBufAllocator.DEFAULT,
                new Frame.Message(Frame.REQUEST, 1, 7, Unpooled.EMPTY_BUFFER),
                MAX_FRAME,
                data.retainedSlice());
    }

    @Benchmark
    public int encode() {
        Frame.Encoded frame = encoded();
        int bytes = frame.bytes();
        frame.release();
        return bytes;
    }

    @Benchmark
    public int decode() {
        for (int at = 0; at < wire.readableBytes(); at += READ_BYTES) {
            int n = Math.min(READ_BYTES, wire.readableBytes() - at);
            channel.writeInbound(wire.retainedSlice(at, n));
        }
        Frame.Message message = channel.readInbound();
        int bytes = message.payload().readableBytes();
        message.payload().release();
        return bytes;
    }
}
