package io.cistern.storage.group;

import io.cistern.block.CisternException;
import io.cistern.storage.group.VolumeIo.Count;
import io.cistern.storage.group.VolumeIo.Operation;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.LongPredicate;
import java.util.function.LongSupplier;

/// Counts and times what users ask of a replica's volumes. Any thread; adds a few dozen nanoseconds
/// to a request.
///
/// A request that another replica has to be asked for instead counts there and not here.
final class IoMeter {
    private static final Operation[] OPERATIONS = Operation.values();
    private static final int CLASSES = VolumeIo.BOUNDS_NANOS.length + 1;

    private final ConcurrentHashMap<Long, Counter[]> volumes = new ConcurrentHashMap<>();
    private final LongSupplier nanos;

    /// @param nanos a clock that only goes forward
    IoMeter(LongSupplier nanos) {
        this.nanos = nanos;
    }

    /// What [#timed] and [#done] measure from.
    long now() {
        return nanos.getAsLong();
    }

    private static final class Counter {
        final LongAdder bytes = new LongAdder();
        final LongAdder failed = new LongAdder();
        final LongAdder nanos = new LongAdder();
        final LongAdder[] classes = new LongAdder[CLASSES];

        Counter() {
            Arrays.setAll(classes, i -> new LongAdder());
        }
    }

    /// Counts a request when it is answered.
    ///
    /// @param beganNanos [#now] when it arrived
    <T> CompletableFuture<T> timed(
            long volume,
            Operation operation,
            long bytes,
            long beganNanos,
            CompletableFuture<T> answer) {
        answer.whenComplete((value, failure) -> {
            if (failure == null) {
                done(volume, operation, bytes, beganNanos);
            } else {
                failed(volume, operation, failure);
            }
        });
        return answer;
    }

    void done(long volume, Operation operation, long bytes, long beganNanos) {
        long took = now() - beganNanos;
        Counter counter = counter(volume, operation);
        counter.bytes.add(bytes);
        counter.nanos.add(took);
        int at = 0;
        while (at < VolumeIo.BOUNDS_NANOS.length && took > VolumeIo.BOUNDS_NANOS[at]) {
            at++;
        }
        counter.classes[at].increment();
    }

    private void failed(long volume, Operation operation, Throwable failure) {
        if (!CisternException.of(failure).code().retryable() && volumes.containsKey(volume)) {
            counter(volume, operation).failed.increment();
        }
    }

    private Counter counter(long volume, Operation operation) {
        Counter[] found = volumes.get(volume);
        if (found == null) {
            found = volumes.computeIfAbsent(volume, id -> fresh());
        }
        return found[operation.ordinal()];
    }

    private static Counter[] fresh() {
        Counter[] counters = new Counter[OPERATIONS.length];
        Arrays.setAll(counters, i -> new Counter());
        return counters;
    }

    /// Forgets volumes that are gone.
    void retain(LongPredicate exists) {
        volumes.keySet().removeIf(volume -> !exists.test(volume));
    }

    /// How many requests of these kinds took how long, by [VolumeIo#BOUNDS_NANOS].
    long[] latencies(Operation... operations) {
        long[] sums = new long[CLASSES];
        for (Counter[] counters : volumes.values()) {
            for (Operation operation : operations) {
                for (int i = 0; i < CLASSES; i++) {
                    sums[i] += counters[operation.ordinal()].classes[i].sum();
                }
            }
        }
        return sums;
    }

    List<VolumeIo> snapshot() {
        List<VolumeIo> all = new ArrayList<>();
        volumes.forEach((volume, counters) -> {
            List<Count> operations = new ArrayList<>();
            for (Operation operation : OPERATIONS) {
                operations.add(count(operation, counters[operation.ordinal()]));
            }
            all.add(new VolumeIo(volume, operations));
        });
        return all;
    }

    private static Count count(Operation operation, Counter counter) {
        List<Long> classes = new ArrayList<>(CLASSES);
        long requests = 0;
        for (LongAdder adder : counter.classes) {
            long sum = adder.sum();
            classes.add(sum);
            requests += sum;
        }
        return new Count(
                operation,
                requests,
                counter.bytes.sum(),
                counter.failed.sum(),
                counter.nanos.sum() / 1e9,
                classes);
    }
}
