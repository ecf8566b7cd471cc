package io.cistern.vmdisk;

import java.nio.ByteBuffer;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/// NBD's request header and the replies of reads and writes.
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Fork(1)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 3, time = 1)
public class NbdCodecBench {
    private final RequestHeader request = new RequestHeader(0, 1, 42, 1 << 20, 4096);
    private final ByteBuffer wire = ByteBuffer.allocateDirect(64);
    private final ByteBuffer reply = ByteBuffer.allocateDirect(512);

    public NbdCodecBench() {
        request.encode(wire);
    }

    @Benchmark
    public Object decodeRequest() throws NbdException {
        return RequestHeader.decode(wire, 0);
    }

    @Benchmark
    public int encodeRequest() {
        request.encode(wire.clear());
        return wire.position();
    }

    @Benchmark
    public int readReply() {
        ReplyEncoder.readHeader(reply, 0, true, request);
        return reply.getInt(0);
    }

    @Benchmark
    public int writeReply() {
        return ReplyEncoder.done(reply, 0, true, 42);
    }
}
