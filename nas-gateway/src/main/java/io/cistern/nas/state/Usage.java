package io.cistern.nas.state;

import java.util.concurrent.atomic.LongAdder;

/// How busy a client is. Any thread counts; one measures.
public final class Usage {
    private final LongAdder requests = new LongAdder();
    private final LongAdder readBytes = new LongAdder();
    private final LongAdder writtenBytes = new LongAdder();
    private volatile Rates rates = new Rates(0, 0, 0);
    private long lastNanos;
    private long lastRequests;
    private long lastRead;
    private long lastWritten;

    /// Per second, over the last few seconds.
    public record Rates(double requests, double readBytes, double writtenBytes) {}

    public void request() {
        requests.increment();
    }

    public void read(long bytes) {
        readBytes.add(bytes);
    }

    public void wrote(long bytes) {
        writtenBytes.add(bytes);
    }

    public Rates rates() {
        return rates;
    }

    /// Has [#rates] tell what was since the last call.
    void measure(long nowNanos) {
        double seconds = Math.max(1, nowNanos - lastNanos) / 1e9;
        long r = requests.sum();
        long in = readBytes.sum();
        long out = writtenBytes.sum();
        if (lastNanos != 0) {
            rates =
                    new Rates(
                            (r - lastRequests) / seconds,
                            (in - lastRead) / seconds,
                            (out - lastWritten) / seconds);
        }
        lastNanos = nowNanos;
        lastRequests = r;
        lastRead = in;
        lastWritten = out;
    }
}
